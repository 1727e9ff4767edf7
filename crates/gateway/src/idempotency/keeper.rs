//! The way to the store: one task writes for all calls, so that many share one wait for the disk, and forgets what
//! is older than a day.

use domain::{Claim, Clock, IdempotencyKey, RequestId};
use std::sync::Arc;
use std::time::Duration;
use store::{Db, IdempotencyStep, StoredAnswer, Taken};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Steps that may wait.
const QUEUE: usize = 256;
/// Steps of one transaction.
const BATCH: usize = 64;
/// How often old calls are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Tries to write down how a call ended, and the time between them.
const TRIES: u32 = 5;
const RETRY: Duration = Duration::from_secs(1);

/// The store did not do it, or did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer")]
pub struct Lost;

struct Command {
    step: IdempotencyStep,
    done: oneshot::Sender<Result<Option<Taken>, Lost>>,
}

/// What calls ask of the keeper.
#[derive(Clone)]
pub struct Claims {
    commands: mpsc::Sender<Command>,
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Claims {
    /// Who has a key, if anybody has.
    pub async fn find(&self, key: IdempotencyKey) -> Result<Option<Taken>, Lost> {
        self.db.idempotent_call(key, self.clock.now()).await.map_err(|error| {
            tracing::error!(%error, "calls under keys cannot be read");
            Lost
        })
    }

    /// Takes a key, and waits until the disk has it; or tells who has it.
    pub async fn claim(&self, claim: Claim) -> Result<Option<Taken>, Lost> {
        self.take(IdempotencyStep::Claim(claim)).await
    }

    /// Keeps an answer; `None`: it was too large. Where that fails, the key stays claimed without an answer.
    pub async fn keep(&self, claim: &Claim, answer: Option<StoredAnswer>) {
        let step = IdempotencyStep::Keep { key: claim.key, request: claim.request, answer };
        self.insist(step, claim.request).await;
    }

    /// Lets a key go. Where that fails, it stays claimed without an answer.
    pub async fn free(&self, claim: &Claim) {
        let step = IdempotencyStep::Free { key: claim.key, request: claim.request };
        self.insist(step, claim.request).await;
    }

    /// The answer that is kept.
    pub async fn answer(&self, key: IdempotencyKey, request: RequestId) -> Result<StoredAnswer, Lost> {
        match self.db.idempotent_answer(key, request).await {
            Ok(Some(answer)) => Ok(answer),
            // Forgotten in this very moment.
            Ok(None) => Err(Lost),
            Err(error) => {
                tracing::error!(%error, request.id = %request, "a kept answer cannot be read");
                Err(Lost)
            }
        }
    }

    async fn insist(&self, step: IdempotencyStep, request: RequestId) {
        for _ in 0..TRIES {
            if self.take(step.clone()).await.is_ok() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
        tracing::error!(request.id = %request, "how a call under a key ended cannot be written down");
    }

    async fn take(&self, step: IdempotencyStep) -> Result<Option<Taken>, Lost> {
        let (done, answer) = oneshot::channel();
        self.commands.send(Command { step, done }).await.map_err(|_| Lost)?;
        answer.await.map_err(|_| Lost)?
    }
}

/// Writes what calls ask for.
pub struct Keeper {
    db: Db,
    clock: Arc<dyn Clock>,
    commands: mpsc::Receiver<Command>,
    stored_bytes: u64,
    stored_bytes_max: u64,
}

/// Both ends.
pub(super) fn new(db: Db, clock: Arc<dyn Clock>, stored_bytes_max: u64) -> (Claims, Keeper) {
    let (sender, commands) = mpsc::channel(QUEUE);
    let claims = Claims { commands: sender, db: db.clone(), clock: clock.clone() };
    (claims, Keeper { db, clock, commands, stored_bytes: 0, stored_bytes_max })
}

impl Keeper {
    /// Writes until told to stop, and all that was asked for by then.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut forget_at = Instant::now();
        loop {
            let command = tokio::select! {
                command = self.commands.recv() => command,
                () = tokio::time::sleep_until(forget_at) => {
                    self.forget().await;
                    forget_at = Instant::now() + FORGET_EVERY;
                    continue;
                }
                () = stop.cancelled() => self.commands.try_recv().ok(),
            };
            let Some(command) = command else { return };
            self.write(command).await;
        }
    }

    async fn write(&mut self, first: Command) {
        let mut steps = vec![first.step];
        let mut waiting = vec![first.done];
        while steps.len() < BATCH
            && let Ok(Command { step, done }) = self.commands.try_recv()
        {
            steps.push(step);
            waiting.push(done);
        }
        steps.iter_mut().for_each(|step| self.fit(step));
        match self.db.idempotency(&steps, self.clock.now()).await {
            Ok(taken) => waiting.into_iter().zip(taken).for_each(|(done, taken)| {
                let _ = done.send(Ok(taken));
            }),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, steps = steps.len(), "calls under a key cannot be written down");
                waiting.into_iter().for_each(|done| {
                    let _ = done.send(Err(Lost));
                });
            }
        }
    }

    /// Leaves out an answer for which the store has no room.
    fn fit(&mut self, step: &mut IdempotencyStep) {
        let IdempotencyStep::Keep { answer, request, .. } = step else { return };
        let Some(bytes) = answer.as_ref().map(|answer| answer.body.len() as u64) else { return };
        if self.stored_bytes.saturating_add(bytes) <= self.stored_bytes_max {
            self.stored_bytes += bytes;
            return;
        }
        tracing::warn!(request.id = %request, "an answer is not kept: `idempotency.stored_bytes_max` is reached");
        *answer = None;
    }

    /// Forgets what is older than a day, and counts what is left.
    async fn forget(&mut self) {
        let until = Claim::forgotten(self.clock.now());
        let work = async {
            while self.db.forget_idempotent(until).await? > 0 {}
            self.db.idempotent_bytes().await
        };
        match work.await {
            Ok(bytes) => self.stored_bytes = bytes,
            Err(error) => tracing::warn!(%error, "old calls under keys cannot be forgotten"),
        }
    }
}
