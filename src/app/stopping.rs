//! When the program is asked to stop.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears the signals that ask a program to stop, from the moment it is made.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// A command was asked to stop before it was done.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {0}")]
pub struct Stopped(pub &'static str);

impl StopSignals {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            // The terminal was closed: as good a reason to stop as any.
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves with the name of the next one.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
