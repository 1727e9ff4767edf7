//! How many calls run at once, and who goes next when no more can.
//!
//! A call takes a [`Slot`] right after authentication, before its body is read, and gives it back when its task has
//! ended. While slots are free that is one atomic addition. When all are taken, calls wait in a bounded line in which
//! keys take turns; what finds no place there, or waits too long, is shed.
//!
//! `taken` counts those who run *and* those who wait. Whoever adds beyond the bound waits; whoever subtracts from
//! beyond it owes somebody a slot and pays under the lock. Between the two steps a payment may meet no one yet
//! (`owed` is positive) or meet one who has left meanwhile (negative). At any time
//! `slots held + owed + payments under way = min(taken, bound)`, so no slot is lost and none is given twice.
//!
//! Which tenants may call how often is the business of `rates`; nothing here knows of limits of theirs.

mod queue;
#[cfg(test)]
mod tests;

use domain::KeyId;
use queue::{Joined, Queue, Ticket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Bounds of a [`Gate`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls that run at once.
    pub running: usize,
    /// Calls that wait for one of them to end.
    pub waiting: usize,
    /// How long one waits at the most.
    pub wait: Duration,
}

/// The call is not taken: too many run, and it cannot wait, or has waited long enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shed;

/// Lets calls in. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    /// Calls that have a slot, wait for one, or are about to.
    taken: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    queue: Queue<oneshot::Sender<Slot>>,
    /// Slots that were given up for others and not taken yet. Negative: taken back by those who have left.
    owed: isize,
    is_closed: bool,
}

impl Gate {
    /// A gate through which nobody has gone yet.
    pub fn new(bounds: Bounds) -> Self {
        let line = Mutex::new(Line { queue: Queue::default(), owed: 0, is_closed: false });
        Self(Arc::new(Shared { bounds, taken: AtomicUsize::new(0), line }))
    }

    /// Takes a slot, after waiting for it in the key's turn where none is free. Dropping the future gives up the place
    /// in the line, and a slot that came at that moment.
    pub async fn enter(&self, key: KeyId) -> Result<Slot, Shed> {
        if self.0.taken.fetch_add(1, Ordering::AcqRel) < self.0.bounds.running {
            return Ok(Slot { shared: self.0.clone(), waited: Duration::ZERO });
        }
        // Kept out of this future, whose size every call pays for.
        match self.join(key)? {
            Place::Free(slot) => Ok(slot),
            Place::Waiting(waiting) => Box::pin(waiting.slot()).await,
        }
    }

    /// Sends away all who wait, and everybody who would have to wait from now on: the process ends.
    pub fn close(&self) {
        let mut waiters = Vec::new();
        let mut line = self.0.lock();
        line.is_closed = true;
        while let Some(waiter) = line.queue.next() {
            self.0.withdraw(&mut line);
            waiters.push(waiter);
        }
        drop(line);
        // They notice that their senders are gone. Nobody is woken under the lock.
        drop(waiters);
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().queue.len()
    }

    /// Finds a place for a call that is counted already.
    fn join(&self, key: KeyId) -> Result<Place, Shed> {
        let mut line = self.0.lock();
        if line.owed > 0 {
            line.owed -= 1;
            return Ok(Place::Free(Slot { shared: self.0.clone(), waited: Duration::ZERO }));
        }
        let (sender, slot) = oneshot::channel();
        let waiting_max = if line.is_closed { 0 } else { self.0.bounds.waiting };
        match line.queue.join(key, sender, waiting_max) {
            Joined::Waits { ticket, instead_of } => {
                if instead_of.is_some() {
                    self.0.withdraw(&mut line);
                }
                drop(line);
                // Who was pushed out notices that its sender is gone.
                drop(instead_of);
                Ok(Place::Waiting(Waiting { shared: self.0.clone(), ticket, slot, since: Instant::now() }))
            }
            Joined::Full => {
                self.0.withdraw(&mut line);
                Err(Shed)
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Line> {
        // Nothing panics while it is held; if something did, no call should fail for it.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one who waits no longer out of the count. A slot that was given up for it already is taken back.
    fn withdraw(&self, line: &mut Line) {
        if self.taken.fetch_sub(1, Ordering::AcqRel) <= self.bounds.running {
            line.owed -= 1;
        }
    }

    /// Passes a slot on to who is next.
    fn pay(self: &Arc<Self>) {
        let mut line = self.lock();
        line.owed += 1;
        if line.owed <= 0 {
            return;
        }
        let Some(waiter) = line.queue.next() else { return };
        line.owed -= 1;
        drop(line);
        // Outside the lock: who has left at this moment leaves the slot to be dropped here, which passes it on.
        drop(waiter.send(Slot { shared: self.clone(), waited: Duration::ZERO }));
    }
}

/// The right to run, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    waited: Duration,
}

impl Slot {
    /// How long it was waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.shared.taken.fetch_sub(1, Ordering::AcqRel) > self.shared.bounds.running {
            self.shared.pay();
        }
    }
}

/// Where a call stands that found no free slot at first.
enum Place {
    /// One was given up in between.
    Free(Slot),
    /// In the line.
    Waiting(Waiting),
}

/// A place in the line, given up when it is dropped.
struct Waiting {
    shared: Arc<Shared>,
    ticket: Ticket,
    slot: oneshot::Receiver<Slot>,
    since: Instant,
}

impl Waiting {
    async fn slot(mut self) -> Result<Slot, Shed> {
        match tokio::time::timeout(self.shared.bounds.wait, &mut self.slot).await {
            Ok(Ok(mut slot)) => {
                slot.waited = self.since.elapsed();
                Ok(slot)
            }
            // Pushed out of the line, or it took too long.
            Ok(Err(_)) | Err(_) => Err(Shed),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut line = self.shared.lock();
        if line.queue.leave(self.ticket).is_some() {
            self.shared.withdraw(&mut line);
        }
    }
}
