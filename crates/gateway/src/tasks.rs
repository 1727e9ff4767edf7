//! Tasks that shutdown waits for.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::task::TaskTracker;

/// Spawns tasks and knows when all have ended. Tasks are asked to stop, never aborted.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    is_over: Arc<AtomicBool>,
}

impl Tasks {
    /// Runs a future as a task of its own. The runtime moves a task's future several times, and its size at the end once
    /// more for each state it goes through: so it gets the address of the future only.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(Box::pin(future));
    }

    /// Tells all tasks to end now: the drain deadline has passed. They notice within a second.
    pub fn end_all(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether tasks must end now.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// How many tasks are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until every task has ended. No task may be spawned afterwards.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
