//! The command line.

use crate::app::stopping::{StopSignals, Stopped};
use crate::app::token::TokenRequest;
use crate::app::{import_plan, migrate, serve, token};
use crate::config::{
    AuthenticationSettings, LogFormat, LogSettings, ServerSettings, StorageSettings,
};
use crate::graphql;
use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// A seat-booking API that never sells a seat twice.
///
/// Without a command, usher serves. Flags may stand before or after a command,
/// and every one of them can be given as the variable beside it.
#[derive(Parser, Debug)]
#[command(name = "usher", version)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    storage: StorageSettings,
    #[command(flatten)]
    authentication: AuthenticationSettings,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start the server; the same as no command.
    Serve,
    /// Run pending migrations and end. The server does so, too, when it starts.
    Migrate,
    /// Print the GraphQL schema.
    Schema,
    /// Print a bearer token that a server with the same settings believes.
    Token(TokenRequest),
    /// Seating plans.
    #[command(subcommand)]
    Plan(PlanCommand),
}

#[derive(Subcommand, Debug)]
enum PlanCommand {
    /// Import a seating plan from a JSON file and print its id.
    Import {
        /// The file, as pretix publishes the format and its plan editor exports it.
        file: PathBuf,
    },
}

/// Does what the command line says.
///
/// # Errors
/// Whatever the command fails with.
pub async fn run(command_line: CommandLine) -> Result<(), Box<dyn Error + Send + Sync>> {
    let CommandLine {
        command,
        server,
        storage,
        authentication,
        log,
    } = command_line;
    start_log(&log)?;
    match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&server, &storage, &authentication).await?,
        Command::Migrate => unless_stopped(migrate::run(&storage)).await?,
        Command::Schema => print!("{}", graphql::sdl()),
        Command::Token(request) => token::run(&storage, &authentication, &request)?,
        Command::Plan(PlanCommand::Import { file }) => {
            unless_stopped(import_plan::run(&storage, &file)).await?;
        }
    }
    Ok(())
}

/// Does the work of a command, or ends it when the program is asked to stop: what
/// it has started is then stopped as well.
async fn unless_stopped<E: Error + Send + Sync + 'static>(
    work: impl Future<Output = Result<(), E>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut signals = StopSignals::new()?;
    tokio::select! {
        done = work => Ok(done?),
        signal = signals.next() => Err(Stopped(signal).into()),
    }
}

/// The log filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no log filter: give one such as info or info,usher=debug")]
struct BadLogFilter(String);

/// Logs go to standard error: standard output is for what a command answers.
fn start_log(settings: &LogSettings) -> Result<(), BadLogFilter> {
    let filter =
        EnvFilter::try_new(&settings.filter).map_err(|_| BadLogFilter(settings.filter.clone()))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => {
            log.with_target(false)
                .with_ansi(std::io::stderr().is_terminal())
                .init();
        }
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
