//! What hostile clients do, and what becomes of it: they are refused, nothing is changed, and
//! whoever behaves is served meanwhile.

mod capabilities;
mod documents;
mod run_role;
mod sockets;
mod strings;
mod tokens;
mod watchers;
mod web;
