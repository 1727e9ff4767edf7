//! The first call under a key: a task that makes it, shows its answer to whoever follows, and keeps it.
//!
//! It outlives its caller: with a key the call goes on to its end, so that asking again finds the answer. What was
//! billed keeps its key; what was refused before anything was billed lets it go, before anyone is told.

use super::follow::{end, pass};
use super::keeper::Claims;
use super::running::{End, Running};
use super::{KeptHead, refusal_response};
use crate::Gateway;
use crate::bodies::Held;
use crate::inference::called::Called;
use crate::inference::prepare::{self, Prepared};
use crate::inference::stream::{Writer, pipe};
use crate::inference::{self, call};
use crate::record::Entry;
use crate::refusal::Refusal;
use axum::body::Body;
use domain::{Account, Claim};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, response};
use http_body_util::BodyExt;
use std::sync::Arc;
use store::{Taken, TakenState, failpoint};
use tokio::sync::oneshot;

/// The task, and what it needs to make the call.
pub struct First {
    /// Everything else.
    pub gateway: Arc<Gateway>,
    /// What is known of keys.
    pub claims: Claims,
    /// Its place among running calls.
    pub running: Running,
    /// What it claims.
    pub claim: Claim,
    /// What is asked.
    pub called: Called,
    /// What it counts against.
    pub account: Arc<Account>,
    /// The head.
    pub headers: HeaderMap,
    /// The body.
    pub body: Held,
    /// To its caller, who may have gone.
    pub answer: Option<oneshot::Sender<Response<Body>>>,
}

impl First {
    /// Makes the call, unless an earlier one has its key.
    pub async fn run(mut self: Box<Self>, mut entry: Entry) {
        match self.claims.find(self.claim.key).await {
            Ok(None) => {}
            Ok(Some(taken)) => return self.recall(taken, entry).await,
            Err(_) => return self.refuse(entry, Refusal::StorageExhausted),
        }
        let body = std::mem::take(&mut self.body);
        let (called, headers) = (&self.called, &self.headers);
        let steps = inference::steps(&self.gateway, &self.account, called, headers, body, &mut entry);
        let prepared = match Box::pin(steps).await {
            Ok(prepare::Next::Call(prepared)) => prepared,
            // Only where tokens are counted, which has no keys.
            Ok(prepare::Next::Estimate { .. }) => return self.refuse(entry, Refusal::Internal),
            // So far nothing was written: what the gateway refuses leaves its key free.
            Err(refusal) => return self.refuse(entry, refusal),
        };
        match self.claims.claim(self.claim).await {
            Ok(None) => self.call(prepared, entry).await,
            Ok(Some(taken)) => self.recall(taken, entry).await,
            Err(_) => {
                self.deny(entry, Refusal::StorageExhausted);
                // It may have been written all the same: until that is undone, nobody else may be the first.
                self.claims.free(&self.claim).await;
            }
        }
    }

    /// Answers with what is known of an earlier call.
    async fn recall(&mut self, taken: Taken, entry: Entry) {
        if taken.fingerprint != self.claim.fingerprint {
            return self.refuse(entry, Refusal::IdempotencyKeyReused(taken.request));
        }
        match taken.state {
            TakenState::Running => self.refuse(entry, Refusal::IdempotentOutcomeUnknown(taken.request)),
            TakenState::TooLarge => self.refuse(entry, Refusal::IdempotentAnswerTooLarge),
            TakenState::Answered => match self.claims.answer(self.claim.key, taken.request).await {
                Ok(stored) => {
                    entry.discard();
                    let head = KeptHead::stored(&stored);
                    let response = head.replay(Body::from(stored.body.clone()));
                    self.running.replay(head, stored.body);
                    self.tell(response);
                }
                Err(_) => self.refuse(entry, Refusal::StorageExhausted),
            },
        }
    }

    /// Says no. The next call under the key is a first one again.
    fn refuse(&mut self, entry: Entry, refusal: Refusal) {
        self.running.leave();
        self.deny(entry, refusal);
    }

    /// Says no to its caller and to all who follow; each of them is on record by itself.
    fn deny(&mut self, mut entry: Entry, refusal: Refusal) {
        entry.fail(refusal.status(), &refusal);
        drop(entry);
        let response = refusal_response(self.called.operation, self.claim.request, &refusal);
        self.running.close(End::Refused(refusal));
        self.tell(response);
    }

    /// Makes the call.
    async fn call(&mut self, prepared: Box<Prepared>, mut entry: Entry) {
        failpoint::hit("after_claim");
        let (ended, billed) = oneshot::channel();
        entry.ended = Some(ended);
        let answer = call::start(&self.gateway, self.account.clone(), prepared, entry).await;
        let (head, body) = answer.into_parts();
        let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        if kind.starts_with(b"application/json") {
            self.whole(head, body, billed).await;
        } else {
            self.stream(head, body, billed).await;
        }
    }

    /// An answer that is there at once.
    async fn whole(&mut self, head: response::Parts, body: Body, billed: oneshot::Receiver<bool>) {
        // It is in memory already: this neither waits nor fails.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        // Who does not know whether it was billed says that it was.
        let was_billed = head.status.is_success() || billed.await.unwrap_or(true);
        if !was_billed {
            self.claims.free(&self.claim).await;
            self.running.leave();
        }
        self.running.complete(KeptHead::of(&head), body.clone());
        self.tell(Response::from_parts(head, Body::from(body)));
        if was_billed {
            self.keep().await;
        }
    }

    /// An answer that comes in pieces: each is passed on as it comes, and shown to all who follow.
    async fn stream(&mut self, head: response::Parts, mut body: Body, billed: oneshot::Receiver<bool>) {
        self.running.begin(KeptHead::of(&head));
        let (writer, stream) = pipe();
        let mut caller = self.tell(Response::from_parts(head, Body::new(stream))).then_some(writer);
        let mut is_whole = true;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                is_whole = false;
                break;
            };
            let piece = frame.into_data().unwrap_or_default();
            if piece.is_empty() {
                continue;
            }
            self.running.append(&piece);
            if let Some(writer) = &caller
                && !pass(&self.gateway, writer, piece).await
            {
                caller = None;
            }
        }
        self.running.close(if is_whole { End::Whole } else { End::Broken });
        if is_whole && let Some(writer) = &caller {
            end(&self.gateway, writer).await;
        }
        drop::<Option<Writer>>(caller);
        // The call's record comes before its answer is kept.
        let _ = billed.await;
        // What broke off without a word stays claimed: nobody knows what it was.
        if is_whole {
            self.keep().await;
        }
    }

    /// Keeps the answer, or that it was too large.
    async fn keep(&self) {
        failpoint::hit("before_keep");
        let answer = self.running.answer().map(|(head, body)| head.to_stored(body));
        self.claims.keep(&self.claim, answer).await;
    }

    /// Answers the caller; `false`: it has gone.
    fn tell(&mut self, response: Response<Body>) -> bool {
        self.answer.take().is_some_and(|answer| answer.send(response).is_ok())
    }
}
