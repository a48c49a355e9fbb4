//! The command line.

use crate::app::stopping::{StopSignals, Stopped};
use crate::app::token::TokenRequest;
use crate::app::{import_plan, log, migrate, output, serve, token};
use crate::config::{LogSettings, Settings};
use crate::graphql;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use tokio::runtime::Handle;

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
    settings: Settings,
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
        /// The file, as pretix publishes the format and its plan editor exports it;
        /// - is standard input.
        file: PathBuf,
    },
}

impl CommandLine {
    /// Reads it, and the variables; what makes no sense ends the program.
    pub fn read() -> Self {
        let command_line = Self::parse();
        // Not by clap's conflicts_with, to which a variable that says false is one
        // that was given.
        if command_line.settings.server.demo && command_line.settings.server.no_demo {
            let conflict = "the argument '--demo' cannot be used with '--no-demo'";
            let error = Self::command().error(ErrorKind::ArgumentConflict, conflict);
            error.exit();
        }
        if let Err(conflict) = command_line.settings.retention.check() {
            let error = Self::command().error(ErrorKind::ArgumentConflict, conflict);
            error.exit();
        }
        command_line
    }
}

/// Does what the command line says; what serves does so on the workers.
///
/// # Errors
/// Whatever the command fails with.
pub async fn run(
    command_line: CommandLine,
    workers: &Handle,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let CommandLine {
        command,
        mut settings,
        log: log_settings,
    } = command_line;
    log::start(&log_settings)?;
    let command = command.unwrap_or(Command::Serve);
    if !matches!(command, Command::Schema) {
        settings.read_secret_files()?;
    }
    match command {
        Command::Serve => serve::run(&settings, workers).await?,
        Command::Migrate => unless_stopped(migrate::run(&settings, workers)).await?,
        Command::Schema => output::write(graphql::sdl())?,
        Command::Token(request) => {
            token::run(&settings.storage, &settings.authentication, &request)?;
        }
        Command::Plan(PlanCommand::Import { file }) => {
            unless_stopped(import_plan::run(&settings, workers, &file)).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_a_debug_print_of_the_settings() {
        let command_line = CommandLine::try_parse_from([
            "usher",
            "--database-url=postgres://u:hunter2@localhost/usher",
            "--migration-database-url=postgres://o:hunter2@localhost/usher",
            "--redis-url=redis://:hunter2@localhost",
            "--jwt-secret=hunter2 hunter2 hunter2 hunter2",
        ]);
        let command_line = command_line.unwrap();
        for text in [format!("{command_line:?}"), format!("{command_line:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.matches("***").count() >= 4, "{text}");
        }
    }
}
