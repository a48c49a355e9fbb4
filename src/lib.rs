//! usher: a seat-booking API that never sells a seat twice.
//!
//! Floors, each of which may use only those before it: `model`, `config` and `trail`,
//! `db`, then `domain`, `feed`, `limits` and `auth`, then `batcher`, `graphql`, `http`, and `app` on
//! top. ARCHITECTURE.md says why and follows a request through them.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod model;
pub mod trail;

pub mod db;

pub mod auth;
pub mod domain;
pub mod feed;
pub mod limits;

pub mod batcher;

pub mod graphql;

pub mod http;

pub mod app;
