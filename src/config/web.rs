//! Which pages may use the API, and how long a client may take.

use clap::Args;

/// Which pages may use the API, and how long a client may take.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Web")]
pub struct WebSettings {}
