//! What is written about what happens, and where to.

use super::reading::{path, unless_empty};
use clap::Args;
use std::path::{Path, PathBuf};

/// What is written about what happens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Log")]
pub struct LogSettings {
    /// What is logged, in tracing's filter language, such as `info,usher=debug`.
    /// What is bound to SQL statements only when it names `tokio_postgres`.
    #[arg(global = true, long = "log", env = "USHER_LOG", default_value = "info")]
    #[arg(value_name = "FILTER")]
    pub filter: String,
    /// A file that the security log goes to, as JSON, one object a line, beside the log: who
    /// was refused what, and what staff have done. It is added to.
    #[arg(global = true, long, env = "USHER_SECURITY_LOG", value_name = "FILE")]
    #[arg(value_parser = path)]
    security_log: Option<PathBuf>,
    /// How it is written.
    #[arg(
        global = true,
        long = "log-format",
        env = "USHER_LOG_FORMAT",
        value_enum
    )]
    #[arg(default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogSettings {
    /// The file of the security log, if one is named. An empty variable names none.
    pub fn security_log(&self) -> Option<&Path> {
        unless_empty(self.security_log.as_deref())
    }
}
