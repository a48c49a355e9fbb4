//! usher
#![allow(missing_docs)]
pub mod auth;
pub mod config;
pub mod db;
pub mod domain;
pub mod feed;
pub mod graphql;
pub mod model;
