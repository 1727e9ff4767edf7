//! Jobs: what a provider takes on and answers later is looked after until it is there, by the task of the call that asked
//! for it. See ADR 0018.
//!
//! All of it is one attempt: its intent and its hold were there before anything was sent, and it has the time of one call.

use super::{Attempt, CLIENT_REQUEST_ID, Call, ERROR_BYTES_MAX, Made, Reply, Stop, failures};
use crate::inference::BODY_BYTES_INLINE;
use crate::providers::{Endpoint, Target};
use crate::refusal::Refusal;
use crate::upstream::{Answer, Collected, UpstreamError};
use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use llm::failure::FailureClass;
use llm::job::{Ask, Next, Place, Product, Progress};
use llm::protocol::TranslateError;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Questions of one job, beside its first.
const QUESTIONS_MAX: usize = 1_000;
/// So often in a row a look may fail, in about half a minute: the work goes on meanwhile.
const FAILURES_MAX: usize = 10;

/// Why there is no result, and whether it is billed all the same.
struct Broken {
    stop: Stop,
    is_billed: bool,
}

/// How one question went.
enum Asked {
    Answered(Bytes),
    Refused(StatusCode, Bytes),
    Unanswered(UpstreamError),
}

impl Call {
    /// Looks after a job until it is done, and answers with what it made.
    pub(super) async fn work(mut self: Box<Self>, mut reply: Reply, mut attempt: Attempt, mut first: Answer) {
        let headers = std::mem::take(&mut first.headers);
        let done = self.done(&mut reply, &mut attempt, first).await;
        attempt.first_token = Some(Instant::now());
        match done {
            Ok(product) => {
                // Writing a long one takes longer than other calls on the same core should wait.
                let work = move || {
                    let made = self.made_of(&product);
                    (self, made)
                };
                let made = tokio::task::spawn_blocking(work).await;
                // The only fault of such a thread is a panic, which has been logged, and its entry recorded.
                if let Ok((call, made)) = made {
                    call.hand_out(reply, &attempt, &headers, made);
                }
            }
            Err(Broken { stop, is_billed }) => {
                self.give_up(reply, &attempt, stop, Some(&headers), is_billed);
            }
        }
    }

    /// Whether the provider was asked for something that it bills.
    pub(super) fn has_begun(&self) -> bool {
        self.progress().is_none_or(|progress| progress != Progress::Preparing)
    }

    /// How far a job is. `None`: it is none.
    fn progress(&self) -> Option<Progress> {
        self.prepared.job.as_ref().map(llm::job::Job::progress)
    }

    fn made_of(&self, product: &Product) -> Made {
        match (product, self.prepared.transcript) {
            (Product::Pictures(pictures), _) => Ok(self.drawn(pictures)),
            (Product::Transcript(transcript), Some(format)) => Ok(self.heard(transcript, format)),
            // A transcript is asked for by a request for one only.
            (Product::Transcript(_), None) => Err(Refusal::Internal.into()),
        }
    }

    /// Asks and waits until the job is done.
    async fn done(
        &mut self,
        reply: &mut Reply,
        attempt: &mut Attempt,
        mut first: Answer,
    ) -> Result<Product, Broken> {
        let limits = self.gateway.limits;
        let end = attempt.started + limits.total;
        let collecting = first.collect(limits.answer_bytes_max);
        let mut answer = match self.watch(reply, collecting, end, "answer body").await {
            Ok(Ok(Collected::Whole(body))) => body,
            Ok(Ok(Collected::TooLong)) => return Err(self.broken(too_long(limits.answer_bytes_max))),
            Ok(Err(error)) => return Err(self.broken(Refusal::Unreachable(error.to_string()))),
            Err(stop) => return Err(self.broken(stop)),
        };
        drop(first);
        let mut pause = limits.job_pause;
        for _ in 0..QUESTIONS_MAX {
            let ask = match self.next(answer).await? {
                Next::Ask(ask) => ask,
                Next::Wait(ask) => {
                    self.rest(reply, &mut pause, end).await?;
                    ask
                }
                Next::Done(product) => return Ok(product),
                Next::Failed { message, is_billed } => {
                    let message = self.prepared.target.provider.without_key(message);
                    return Err(Broken { stop: Refusal::InvalidResponse(message).into(), is_billed });
                }
            };
            // Whoever has left by now is asked for nothing more that is billed.
            if self.progress() == Some(Progress::Submitting) && reply.is_closed() {
                return Err(Broken { stop: Stop::ClientGone, is_billed: false });
            }
            answer = self.ask(reply, attempt, &ask, end).await?;
        }
        Err(self.broken(Refusal::Timeout("the work was not done")))
    }

    /// What follows an answer. Long ones are read on a thread of their own.
    async fn next(&mut self, answer: Bytes) -> Result<Next, Broken> {
        let job = self.prepared.job.take();
        let Some(mut job) = job else { return Err(self.broken(Refusal::Internal)) };
        let is_short = answer.len() <= BODY_BYTES_INLINE;
        let work = move || {
            let next = job.next(&answer);
            (job, next)
        };
        let read = if is_short { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
        let Ok((job, next)) = read else { return Err(self.broken(Refusal::Internal)) };
        self.prepared.job = Some(job);
        next.map_err(|error: TranslateError| self.broken(Refusal::InvalidResponse(error.to_string())))
    }

    /// Asks something, again where that is safe.
    async fn ask(
        &self,
        reply: &mut Reply,
        attempt: &mut Attempt,
        ask: &Ask,
        end: Instant,
    ) -> Result<Bytes, Broken> {
        let mut target = self.prepared.target.clone();
        target.endpoint = endpoint(&target, &ask.place).map(Arc::new).ok_or_else(|| {
            let message = "it tells an address that is not the provider's own".to_owned();
            self.broken(Refusal::InvalidResponse(message))
        })?;
        let is_look = ask.body.is_none();
        let mut pause = self.gateway.limits.job_pause;
        let mut failures = 0;
        loop {
            let asked = self.ask_once(reply, attempt, (&target, ask), end).await?;
            let (broken, may_repeat) = match asked {
                Asked::Answered(body) => return Ok(body),
                Asked::Refused(status, body) => {
                    let class = FailureClass::of_answer(status.as_u16(), &body);
                    let is_passing = matches!(class, FailureClass::Transient | FailureClass::RateLimited);
                    let is_billed = self.progress() == Some(Progress::Working);
                    let stop = refused(&target, &ask.place, status, &body).into();
                    (Broken { stop, is_billed }, is_look && is_passing)
                }
                Asked::Unanswered(error) => {
                    let was_sent = matches!(error, UpstreamError::NoAnswer | UpstreamError::Cut);
                    let is_billed =
                        self.progress() == Some(Progress::Working) || was_sent && self.has_begun();
                    let stop = failures::no_answer(&target, &error).into();
                    (Broken { stop, is_billed }, is_look || !was_sent)
                }
            };
            failures += 1;
            if !may_repeat || failures == FAILURES_MAX {
                return Err(broken);
            }
            self.rest(reply, &mut pause, end).await?;
        }
    }

    async fn ask_once(
        &self,
        reply: &mut Reply,
        attempt: &mut Attempt,
        (target, ask): (&Target, &Ask),
        end: Instant,
    ) -> Result<Asked, Broken> {
        let upstream = &self.gateway.upstream;
        let clock = &*self.gateway.clock;
        let mut headers = match ask.place {
            Place::File(_) => public_headers(),
            Place::Beside(_) | Place::Told(_) => target.provider.headers(false, &[]),
        };
        let is_file = matches!(ask.place, Place::File(_));
        if !is_file && let Ok(id) = HeaderValue::try_from(attempt.id.to_string()) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        let body = ask.body.clone().map(|body| Bytes::from(body).into());
        let asking = async {
            let answer = match &body {
                Some(body) => upstream.send(target, headers, body, clock).await,
                None if is_file => upstream.fetch(&target.endpoint, headers).await,
                None => upstream.ask(Method::GET, target, headers, clock).await,
            };
            let mut answer = answer?;
            let bytes_max = match answer.status.is_success() {
                true => self.gateway.limits.answer_bytes_max,
                false => ERROR_BYTES_MAX,
            };
            answer.collect(bytes_max).await.map(|collected| (answer.status, collected, bytes_max))
        };
        // Looks are repeated, so one that hangs costs its own time only.
        let longest =
            if ask.body.is_none() { self.gateway.limits.job_look } else { self.gateway.limits.total };
        let asking =
            async { tokio::time::timeout(longest, asking).await.unwrap_or(Err(UpstreamError::NoAnswer)) };
        let asked = self.watch(reply, asking, end, "no result").await.map_err(|stop| self.broken(stop))?;
        if !is_file && let Ok((status, ..)) = &asked {
            attempt.status = status.as_u16();
        }
        match asked {
            Ok((status, Collected::Whole(body), _)) if status.is_success() => Ok(Asked::Answered(body)),
            Ok((status, Collected::TooLong, bytes_max)) if status.is_success() => {
                Err(self.broken(too_long(bytes_max)))
            }
            Ok((status, Collected::Whole(body), _)) => Ok(Asked::Refused(status, body)),
            Ok((status, Collected::TooLong, _)) => Ok(Asked::Refused(status, Bytes::new())),
            Err(error) => Ok(Asked::Unanswered(error)),
        }
    }

    /// Waits before the next look, longer each time.
    async fn rest(&self, reply: &mut Reply, pause: &mut Duration, end: Instant) -> Result<(), Broken> {
        let waiting = tokio::time::sleep(*pause);
        *pause = (*pause * 3 / 2).min(PAUSE_MAX);
        self.watch(reply, waiting, end, "the work was not done").await.map_err(|stop| self.broken(stop))
    }

    /// A job that is left as it is: what was asked for is billed.
    fn broken(&self, stop: impl Into<Stop>) -> Broken {
        Broken { stop: stop.into(), is_billed: self.has_begun() }
    }
}

/// Where something is asked. `None`: the address is not the provider's own.
fn endpoint(target: &Target, place: &Place) -> Option<Endpoint> {
    match place {
        Place::Beside(segments) => target.endpoint.beside(segments),
        Place::Told(address) | Place::File(address) => {
            target.endpoint.told(target.provider.spec.domain, address)
        }
    }
}

/// A refusal of a question, for the caller. Of a file it says nothing of our credential: none was shown.
fn refused(target: &Target, place: &Place, status: StatusCode, body: &[u8]) -> Refusal {
    match place {
        Place::File(_) => {
            let status = status.as_u16();
            Refusal::InvalidResponse(format!("the result could not be fetched: status {status}"))
        }
        Place::Beside(_) | Place::Told(_) => failures::provider_error(target, status.as_u16(), body),
    }
}

fn too_long(bytes_max: usize) -> Refusal {
    Refusal::InvalidResponse(format!("longer than {bytes_max} bytes"))
}

/// Headers that tell nothing of us but what we are.
fn public_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("signalbox/", env!("CARGO_PKG_VERSION"))));
    headers
}
