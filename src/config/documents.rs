//! What an operation may ask for.

use clap::Args;

/// What an operation may ask for.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Documents")]
pub struct DocumentSettings {}
