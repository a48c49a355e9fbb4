//! The way to the database: TLS, the limits of connections, secrets, and roles.

mod limits;
mod roles;
mod sale;
mod secrets;
mod tls;
