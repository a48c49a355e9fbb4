//! The program: reads the command line and says in one line why it failed.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;
use usher::app::cli::{self, CommandLine};
use usher::model::causes::in_full;

/// Requests are many small allocations, given back on other threads. Without huge pages, with
/// which a server that does nothing has almost twice as much memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the end of the process waits for what was cut off.
const LAST_WORDS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match run(CommandLine::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads it there is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "usher: {}", in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Requests and their database are the workers'. Signals, the time to stop and the
/// private PostgreSQL are the main thread's, which nothing that a client asks for
/// can keep busy: usher ends even when every worker is.
fn run(command_line: CommandLine) -> Result<(), Box<dyn Error + Send + Sync>> {
    let control = Builder::new_current_thread().enable_all().build()?;
    let workers = Builder::new_multi_thread().enable_all().build()?;
    let done = control.block_on(cli::run(command_line, workers.handle()));
    // Dropped, they would wait for threads that may never be done. What is cut off has the time to
    // say so in the security log.
    workers.shutdown_timeout(LAST_WORDS);
    control.shutdown_background();
    done
}
