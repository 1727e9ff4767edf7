//! Keyed calls that run: who has a key, and what has been answered so far.
//!
//! One writer, any number of readers, one buffer that only grows, within a bound for each answer and one for all.
//! An answer that does not fit is let go at once; its call goes on.

use super::KeptHead;
use crate::refusal::Refusal;
use bytes::Bytes;
use domain::{Claim, Fingerprint, IdempotencyKey, RequestId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Bytes of a piece for those who follow.
const PIECE_BYTES: usize = 16 * 1024;

/// How much is kept in memory of answers to running calls.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one answer, in bytes.
    pub answer_bytes_max: usize,
    /// Of all answers together, in bytes.
    pub memory_bytes_max: usize,
}

/// The calls that run under keys.
#[derive(Debug)]
pub struct Registry {
    calls: Mutex<HashMap<IdempotencyKey, Slot>>,
    bytes: Arc<AtomicUsize>,
    bounds: Bounds,
}

#[derive(Debug)]
struct Slot {
    fingerprint: Fingerprint,
    request: RequestId,
    progress: watch::Receiver<Progress>,
}

/// What a call finds at its key.
pub enum Entrance {
    /// Nobody: it is the first.
    First(Running),
    /// The same call, which runs.
    Running(watch::Receiver<Progress>),
    /// Another call, of this id.
    Other(RequestId),
}

impl Registry {
    /// One without calls.
    pub fn new(bounds: Bounds) -> Self {
        Self { calls: Mutex::default(), bytes: Arc::default(), bounds }
    }

    /// Takes the key of a claim, or tells who has it.
    pub fn enter(self: &Arc<Self>, claim: &Claim) -> Entrance {
        let mut calls = self.lock();
        if let Some(slot) = calls.get(&claim.key) {
            let is_same = slot.fingerprint == claim.fingerprint;
            return if is_same {
                Entrance::Running(slot.progress.clone())
            } else {
                Entrance::Other(slot.request)
            };
        }
        let charge = Charge { total: self.bytes.clone(), bytes: 0, bounds: self.bounds };
        let (writer, progress) = watch::channel(Progress {
            request: claim.request,
            head: None,
            growing: Vec::new(),
            body: Bytes::new(),
            end: None,
            charge,
        });
        let slot = Slot { fingerprint: claim.fingerprint, request: claim.request, progress };
        calls.insert(claim.key, slot);
        drop(calls);
        Entrance::First(Running { registry: self.clone(), key: claim.key, request: claim.request, writer })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IdempotencyKey, Slot>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an answer ended.
#[derive(Clone, Debug)]
pub enum End {
    /// All of it is there.
    Whole,
    /// It broke off.
    Broken,
    /// More than is kept.
    TooLarge,
    /// There is none.
    Refused(Refusal),
}

/// What has been answered so far.
#[derive(Debug)]
pub struct Progress {
    /// Whose answer it is.
    pub request: RequestId,
    /// Status and headers, as soon as they are known.
    pub head: Option<KeptHead>,
    growing: Vec<u8>,
    body: Bytes,
    /// How it ended, as soon as it did.
    pub end: Option<End>,
    charge: Charge,
}

/// What comes next for somebody who follows.
pub enum Next {
    /// Bytes.
    Piece(Bytes),
    /// Nothing yet.
    Wait,
    /// The end.
    End(End),
}

impl Progress {
    /// The whole answer, when it is there.
    pub fn whole(&self) -> Option<(&KeptHead, Bytes)> {
        let is_whole = matches!(self.end, Some(End::Whole));
        self.head.as_ref().filter(|_| is_whole).map(|head| (head, self.body.clone()))
    }

    /// What comes after so many bytes.
    pub fn after(&self, position: usize) -> Next {
        let bytes = if self.body.is_empty() { &self.growing[..] } else { &self.body };
        match (bytes.get(position..).filter(|rest| !rest.is_empty()), &self.end) {
            (Some(rest), _) => Next::Piece(Bytes::copy_from_slice(rest.get(..PIECE_BYTES).unwrap_or(rest))),
            (None, Some(end)) => Next::End(end.clone()),
            (None, None) => Next::Wait,
        }
    }

    fn append(&mut self, piece: &[u8]) {
        if self.end.is_some() {
            return;
        }
        if self.charge.grow(piece.len()) {
            self.growing.extend_from_slice(piece);
        } else {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.growing = Vec::new();
        self.charge.release();
        self.end = Some(End::TooLarge);
    }

    fn close(&mut self, end: End) {
        if self.end.is_none() {
            self.body = std::mem::take(&mut self.growing).into();
            self.end = Some(end);
        }
    }
}

/// Bytes that are counted against the bounds as long as they are kept.
#[derive(Debug)]
struct Charge {
    total: Arc<AtomicUsize>,
    bytes: usize,
    bounds: Bounds,
}

impl Charge {
    /// `false`: so much more does not fit, and is not counted.
    fn grow(&mut self, more: usize) -> bool {
        if self.bytes.saturating_add(more) > self.bounds.answer_bytes_max {
            return false;
        }
        let before = self.total.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.bounds.memory_bytes_max {
            self.total.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }

    fn release(&mut self) {
        self.total.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release();
    }
}

/// The place of a call that runs under its key. The key is free again, in this process, when it is dropped.
pub struct Running {
    registry: Arc<Registry>,
    key: IdempotencyKey,
    request: RequestId,
    writer: watch::Sender<Progress>,
}

impl Running {
    /// The head is known; pieces follow.
    pub fn begin(&self, head: KeptHead) {
        self.writer.send_modify(|progress| progress.head = Some(head));
    }

    /// More of the body.
    pub fn append(&self, piece: &[u8]) {
        self.writer.send_modify(|progress| progress.append(piece));
    }

    /// The answer ends.
    pub fn close(&self, end: End) {
        self.writer.send_modify(|progress| progress.close(end));
    }

    /// The whole answer at once, where it fits.
    pub fn complete(&self, head: KeptHead, body: Bytes) {
        self.writer.send_modify(|progress| {
            if progress.charge.grow(body.len()) {
                progress.set(head, body);
            } else {
                progress.let_go();
            }
        });
    }

    /// The whole answer as it was kept. It is not counted: it is on its way to callers, as other answers are.
    pub fn replay(&self, head: KeptHead, body: Bytes) {
        self.writer.send_modify(|progress| progress.set(head, body));
    }

    /// The answer, where all of it is there.
    pub fn answer(&self) -> Option<(KeptHead, Bytes)> {
        self.writer.borrow().whole().map(|(head, body)| (head.clone(), body))
    }

    /// Lets the next call under this key be a first one. Those who follow hear the end of this one.
    pub fn leave(&self) {
        let mut calls = self.registry.lock();
        if calls.get(&self.key).is_some_and(|slot| slot.request == self.request) {
            calls.remove(&self.key);
        }
    }
}

impl Progress {
    fn set(&mut self, head: KeptHead, body: Bytes) {
        self.head = Some(head);
        self.body = body;
        self.end = Some(End::Whole);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
