//! The words of seat booking as types: identities, statuses, money, cursors.
//! Knows no database connection, no GraphQL and no HTTP; may be used by every
//! floor above.

pub mod caller;
pub mod causes;
pub mod compact_seats;
pub mod cursor;
pub mod global_id;
pub mod ids;
pub mod money;
pub mod page_cursor;
pub mod permission;
pub mod reference;
pub mod rows;
pub mod seating_plan;
pub mod seldom;
pub mod status;
pub mod token;

pub use caller::{Caller, Role};
pub use permission::Permission;
