//! How many bytes of request bodies the process holds at once.
//!
//! Who announces a body longer than [`FREE`] takes a [`Share`] of the budget before a byte of it is read, waits for it
//! in the order of coming, or is shed. A body of unknown length takes its share as it grows. The share lies with the
//! bytes themselves and is given back when the last of them is let go, whatever ended the call.
//!
//! Short bodies cost nothing here: the bound on calls that run bounds them. Bodies longer than [`LONG`] share three
//! quarters of the budget, all others the rest, so that long ones never keep others waiting.

use crate::shed::Shed;
use bytes::Bytes;
use http_body::SizeHint;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a body that needs no share.
pub const FREE: u64 = 64 * 1024;
/// Bytes of a body that is one of the longer ones.
const LONG: u64 = 1024 * 1024;
/// Bytes of one permit.
const UNIT: u64 = 1024;
/// By so much grows the share of a body of unknown length.
const STEP: u64 = 1024 * 1024;

/// Bounds of [`Bodies`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Bytes of the longest.
    pub longest: u64,
    /// Bodies that wait for others to be let go.
    pub waiting: usize,
    /// How long one waits at the most.
    pub wait: Duration,
}

impl Bounds {
    /// Whether the longest body finds a place at all.
    pub fn is_sound(&self) -> bool {
        self.longest <= long_part(self.bytes)
    }
}

const fn long_part(bytes: u64) -> u64 {
    bytes - bytes / 4
}

/// The budget.
#[derive(Debug)]
pub struct Bodies {
    bounds: Bounds,
    long: Pool,
    others: Pool,
    /// Bodies that are worked on may take room beside their own bytes: together no longer ones than the longest.
    work: Arc<Semaphore>,
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct Pool {
    permits: Arc<Semaphore>,
    all: usize,
}

impl Pool {
    fn new(bytes: u64) -> Self {
        let all = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(all)), all }
    }

    fn taken(&self) -> u64 {
        (self.all - self.permits.available_permits().min(self.all)) as u64 * UNIT
    }
}

impl Bodies {
    /// A budget of which nothing is taken.
    pub fn new(bounds: Bounds) -> Self {
        let work = Pool::new(bounds.longest.max(LONG)).permits;
        let (long, others) = (Pool::new(long_part(bounds.bytes)), Pool::new(bounds.bytes / 4));
        Self { bounds, long, others, work, waiting: AtomicUsize::new(0) }
    }

    /// The share of a body that is about to be read; `None`: it needs none, or not yet. What is longer than the
    /// longest needs none either, since it will not be read. Dropping the future gives up the place in the line.
    pub async fn admit(&self, announced: &SizeHint) -> Result<Option<Share>, Shed> {
        match announced.exact().filter(|bytes| (FREE + 1..=self.bounds.longest).contains(bytes)) {
            None => Ok(None),
            // Kept out of this future, whose size every call pays for.
            Some(bytes) => Box::pin(self.take(self.pool(bytes), bytes)).await.map(Some),
        }
    }

    /// Lets a share, or none, reach so many bytes of a body of unknown length.
    pub async fn extend(&self, share: &mut Option<Share>, bytes: u64) -> Result<(), Shed> {
        let has = share.as_ref().map_or(0, Share::bytes);
        if bytes <= has.max(FREE) {
            return Ok(());
        }
        let more = self.take(&self.long, bytes.next_multiple_of(STEP) - has).await?;
        match share {
            Some(Share(permits)) if Arc::ptr_eq(permits.semaphore(), &self.long.permits) => {
                permits.merge(more.0)
            }
            // None, or that of a body that was announced: longer than that it is not.
            _ => *share = Some(more),
        }
        Ok(())
    }

    /// Waits until there is room to work on a body of so many bytes. `None` while the process ends.
    pub async fn work(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.work.clone().acquire_many_owned(units(bytes as u64)).await.ok()
    }

    /// Bytes that are taken.
    pub fn taken(&self) -> u64 {
        self.long.taken() + self.others.taken()
    }

    /// Sends away all who wait, and everybody who needs a share from now on: the process ends.
    pub fn close(&self) {
        self.long.permits.close();
        self.others.permits.close();
    }

    fn pool(&self, bytes: u64) -> &Pool {
        if bytes > LONG { &self.long } else { &self.others }
    }

    async fn take(&self, pool: &Pool, bytes: u64) -> Result<Share, Shed> {
        let units = units(bytes);
        if let Ok(permits) = pool.permits.clone().try_acquire_many_owned(units) {
            return Ok(Share(permits));
        }
        let waiting = Waiting(&self.waiting);
        if waiting.0.fetch_add(1, Ordering::Relaxed) >= self.bounds.waiting {
            return Err(Shed);
        }
        let permits = pool.permits.clone().acquire_many_owned(units);
        match tokio::time::timeout(self.bounds.wait, permits).await {
            Ok(Ok(permits)) => Ok(Share(permits)),
            // The process ends, or it took too long.
            Ok(Err(_)) | Err(_) => Err(Shed),
        }
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// One who is counted among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one body takes of the budget, until it is dropped.
#[derive(Debug)]
pub struct Share(OwnedSemaphorePermit);

impl Share {
    fn bytes(&self) -> u64 {
        self.0.num_permits() as u64 * UNIT
    }

    /// Gives back what a body of so many bytes does not need.
    fn trim(&mut self, bytes: u64) {
        let needed = usize::try_from(bytes.div_ceil(UNIT)).unwrap_or(usize::MAX);
        drop(self.0.split(self.0.num_permits().saturating_sub(needed)));
    }
}

/// A body that is held, and the shares it takes.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    shares: Vec<Arc<Share>>,
}

impl Held {
    /// Bytes that take a share until the last of them, or of their slices, is let go.
    pub fn new(bytes: impl AsRef<[u8]> + Send + 'static, mut share: Option<Share>) -> Self {
        if let Some(share) = &mut share {
            share.trim(bytes.as_ref().len() as u64);
        }
        let shares: Vec<Arc<Share>> = share.map(Arc::new).into_iter().collect();
        Self { bytes: owned(bytes, shares.clone()), shares }
    }

    /// Short bytes, which take none.
    pub fn short(bytes: Bytes) -> Self {
        Self { bytes, shares: Vec::new() }
    }

    /// Bytes that it may have for what it takes of the budget.
    pub fn share_bytes(&self) -> u64 {
        self.shares.iter().map(|share| share.bytes()).sum()
    }

    /// Lets the bytes go, and keeps the shares for those that will be made of them.
    pub fn let_go(&mut self) {
        self.bytes = Bytes::new();
    }

    /// The same with other bytes, which take another share where they are longer.
    pub fn with(mut self, bytes: Vec<u8>, more: Option<Share>) -> Self {
        let longer = (bytes.len() as u64).saturating_sub(self.share_bytes());
        self.shares.extend(more.map(|mut more| {
            more.trim(longer);
            Arc::new(more)
        }));
        let shares = self.shares.clone();
        Self { bytes: self.replaced_by(bytes), shares }
    }

    /// Other bytes in their place, which take the same shares.
    pub fn replaced_by(self, bytes: Vec<u8>) -> Bytes {
        if self.shares.is_empty() { bytes.into() } else { owned(bytes, self.shares) }
    }
}

fn owned(bytes: impl AsRef<[u8]> + Send + 'static, shares: Vec<Arc<Share>>) -> Bytes {
    struct Owner<T>(T, #[expect(dead_code, reason = "given back when it is dropped")] Vec<Arc<Share>>);
    impl<T: AsRef<[u8]>> AsRef<[u8]> for Owner<T> {
        fn as_ref(&self) -> &[u8] {
            self.0.as_ref()
        }
    }
    Bytes::from_owner(Owner(bytes, shares))
}

#[cfg(test)]
mod tests;
