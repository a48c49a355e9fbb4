//! The program: reads the command line and says in one line why it failed.

use clap::Parser;
use std::process::ExitCode;
use usher::app::cli::{self, CommandLine};
use usher::model::causes::in_full;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(CommandLine::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usher: {}", in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
