//! Puts the floors together: what each command of the program does.

pub mod authentication;
pub mod background;
pub mod banner;
pub mod cli;
mod demo;
pub mod import_plan;
pub mod log;
pub mod migrate;
mod open_files;
pub mod output;
pub mod pruner;
pub mod running;
pub mod serve;
pub mod stopping;
pub mod storage;
pub mod sweeper;
pub mod token;
pub mod workers;
