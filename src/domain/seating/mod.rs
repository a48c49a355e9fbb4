//! Which seats go together: pure functions of a plan, of what is free, and of
//! who wants to sit where. Reads no database and decides nothing for good: what
//! is free here may be gone when it is taken.

pub mod best_available;
mod groups;
pub mod house;
pub mod lone_seats;
mod neighbours;
pub mod party;

#[cfg(test)]
mod drawing;
#[cfg(test)]
mod properties;
