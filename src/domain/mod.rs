//! What usher does: one function per use case. Knows no GraphQL and no HTTP,
//! and never calls the feed: the database is what couples the two.
//!
//! A use case answers a refusal, the domain's normal "no", as data; a
//! [`DomainError`] is for input that makes no sense and for what failed.

pub mod access;
pub mod alternatives;
pub mod confirm_hold;
pub mod create_event;
pub mod create_venue;
pub mod error;
pub mod event_view;
pub mod hold_seats;
pub mod import_plan;
pub mod lapse_holds;
pub mod plan_cache;
pub mod plan_document;
pub mod release_hold;
pub mod sale;
pub mod text;
pub mod transaction;

pub use error::DomainError;
