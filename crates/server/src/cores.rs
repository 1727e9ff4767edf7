//! One single-threaded runtime for each processor core.
//!
//! A connection lives on one of them, with its calls and the provider connections these use, so that nothing
//! a request does crosses threads: measured against one runtime that moves tasks between its threads, that
//! saves about a sixth of the work (`docs/adr/0011-one-runtime-per-core.md`).

use std::num::NonZero;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The running cores.
pub struct Cores {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// How many cores there are to use.
pub fn count() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl Cores {
    /// Starts a thread with a runtime for each core.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let mut cores = Self { handles: Vec::new(), threads: Vec::new(), stop: CancellationToken::new() };
        for index in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            cores.handles.push(runtime.handle().clone());
            let stop = cores.stop.clone();
            let run = move || {
                gateway::upstream::enter_core(index);
                runtime.block_on(stop.cancelled());
            };
            cores.threads.push(std::thread::Builder::new().name(format!("core-{index}")).spawn(run)?);
        }
        Ok(cores)
    }

    /// The runtimes, for spawning onto them.
    pub fn handles(&self) -> Vec<Handle> {
        self.handles.clone()
    }

    /// Ends the threads; tasks that still run on them are dropped.
    pub fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a core's thread panicked");
            }
        }
    }
}
