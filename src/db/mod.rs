//! The database: connections, migrations, and one file per resource.
//!
//! Functions take a connection and never the pool, so that the floor above decides
//! what is one transaction; those that take `&AsyncPgConnection` may be sent together
//! with others. They answer `QueryResult`: what
//! a missing or unchanged row means is for the domain to say.

pub mod advisory_locks;
mod array_statement;
pub mod bookings;
pub mod buyers;
pub mod changes;
pub mod clock;
mod database_url;
pub mod embedded;
mod encryption;
pub mod events;
pub mod failure;
pub mod feed_origin;
pub mod feed_state;
pub mod holds;
pub mod idempotency_keys;
pub mod migrations;
pub mod old_changes;
pub mod plans;
pub mod pool;
pub mod privileges;
pub mod query_plans;
pub mod redis;
pub mod schema;
pub mod seats;
mod server;
mod timeouts;
mod tls;
mod tls_options;
pub mod transaction_id;
pub mod venues;

pub use database_url::OpenError;
pub use pool::{Connection, Database, DatabaseUnavailable};
