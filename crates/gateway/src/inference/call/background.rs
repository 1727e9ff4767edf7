//! Answers that a provider of the Responses API makes in the background: the caller has a word that it has begun, and the
//! call's task looks after it until it is known what it costs.

use super::{Attempt, Call, ERROR_BYTES_MAX, Reply, Stop, Written};
use crate::inference::reply;
use crate::refusal::Refusal;
use crate::upstream::{Collected, UpstreamError};
use bytes::Bytes;
use domain::record::Outcome;
use http::HeaderMap;
use llm::Protocol;
use llm::observe::{self, Observed};
use std::future::Future;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// So often in a row a look may fail: about two minutes.
const FAILURES_MAX: usize = 10;
/// How long an answer is looked after.
pub const PATIENCE: Duration = Duration::from_hours(4);

/// How a look went.
enum Look {
    /// It is still being made.
    Made,
    /// It is over, in a body that tells what it consumed, or that it failed.
    Over(Bytes),
    /// Nobody knows, now or ever.
    Unknown { may_look_again: bool, why: Refusal },
}

impl Call {
    /// Takes a place among the answers that are made in the background, where this is one.
    pub(super) fn enter_background(&mut self) -> Result<(), Refusal> {
        if self.prepared.is_background {
            let org = self.entry.record().map(|record| record.org);
            let place = org.and_then(|org| self.gateway.background.enter(org));
            self.background = Some(place.ok_or_else(|| self.gateway.overloaded())?);
        }
        Ok(())
    }

    /// Whether an answer has only begun.
    pub(super) fn has_only_begun(&self, observed: &Observed) -> bool {
        let is_open = matches!(observed.finish_reason.as_deref(), Some("queued" | "in_progress"));
        self.prepared.is_background && is_open && !observed.response_id.is_empty()
    }

    /// Answers the caller, and looks after the answer in the background.
    pub(super) async fn follow(
        mut self: Box<Self>,
        reply: Reply,
        attempt: Attempt,
        headers: HeaderMap,
        (body, begun, warnings): Written,
    ) {
        self.entry.note(|record| record.warnings.extend(warnings));
        let id = begun.response_id.clone();
        if let Some(key) = self.entry.record().map(|record| record.key) {
            let target = &self.prepared.target;
            let model = format!("{}/{}", target.provider.name, target.known_id());
            self.gateway.stored.begin(&id, key, model);
        }
        // It runs elsewhere: others may be made meanwhile.
        self.entry.give_up_slot();
        let took = self.entry.started.elapsed();
        self.with_head(Some(&headers), |head| {
            // The caller may have gone at this very moment; the answer is made all the same.
            let _ = reply.send(reply::whole(head, body, false, took));
        });
        let over = self.looked_after(&id).await;
        self.gateway.stored.end(&id);
        self.close(&attempt, begun, over);
    }

    /// Writes down what an answer has come to.
    fn close(&mut self, attempt: &Attempt, begun: Observed, over: Result<Bytes, Refusal>) {
        let told = over.map(|body| observe::answer(Protocol::OpenAiResponses, &body));
        match told {
            Ok(Some(answer)) if answer.observed.has_usage => {
                self.conclude(attempt, Ok(()), &answer.observed, true);
            }
            // What failed, and tells of no usage, is not billed.
            Ok(Some(answer)) if answer.is_error => {
                let stop = Stop::Failed(Refusal::InvalidResponse("the answer failed".to_owned()));
                self.conclude(attempt, Err(&stop), &begun, false);
            }
            Ok(_) => {
                let stop = Stop::Failed(Refusal::InvalidResponse("it tells no usage".to_owned()));
                self.conclude(attempt, Err(&stop), &begun, true);
            }
            Err(refusal) => {
                self.conclude(attempt, Err(&Stop::Failed(refusal)), &begun, true);
            }
        }
        self.entry.end(200, Outcome::Success);
    }

    /// Looks until the answer is over.
    async fn looked_after(&self, id: &str) -> Result<Bytes, Refusal> {
        let end = Instant::now() + PATIENCE;
        let mut pause = self.gateway.limits.job_pause;
        let mut failures = 0;
        loop {
            self.within(tokio::time::sleep(pause), end).await?;
            pause = (pause * 3 / 2).min(PAUSE_MAX);
            match self.within(self.look_at(id), end).await? {
                Look::Made => failures = 0,
                Look::Over(body) => return Ok(body),
                Look::Unknown { may_look_again, why } => {
                    failures += 1;
                    if !may_look_again || failures >= FAILURES_MAX {
                        return Err(why);
                    }
                }
            }
        }
    }

    async fn look_at(&self, id: &str) -> Look {
        let mut target = self.prepared.target.clone();
        let Some(endpoint) = target.endpoint.below(Some(id), &[]) else {
            return Look::Unknown { may_look_again: false, why: Refusal::Internal };
        };
        target.endpoint = endpoint;
        let looking = async {
            let headers = target.provider.headers(false, &[]);
            let mut answer = self.gateway.upstream.look(&target, headers, &*self.gateway.clock).await?;
            let is_success = answer.status.is_success();
            let bytes_max = if is_success { self.gateway.limits.answer_bytes_max } else { ERROR_BYTES_MAX };
            Ok::<_, UpstreamError>((answer.status, answer.collect(bytes_max).await?))
        };
        match looking.await {
            Ok((status, Collected::Whole(body))) if status.is_success() => {
                let read = observe::answer(Protocol::OpenAiResponses, &body);
                match read.map(|answer| self.has_only_begun(&answer.observed)) {
                    Some(true) => Look::Made,
                    Some(false) => Look::Over(body),
                    None => unknown(true, "it is no answer".to_owned()),
                }
            }
            Ok((status, _)) => {
                let may_look_again = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
                unknown(may_look_again, format!("looked for, it was answered with status {status}"))
            }
            Err(error) => unknown(true, error.to_string()),
        }
    }

    /// Waits for a future until the time is up or the process must stop.
    async fn within<T>(&self, future: impl Future<Output = T>, end: Instant) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            done = future => Ok(done),
            refusal = self.patience(end, "the answer was not made") => Err(refusal),
        }
    }
}

fn unknown(may_look_again: bool, why: String) -> Look {
    Look::Unknown { may_look_again, why: Refusal::InvalidResponse(why) }
}
