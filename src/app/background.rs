//! Tasks that run for as long as the server does. They are watched: with one of
//! them gone, usher would look healthy and never publish a lapsed hold, or any
//! news, again.

use std::collections::HashMap;
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// How long a cancelled task may take to be gone. It needs no time, but a thread.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// The tasks, each with its name. They are ended when this is dropped.
#[derive(Default)]
pub struct BackgroundTasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A task ended that should have run on.
#[derive(Debug, thiserror::Error)]
#[error("the {name} ended by itself, and usher does not go on without it")]
pub struct TaskEnded {
    name: &'static str,
    /// Its panic; without one it returned.
    #[source]
    panic: Option<JoinError>,
}

impl BackgroundTasks {
    /// Starts a task that is meant never to return; the answer ends it alone.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let task = self.tasks.spawn(task);
        self.names.insert(task.id(), name);
        task
    }

    /// Resolves when a task panics or returns; never for one that was cancelled.
    pub async fn ended(&mut self) -> TaskEnded {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let (id, panic) = match ended {
                Ok((id, ())) => (id, None),
                Err(error) if error.is_cancelled() => continue,
                Err(error) => (error.id(), Some(error)),
            };
            let name = self.names.remove(&id).unwrap_or("background task");
            return TaskEnded { name, panic };
        }
        std::future::pending().await
    }

    /// Cancels all of them and waits until they are gone; not for long, because
    /// where every thread is busy for ever they never are.
    pub async fn stop(mut self) {
        let stopped = tokio::time::timeout(STOP_LIMIT, self.tasks.shutdown());
        if stopped.await.is_err() {
            tracing::warn!("no thread is free to end what runs in the background");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::causes::in_full;
    use futures_util::FutureExt;
    use std::future::pending;
    use std::sync::mpsc;
    use tokio::runtime::Builder;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_reported_by_its_name() {
        let mut tasks = BackgroundTasks::default();
        tasks.spawn("steady one", pending());
        tasks.spawn("clumsy one", async { panic!("it slipped") });
        let ended = in_full(&tasks.ended().await);
        assert!(ended.starts_with("the clumsy one ended"), "{ended}");
        assert!(ended.contains("it slipped"), "{ended}");

        tasks.spawn("lazy one", async {});
        let ended = in_full(&tasks.ended().await);
        assert!(ended.starts_with("the lazy one ended"), "{ended}");
        assert!(tasks.ended().now_or_never().is_none());
    }

    #[test]
    fn stopping_waits_for_no_thread_that_is_busy_for_ever() {
        let workers = Builder::new_multi_thread().worker_threads(1).build();
        let workers = workers.unwrap();
        let mut tasks = BackgroundTasks::default();
        let entered = workers.enter();
        tasks.spawn("steady one", pending());
        drop(entered);
        let (now_busy, busy) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        workers.spawn(async move {
            now_busy.send(()).unwrap();
            let _ = released.recv();
        });
        busy.recv().unwrap();
        let control = Builder::new_current_thread().enable_time().build();
        control.unwrap().block_on(tasks.stop());
        drop(release);
    }

    #[tokio::test]
    async fn a_cancelled_task_is_not_reported() {
        let mut tasks = BackgroundTasks::default();
        let (alive, gone) = oneshot::channel::<()>();
        tasks.spawn("cancelled one", async move {
            let _alive = alive;
            pending::<()>().await;
        });
        tasks.tasks.abort_all();
        // Its sender is dropped with it: from here on its end can be seen.
        assert!(gone.await.is_err());
        assert!(tasks.ended().now_or_never().is_none());
        assert!(tasks.tasks.is_empty(), "its end was seen and passed over");
    }
}
