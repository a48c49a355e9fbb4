//! The command line.

use crate::app::token::TokenRequest;
use crate::app::{import_plan, migrate, serve, token};
use crate::config::{
    AuthenticationSettings, LogFormat, LogSettings, ServerSettings, StorageSettings,
};
use crate::graphql;
use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// A seat-booking API that never sells a seat twice.
///
/// Without a command, usher serves. Every flag can be given as the variable
/// that stands beside it.
#[derive(Parser, Debug)]
#[command(name = "usher", version, subcommand_negates_reqs = true)]
pub struct CommandLine {
    #[command(flatten)]
    serve: ServeArguments,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args, Debug)]
struct ServeArguments {
    #[command(flatten)]
    server: ServerSettings,
    #[command(flatten)]
    storage: StorageSettings,
    #[command(flatten)]
    authentication: AuthenticationSettings,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start the server; the same as no command.
    Serve(ServeArguments),
    /// Run pending migrations and end. The server does so, too, when it starts.
    Migrate(StorageSettings),
    /// Print the GraphQL schema.
    Schema,
    /// Print a bearer token.
    Token {
        #[command(flatten)]
        request: TokenRequest,
        #[command(flatten)]
        storage: StorageSettings,
        #[command(flatten)]
        authentication: AuthenticationSettings,
    },
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
        #[command(flatten)]
        storage: StorageSettings,
    },
}

/// Does what the command line says.
///
/// # Errors
/// Whatever the command fails with.
pub async fn run(command_line: CommandLine) -> Result<(), Box<dyn Error + Send + Sync>> {
    start_log(&command_line.log)?;
    match command_line.command {
        None => {
            let ServeArguments {
                server,
                storage,
                authentication,
            } = command_line.serve;
            serve::run(&server, &storage, &authentication).await?;
        }
        Some(Command::Serve(ServeArguments {
            server,
            storage,
            authentication,
        })) => {
            serve::run(&server, &storage, &authentication).await?;
        }
        Some(Command::Migrate(storage)) => migrate::run(&storage).await?,
        Some(Command::Schema) => print!("{}", graphql::sdl()),
        Some(Command::Token {
            request,
            storage,
            authentication,
        }) => {
            token::run(&storage, &authentication, &request)?;
        }
        Some(Command::Plan(PlanCommand::Import { file, storage })) => {
            import_plan::run(&storage, &file).await?;
        }
    }
    Ok(())
}

/// Logs go to standard error: standard output is for what a command answers.
fn start_log(settings: &LogSettings) -> Result<(), Box<dyn Error + Send + Sync>> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
