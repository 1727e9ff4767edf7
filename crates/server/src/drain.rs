//! The end of the process, in order: not ready, deaf to new callers, running calls ended, last bytes written.
//!
//! A second signal skips all waiting. What is written down and stored afterwards is `serve`'s business.

use gateway::{Gateway, Phase};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// After calls were told to end: they notice within a second, and write their records.
const GRACE: Duration = Duration::from_secs(5);
/// After the last call has ended: for its answer to reach its caller.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// Signals so close together are one: `timeout` and some supervisors signal a process and its group.
const ECHO: Duration = Duration::from_millis(250);

/// SIGTERM and SIGINT, neither of which ends the process by itself from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both over.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next of them.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves at the next one that is no echo of the one just told.
    async fn told_again(&mut self) {
        let first = Instant::now();
        loop {
            self.told().await;
            if first.elapsed() > ECHO {
                return;
            }
        }
    }
}

/// How long a process that is told to stop waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until load balancers have noticed that it is not ready.
    pub to_be_noticed: Duration,
    /// After that, until running calls have ended.
    pub for_calls: Duration,
}

/// The running listener.
#[derive(Debug)]
pub struct Serving {
    /// Ends when the last connection has.
    pub connections: JoinHandle<()>,
    /// No connection and no call is taken any more.
    pub stop: CancellationToken,
    /// Connections are cut.
    pub deadline: CancellationToken,
}

/// Lets load balancers notice, takes no new calls, lets running ones end, and ends what is left at the deadline or at
/// a second signal: cut streams end with an error event, and every request is recorded.
pub async fn drain(gateway: &Gateway, mut serving: Serving, patience: Patience, signals: &mut Signals) {
    gateway.progress.advance(Phase::Leaving);
    tracing::info!(
        running = gateway.tasks.len(),
        delay_s = patience.to_be_noticed.as_secs(),
        patience_s = patience.for_calls.as_secs(),
        "stopping; a second signal ends running calls at once"
    );
    let ended = async {
        if !patience.to_be_noticed.is_zero() {
            tokio::time::sleep(patience.to_be_noticed).await;
        }
        refuse_calls(gateway, &serving.stop);
        // Connections first: a request that is still arriving has no task yet.
        let ended = async {
            let _ = (&mut serving.connections).await;
            gateway.tasks.wait().await;
        };
        tokio::time::timeout(patience.for_calls, ended).await.is_ok()
    };
    let why = tokio::select! {
        have_ended = ended => if have_ended { return } else { "the drain deadline has passed" },
        () = signals.told_again() => "a second signal came",
    };
    refuse_calls(gateway, &serving.stop);
    tracing::warn!(running = gateway.tasks.len(), "{why}, ending what still runs");
    gateway.end_calls();
    let _ = tokio::time::timeout(GRACE, gateway.tasks.wait()).await;
    // The last bytes may still be on their way to slow callers.
    if !serving.connections.is_finished()
        && tokio::time::timeout(LAST_BYTES, &mut serving.connections).await.is_err()
    {
        serving.deadline.cancel();
        let _ = serving.connections.await;
    }
}

fn refuse_calls(gateway: &Gateway, stop: &CancellationToken) {
    gateway.progress.advance(Phase::Stopping);
    stop.cancel();
}
