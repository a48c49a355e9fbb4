//! How PostgreSQL plans the statements that run all the time: once for a connection, and in a
//! way that is right however large the tables become.
//!
//! A plan for any parameters (a generic one) is kept until its tables are analyzed. Made while they
//! are small, it would read them whole, and go on doing so when a sale has filled them: by default
//! autovacuum looks every minute, and a sale is a minute long. So no other way is left to choose
//! than the one by an index. (A statement that is also run elsewhere keeps the plan it got there, if
//! it was run there more than five times before. And a join of `seats` with what is wanted, planned
//! while all events together have some dozen seats, reads its whole index until it is analyzed:
//! seats are there long before they are sold.)
//!
//! `jit` is off because a plan whose only way is one that was to be avoided counts as an expensive
//! one, which would be compiled.

/// For statements that find rows by their keys, until the transaction ends.
pub const BY_KEY_IN_THIS_TRANSACTION: &str = "SET LOCAL plan_cache_mode = force_generic_plan; \
     SET LOCAL enable_seqscan = off; \
     SET LOCAL enable_hashjoin = off; \
     SET LOCAL enable_mergejoin = off; \
     SET LOCAL jit = off";

/// For a statement for which there are several indexes to choose from: PostgreSQL chooses rightly by
/// how large the table is now.
pub const ANEW_IN_THIS_TRANSACTION: &str = "SET LOCAL plan_cache_mode = force_custom_plan";

/// For a connection that reads rows in the order of an index.
pub const IN_ORDER: &str = "SET plan_cache_mode = force_generic_plan; \
     SET enable_seqscan = off; \
     SET enable_bitmapscan = off; \
     SET enable_sort = off; \
     SET jit = off";
