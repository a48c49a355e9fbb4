//! usher as its users meet it: a real server on a port of its own, a real
//! PostgreSQL, and a database for each test.

#![allow(
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

mod attacks;
mod authentication;
mod bad_input;
mod batches;
mod best_available;
mod booking;
mod box_office;
mod browser;
mod command_line;
mod compact_maps;
mod contract;
mod database;
mod feed;
mod floors;
mod fuzz_corpus;
mod graphql_over_http;
mod heap_only_updates;
mod limits;
mod live_maps;
mod migrations;
mod pages;
mod permissions;
mod plan_drawings;
mod query_plans;
mod races;
mod records;
mod replicas;
mod retention;
mod sale;
mod schema;
mod seat_rules;
mod server_sent_events;
mod subscriptions;
mod warm_maps;
mod websocket_protocol;
