//! Answers that a provider of the Responses API makes in the background: the caller has a word that it has begun, and the
//! call's task looks after it until it is known what it costs.

use super::{Attempt, Call, ERROR_BYTES_MAX, Reply, Stop, Written};
use crate::inference::{BODY_BYTES_INLINE, reply};
use crate::providers::Target;
use crate::refusal::Refusal;
use crate::upstream::{Collected, UpstreamError};
use bytes::Bytes;
use domain::record::Outcome;
use http::{HeaderMap, Method, StatusCode};
use llm::Protocol;
use llm::observe::{self, Observed};
use std::future::Future;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(60);
/// How long an answer is looked after.
pub const PATIENCE: Duration = Duration::from_hours(4);

/// How a look went.
enum Look {
    /// It is still being made, as far as anybody knows.
    Made,
    /// It is over, in a body that tells what it consumed, or that it failed.
    Over(Bytes),
    /// Nobody will ever know.
    Gone(Refusal),
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
        self.note_stored(&begun.response_id);
        // It runs elsewhere: others may be made meanwhile.
        self.entry.give_up_slot();
        let took = self.entry.started.elapsed();
        self.with_head(Some(&headers), |head| {
            // The caller may have gone at this very moment; the answer is made all the same.
            let _ = reply.send(reply::whole(head, body, false, took));
        });
        self.look_after(&attempt, begun).await;
        self.entry.end(200, Outcome::Success);
    }

    /// Lets the caller's key ask for an answer that is made in the background.
    pub(super) fn note_stored(&self, id: &str) {
        if let Some(record) = self.entry.record().filter(|_| self.prepared.is_background && !id.is_empty()) {
            self.gateway.stored.begin(id, record.key, self.prepared.target.clone());
        }
    }

    /// Looks after an answer until it is over, and writes down what it has come to.
    pub(super) async fn look_after(&mut self, attempt: &Attempt, begun: Observed) {
        // Places for those who have left are for answers that are read.
        self.place.take();
        let over = self.looked_after(&begun.response_id).await;
        self.gateway.stored.end(&begun.response_id);
        self.close(attempt, begun, over);
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
    }

    /// Looks until the answer is over.
    async fn looked_after(&self, id: &str) -> Result<Bytes, Refusal> {
        let end = Instant::now() + PATIENCE;
        let mut pause = self.gateway.limits.job_pause;
        loop {
            self.within(tokio::time::sleep(pause), end).await?;
            pause = (pause * 3 / 2).min(PAUSE_MAX);
            let look = tokio::time::timeout(LOOK, self.look_at(id));
            match self.within(look, end).await? {
                Ok(Look::Over(body)) => return Ok(body),
                Ok(Look::Gone(why)) => return Err(why),
                // It goes on, or nobody knows at the moment.
                Ok(Look::Made) | Err(_) => {}
            }
        }
    }

    async fn look_at(&self, id: &str) -> Look {
        let Some(endpoint) = self.prepared.target.endpoint.below(Some(id), &[]) else {
            return Look::Gone(Refusal::Internal);
        };
        // The provider as it is configured by now: its key may be another one.
        let name = &self.prepared.target.provider.name;
        let providers = self.gateway.providers.load_full();
        let now = providers.iter().find(|provider| provider.name == *name);
        let provider = now.unwrap_or(&self.prepared.target.provider).clone();
        let target = Target { endpoint: endpoint.into(), provider, ..self.prepared.target.clone() };
        let looking = async {
            let headers = target.provider.headers(false, &[]);
            let upstream = &self.gateway.upstream;
            let mut answer = upstream.ask(Method::GET, &target, headers, &*self.gateway.clock).await?;
            let is_success = answer.status.is_success();
            let bytes_max = if is_success { self.gateway.limits.answer_bytes_max } else { ERROR_BYTES_MAX };
            Ok::<_, UpstreamError>((answer.status, answer.collect(bytes_max).await?))
        };
        match looking.await {
            Ok((status, Collected::Whole(body))) if status.is_success() => {
                match self.is_over(id, &body).await {
                    true => Look::Over(body),
                    false => Look::Made,
                }
            }
            Ok((StatusCode::NOT_FOUND | StatusCode::GONE, _)) => {
                Look::Gone(Refusal::InvalidResponse("the provider no longer has the answer".to_owned()))
            }
            Ok(_) | Err(_) => Look::Made,
        }
    }

    /// Whether a body tells that this answer is over. A long one is read on a thread of its own.
    async fn is_over(&self, id: &str, body: &Bytes) -> bool {
        let (copy, id) = (body.clone(), id.to_owned());
        let read = move || {
            let told = observe::answer(Protocol::OpenAiResponses, &copy);
            told.is_some_and(|answer| answer.observed.response_id == id && is_end(&answer.observed))
        };
        if body.len() <= BODY_BYTES_INLINE {
            read()
        } else {
            tokio::task::spawn_blocking(read).await.unwrap_or(false)
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

/// Whether an answer is in a state that it does not leave. Why it is incomplete stands in the place of that word.
fn is_end(observed: &Observed) -> bool {
    !matches!(observed.finish_reason.as_deref(), None | Some("queued" | "in_progress"))
}
