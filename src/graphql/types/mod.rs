//! The types that queries answer with.

pub mod availability;
pub mod booking;
pub mod compact_seats;
pub mod event;
pub mod hold;
pub mod line_item;
pub mod money;
pub mod seat;
pub mod seat_history;
pub mod seat_map;
pub mod seating_plan;
pub mod time;
pub mod venue;
pub mod viewer;
