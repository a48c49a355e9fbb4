//! How much one caller may ask.

use clap::Args;

/// How much one caller may ask.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rate limits")]
pub struct RateLimitSettings {}
