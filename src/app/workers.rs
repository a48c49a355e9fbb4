//! Work for the threads that serve, asked for by the thread that starts and stops.

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// Does the work on the workers, also what it spawns; given up when this is dropped.
pub async fn run<T: Send + 'static>(
    workers: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match AbortOnDropHandle::new(workers.spawn(work)).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The workers are being shut down, and with them whoever waits here.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
