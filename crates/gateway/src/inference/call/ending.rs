//! How calls end that have no answer: refused by their provider, broken off, or left by their callers.

use super::{Attempt, Call, ERROR_BYTES_MAX, Reply, Stop, failures};
use crate::inference::reply;
use crate::refusal::Refusal;
use crate::upstream::{Answer, Collected};
use bytes::Bytes;
use domain::record::Outcome;
use http::HeaderMap;
use llm::observe::Observed;
use std::time::Instant;

impl Call {
    /// Reads a provider's refusal, and tells the caller.
    pub(super) async fn refused(self: Box<Self>, mut reply: Reply, attempt: Attempt, answer: Answer) {
        let (headers, refusal) = self.read_refusal(&mut reply, answer).await;
        self.refused_with(reply, &attempt, &headers, refusal);
    }

    /// Reads the head and the body of a refusal; a body that cannot be read says nothing.
    pub(super) async fn read_refusal(
        &self,
        reply: &mut Reply,
        mut answer: Answer,
    ) -> (HeaderMap, Result<Bytes, Stop>) {
        let collecting = answer.collect(ERROR_BYTES_MAX);
        let end = Instant::now() + self.gateway.limits.idle;
        let body = match self.watch(reply, collecting, end, "error body").await {
            Ok(Ok(Collected::Whole(body))) => Ok(body),
            Ok(_) => Ok(Bytes::new()),
            Err(stop) => Err(stop),
        };
        (answer.headers, body)
    }

    pub(super) fn refused_with(
        self: Box<Self>,
        reply: Reply,
        attempt: &Attempt,
        headers: &HeaderMap,
        refusal: Result<Bytes, Stop>,
    ) {
        let stop = match refusal {
            Ok(body) => failures::provider_error(&self.prepared.target, attempt.status, &body).into(),
            Err(stop) => stop,
        };
        self.refuse(reply, attempt, stop, Some(headers), false);
    }

    /// Ends a call whose answer has not begun.
    pub(super) fn refuse(
        self: Box<Self>,
        reply: Reply,
        attempt: &Attempt,
        stop: Stop,
        provider_headers: Option<&HeaderMap>,
        was_billed: bool,
    ) {
        // Who reports a failure in place of an answer does not bill one.
        let has_refused = matches!(&stop, Stop::Failed(Refusal::Provider { .. }));
        let was_billed = was_billed && !has_refused && attempt.status < 300;
        self.give_up(reply, attempt, stop, provider_headers, was_billed);
    }

    /// The same, where it is known whether it was billed.
    pub(super) fn give_up(
        mut self: Box<Self>,
        reply: Reply,
        attempt: &Attempt,
        stop: Stop,
        provider_headers: Option<&HeaderMap>,
        was_billed: bool,
    ) {
        self.conclude(attempt, Err(&stop), &Observed::default(), was_billed);
        match stop {
            Stop::Failed(refusal) if !self.is_abandoned() => {
                self.entry.fail(refusal.status(), &refusal);
                self.answer_failure(reply, provider_headers, &refusal);
            }
            Stop::Failed(_) | Stop::ClientGone => self.entry.end(499, Outcome::ClientGone),
        }
    }

    /// Ends a call that is not made.
    pub(super) fn stop(mut self: Box<Self>, reply: Reply, stop: Stop) {
        match stop {
            Stop::Failed(refusal) => {
                self.entry.fail(refusal.status(), &refusal);
                self.answer_failure(reply, None, &refusal);
            }
            Stop::ClientGone => self.entry.end(499, Outcome::ClientGone),
        }
    }

    pub(super) fn answer_failure(
        &mut self,
        reply: Reply,
        provider_headers: Option<&HeaderMap>,
        refusal: &Refusal,
    ) {
        let protocol = self.protocol;
        self.with_head(provider_headers, |head| {
            let _ = reply.send(reply::failure(protocol, head, refusal));
        });
    }
}
