//! What usher does: one function per use case, which does the work on a connection or
//! answers a decision that a [batch] runs. Knows no GraphQL and no HTTP, and never calls
//! the feed: the database is what couples the two.
//!
//! A use case answers a refusal, the domain's normal "no", as data; a
//! [`DomainError`] is for input that makes no sense and for what failed.

pub mod access;
pub mod alternatives;
pub mod batch;
pub mod block_seats;
pub mod book_seats;
pub mod box_office;
pub mod buyer_limits;
pub mod cancel_booking;
pub mod cancel_event;
pub mod confirm_hold;
pub mod conflict;
pub mod create_event;
pub mod create_venue;
pub mod environment;
pub mod error;
pub mod event_policies;
pub mod event_view;
pub mod exchange_seats;
pub mod extend_hold;
pub mod hold_best_available;
pub mod hold_seats;
pub mod holding;
pub mod idempotency;
pub mod import_plan;
pub mod lapse_holds;
pub mod lone_seat_rule;
pub mod permissions;
pub mod plan_cache;
pub mod plan_document;
pub mod plan_drawing;
pub mod price_list;
pub mod prices;
pub mod prune_changes;
pub mod prune_idempotency_keys;
pub mod release_hold;
pub mod sale;
pub mod seat_change;
pub mod seat_history;
pub mod seat_owner;
pub mod seating;
pub mod text;
pub mod transaction;
pub mod update_event;
pub mod update_venue;
pub mod watch_hold;

pub use environment::Environment;
pub use error::DomainError;
