//! What is checked of hostile input: one file for each target, each with one function that takes
//! any bytes and panics when something does not hold.
//!
//! `fuzz_targets/` gives them what libFuzzer makes up, and `tests/it/fuzz_corpus.rs` all files of
//! the corpus. Nothing here may need a database, a network or the time of day.

pub mod cursors_and_ids;
pub mod documents;
pub mod http_request;
pub mod plan_import;
pub mod websocket_messages;

mod answers;
mod server;
