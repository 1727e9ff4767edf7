//! The call task: owns the upstream call, its attempts and the record, from the first byte sent to the end.
//!
//! It is never aborted, only asked to stop: by a caller who leaves, by a time limit, by a shutdown that can
//! wait no longer. Whatever happens, the entry it owns writes exactly one record when it is dropped.

pub(crate) mod background;
mod ending;
pub(crate) mod failures;
mod form;
mod job;
mod keeping;
mod metering;
mod raw;
mod shapes;
mod streaming;

use super::prepare::{Mode, Prepared};
use super::stream::Gone;
use super::{protocol_of, reply};
use crate::Gateway;
use crate::abandoned::Place;
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::upstream::{Answer, Collected, UpstreamError};
use axum::body::Body;
use bytes::Bytes;
use domain::record::Outcome;
use domain::{Account, AttemptId, Money, Timestamp};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use keeping::Begun;
use llm::Protocol;
use llm::ir::ChatResponse;
use llm::media;
use llm::observe::edit::{self, Edit};
use llm::observe::{self, Observed};
use llm::protocol::sound::TranscriptFormat;
use llm::provider::RouteKind;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use store::journal::{Position, Record};
use store::{JournalError, failpoint};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

/// Tries for one request. Only a connection that could not be made is tried again: nothing was sent then.
const ATTEMPTS_MAX: u16 = 2;
/// How often a waiting call looks whether the process must stop. One timer serves for this and for the time
/// limits: registering with a shared signal would cost every request a lock.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// Tells the provider our name of the attempt, so that its books and ours can be laid side by side. OpenAI keeps
/// it in its logs (<https://platform.openai.com/docs/api-reference/debugging-requests>, read 2026-11-26).
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");
/// Bytes of a provider's error that are read.
pub(crate) const ERROR_BYTES_MAX: usize = 256 * 1024;

/// Hands the call to a task of its own and waits for the head of the answer.
pub async fn start(
    gateway: &Arc<Gateway>,
    account: Arc<Account>,
    prepared: Box<Prepared>,
    entry: Entry,
) -> Response<Body> {
    let (id, protocol) = (entry.id, protocol_of(prepared.operation));
    let answer = spawn(gateway, account, prepared, entry, protocol);
    match answer.await {
        Ok(response) => response,
        // The task panicked; its entry has been recorded as such.
        Err(_) => reply::refusal(protocol, id, &Refusal::Internal),
    }
}

/// No `async`, so that the call's future is no part of that of its caller.
fn spawn(
    gateway: &Arc<Gateway>,
    account: Arc<Account>,
    prepared: Box<Prepared>,
    entry: Entry,
    protocol: Protocol,
) -> oneshot::Receiver<Response<Body>> {
    let (reply, answer) = oneshot::channel();
    let place = OnceLock::new();
    let call = Box::new(Call {
        gateway: gateway.clone(),
        account,
        prepared,
        entry,
        protocol,
        place,
        begun: None,
        background: None,
    });
    gateway.tasks.spawn(call.run(reply));
    answer
}

type Reply = oneshot::Sender<Response<Body>>;
/// The caller's answer, what it tells, and what it could not carry.
type Written = (Bytes, Observed, Vec<String>);
type Made = Result<Written, Stop>;

/// Why a call ended before its answer did.
#[derive(Debug)]
enum Stop {
    /// The caller left.
    ClientGone,
    /// Something failed, and the caller is told.
    Failed(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Failed(refusal)
    }
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Stop::ClientGone
    }
}

pub(crate) fn not_written(error: JournalError) -> Refusal {
    tracing::warn!(%error, "a call is refused: it cannot be written down");
    Refusal::StorageExhausted
}

struct Call {
    gateway: Arc<Gateway>,
    account: Arc<Account>,
    prepared: Box<Prepared>,
    entry: Entry,
    protocol: Protocol,
    /// The caller has left, and the answer is read to its end all the same.
    place: OnceLock<Place>,
    /// The beginning of its prompt, where it may be kept at Google.
    begun: Option<Begun>,
    /// Its place among the answers that are made in the background, where it is one.
    background: Option<Place>,
}

/// One try, until its record is made.
struct Attempt {
    id: AttemptId,
    started: Instant,
    started_at: Timestamp,
    status: u16,
    first_token: Option<Instant>,
    /// What the journal knows: the amount held, tokens of the answer.
    noted: (Money, u64),
}

impl Attempt {
    fn begin(gateway: &Gateway, id: AttemptId) -> Self {
        let (started, started_at) = (Instant::now(), gateway.clock.now());
        Self { id, started, started_at, status: 0, first_token: None, noted: (Money::ZERO, 0) }
    }
}

impl Call {
    async fn run(mut self: Box<Self>, mut reply: Reply) {
        let warnings = std::mem::take(&mut self.prepared.warnings);
        if !warnings.is_empty() {
            tracing::debug!(request.id = %self.entry.id, ?warnings, "the translation lost something");
        }
        self.entry.note(|record| record.warnings = warnings);
        if let Err(refusal) = self.enter_background() {
            return self.stop(reply, refusal.into());
        }
        let mut before = match self.prepared.keeping.take() {
            None => None,
            Some(keeping) => match Box::pin(self.keep(&mut reply, *keeping)).await {
                Ok(attempt) => attempt,
                Err(stop) => return self.stop(reply, stop),
            },
        };
        let first = if before.is_some() { 2 } else { 1 };
        // A name may be forgotten: then the whole request is a try of its own.
        let last = first + ATTEMPTS_MAX - u16::from(!self.is_named());
        for number in first..=last {
            let mut attempt = Attempt::begin(&self.gateway, AttemptId { request: self.entry.id, number });
            attempt.noted.0 = self.entry.held();
            let must_wait = match self.intend(&attempt) {
                Ok(must_wait) => must_wait,
                // What is not written down is not sent: there was no attempt.
                Err(refusal) => {
                    self.entry.fail(refusal.status(), &refusal);
                    return self.answer_failure(reply, None, &refusal);
                }
            };
            // Only now, so that the journal knows of this request at every moment.
            if let Some(before) = before.take() {
                self.note_end(&before);
            }
            if let Some(position) = must_wait
                && let Err(refusal) = Box::pin(self.reach_disk(position)).await
            {
                return self.refuse(reply, &attempt, refusal.into(), None, false);
            }
            let answer = match self.send(&mut reply, &attempt, attempt.started).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(UpstreamError::Connect)) if number < last => {
                    let refusal = Refusal::Unreachable(UpstreamError::Connect.to_string());
                    self.conclude(&attempt, Err(&Stop::Failed(refusal)), &Observed::default(), false);
                    before = Some(attempt);
                    continue;
                }
                Ok(Err(error)) => {
                    let was_sent = matches!(error, UpstreamError::NoAnswer | UpstreamError::Cut);
                    let was_sent = was_sent && self.has_begun();
                    let stop = Stop::Failed(failures::no_answer(&self.prepared.target, &error));
                    return self.refuse(reply, &attempt, stop, None, was_sent);
                }
                Err(stop) => {
                    let was_billed = self.has_begun();
                    return self.refuse(reply, &attempt, stop, None, was_billed);
                }
            };
            failpoint::hit("after_head");
            // It is not sent again: its memory is free while the answer comes.
            if self.prepared.form.is_none() {
                self.prepared.body.release();
            }
            attempt.status = answer.status.as_u16();
            let is_success = answer.status.is_success();
            if !is_success && self.is_named() {
                let (headers, refusal) = Box::pin(self.read_refusal(&mut reply, answer)).await;
                let whole = refusal.as_ref().ok().and_then(|body| self.unnamed(body));
                let Some(whole) = whole.filter(|_| number < last) else {
                    return self.refused_with(reply, &attempt, &headers, refusal);
                };
                if self.is_abandoned() || reply.is_closed() {
                    return self.give_up(reply, &attempt, Stop::ClientGone, None, false);
                }
                let stop = failures::provider_error(&self.prepared.target, attempt.status, b"").into();
                self.conclude(&attempt, Err(&stop), &Observed::default(), false);
                self.prepared.body = whole;
                before = Some(attempt);
                continue;
            }
            self.release_whole();
            // The rarer ways are kept out of this future, whose size every request pays for.
            let is_media = !self.prepared.target.endpoint.route.kind.is_text();
            let is_passed = is_media && !self.prepared.reads_answer();
            return match self.prepared.is_stream {
                _ if !is_success => Box::pin(self.refused(reply, attempt, answer)).await,
                _ if self.prepared.job.is_some() => Box::pin(self.work(reply, attempt, answer)).await,
                _ if is_passed && answer.is_stream(self.prepared.framing()) => {
                    Box::pin(self.stream(reply, attempt, answer)).await;
                }
                _ if is_passed && !answer.is_json() => Box::pin(self.pass_raw(reply, attempt, answer)).await,
                _ if is_media => self.receive(reply, attempt, answer).await,
                true => Box::pin(self.stream(reply, attempt, answer)).await,
                false => self.receive(reply, attempt, answer).await,
            };
        }
    }

    /// Writes down what is about to be sent: without that, nothing is.
    ///
    /// Gives the place in the journal that the disk must have first, where the settings ask for that.
    fn intend(&mut self, attempt: &Attempt) -> Result<Option<Position>, Refusal> {
        // Nothing is billed, so nothing can be lost.
        if self.prepared.operation.is_count() {
            return Ok(None);
        }
        let Prepared { target, is_stream, is_unpriced, .. } = &*self.prepared;
        let written = self.entry.intend(attempt.id, target, *is_stream, *is_unpriced).map_err(not_written)?;
        let must_wait = self.entry.journal().is_strict();
        Ok(must_wait.then_some(written))
    }

    /// Waits until the disk has what is about to be sent.
    async fn reach_disk(&self, position: Position) -> Result<(), Refusal> {
        self.entry.journal().settled(position).await.map_err(not_written)
    }

    /// Writes down that an attempt has ended while its request goes on.
    fn note_end(&self, attempt: &Attempt) {
        if let Some(record) = self.entry.record().and_then(|record| record.attempts.last()) {
            self.entry.journal().record(&Record::Ended(attempt.id, record));
        }
    }

    /// Sends the request and waits for the head of the answer, as long as is left since then.
    async fn send(
        &self,
        reply: &mut Reply,
        attempt: &Attempt,
        since: Instant,
    ) -> Result<Result<Answer, UpstreamError>, Stop> {
        let Prepared { target, body, is_stream, .. } = &*self.prepared;
        let limits = &self.gateway.limits;
        let patience = if *is_stream { limits.first_event.min(limits.total) } else { limits.total };
        let mut headers = self.prepared.headers();
        if let Ok(id) = HeaderValue::try_from(attempt.id.to_string()) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        let sending = pin!(self.gateway.upstream.send(target, headers, body, &*self.gateway.clock));
        self.watch(reply, sending, since + patience, "no answer").await
    }

    /// Waits for a future, as long as time is left, and as long as the caller does or the answer must be known. Where it is
    /// large it is best pinned by who calls this, so that it is not moved.
    async fn watch<T>(
        &self,
        reply: &mut Reply,
        future: impl Future<Output = T>,
        end: Instant,
        what: &'static str,
    ) -> Result<T, Stop> {
        tokio::pin!(future);
        loop {
            return tokio::select! {
                biased;
                done = &mut future => Ok(done),
                () = reply.closed(), if self.place.get().is_none() => match self.stays() {
                    true => continue,
                    false => Err(Stop::ClientGone),
                },
                refusal = self.patience(end, what) => Err(refusal.into()),
            };
        }
    }

    /// Whether the provider bills the whole answer, whoever still reads it.
    fn is_billed_whole(&self) -> bool {
        let Prepared { target, is_stream, operation, .. } = &*self.prepared;
        let must_drain = self.prepared.is_background || target.provider.abort.must_drain(*is_stream);
        must_drain && !operation.is_count() && self.has_begun()
    }

    /// The caller has left: whether the answer is read to its end all the same.
    fn stays(&self) -> bool {
        let org = self.entry.record().filter(|_| self.is_billed_whole()).map(|record| record.org);
        match org.and_then(|org| self.gateway.abandoned.enter(org)) {
            Some(place) => self.place.set(place).is_ok(),
            None => false,
        }
    }

    /// Whether the caller has left a call that went on.
    fn is_abandoned(&self) -> bool {
        self.place.get().is_some()
    }

    /// Resolves when time is up or the process must stop.
    async fn patience(&self, end: Instant, what: &'static str) -> Refusal {
        loop {
            sleep_until(end.min(Instant::now() + TICK).into()).await;
            if self.gateway.tasks.is_over() {
                return Refusal::ShuttingDown;
            }
            if Instant::now() >= end {
                return Refusal::Timeout(what);
            }
        }
    }

    /// Reads an answer that is not streamed.
    async fn receive(mut self: Box<Self>, mut reply: Reply, mut attempt: Attempt, mut answer: Answer) {
        let limits = self.gateway.limits;
        let collecting = answer.collect(limits.answer_bytes_max);
        let body =
            match self.watch(&mut reply, collecting, attempt.started + limits.total, "answer body").await {
                Ok(Ok(Collected::Whole(body))) => Ok(body),
                Ok(Ok(Collected::TooLong)) => {
                    let message = format!("longer than {} bytes", limits.answer_bytes_max);
                    Err(Refusal::InvalidResponse(message).into())
                }
                Ok(Err(error)) => Err(Refusal::Unreachable(error.to_string()).into()),
                Err(stop) => Err(stop),
            };
        attempt.first_token = Some(Instant::now());
        let body = match (body, self.prepared.form.clone()) {
            (Ok(body), Some(form)) => {
                let headers = std::mem::take(&mut answer.headers);
                drop(answer);
                return Box::pin(self.formed(reply, attempt, headers, (body, form))).await;
            }
            (body, _) => body,
        };
        let made = match body {
            Ok(body) if self.prepared.is_long_to_read(&body) => {
                let apart = Box::pin(self.made_apart(body, answer.headers.clone()));
                // The only fault of such a thread is a panic, which has been logged, and its entry recorded.
                let Some((call, made)) = apart.await else { return };
                self = call;
                made
            }
            body => body.and_then(|body| self.whole(&body, &answer.headers)),
        };
        match made {
            Ok(written) if self.has_only_begun(&written.1) => {
                let headers = std::mem::take(&mut answer.headers);
                drop(answer);
                Box::pin(self.follow(reply, attempt, headers, written)).await;
            }
            made => self.hand_out(reply, &attempt, &answer.headers, made),
        }
    }

    /// Ends a call whose whole answer was read, and hands the caller's over.
    fn hand_out(mut self: Box<Self>, reply: Reply, attempt: &Attempt, headers: &HeaderMap, made: Made) {
        match made {
            Ok((body, observed, warnings)) => {
                self.entry.note(|record| record.warnings.extend(warnings));
                let usage = self.conclude(attempt, Ok(()), &observed, true);
                if self.is_abandoned() {
                    return self.entry.end(499, Outcome::ClientGone);
                }
                self.entry.end(200, Outcome::Success);
                let took = self.entry.started.elapsed();
                let kind = self.prepared.transcript.map(TranscriptFormat::content_type);
                self.with_head(Some(headers), |head| {
                    let mut response = reply::whole(head, body, usage.cache_read > 0, took);
                    if let Some(kind) = kind {
                        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                    }
                    // The caller may have gone at this very moment; the record stands all the same.
                    let _ = reply.send(response);
                });
            }
            Err(stop) => self.refuse(reply, attempt, stop, None, true),
        }
    }

    /// Reads a whole answer and makes the caller's of it, with its cost.
    fn whole(&self, body: &Bytes, headers: &HeaderMap) -> Made {
        let outbound = self.prepared.target.endpoint.route.protocol;
        let unreadable = || Refusal::InvalidResponse("it is not in the provider's own protocol".to_owned());
        if self.prepared.operation.is_count() {
            return Ok((body.clone(), Observed::default(), Vec::new()));
        }
        if let Some(asked) = self.prepared.vectors {
            return self.vectors(body, headers, asked);
        }
        if let Some(format) = self.prepared.transcript {
            return self.transcript(body, format);
        }
        let kind = self.prepared.target.endpoint.route.kind;
        if self.prepared.mode == Mode::Translate && kind == RouteKind::ImageGenerations {
            return self.pictures(body);
        }
        // What is read to be translated tells the rest too, so such a body is gone through once.
        if self.prepared.mode == Mode::Translate
            && (kind, outbound) == (RouteKind::Chat, Protocol::OpenAiChat)
            && let Ok(response) = outbound.decode_response(body)
            && let Some(observed) = observe::read_answer(&response)
        {
            return Ok(self.written(response, observed));
        }
        let answer = match kind.is_text() {
            true => observe::answer(outbound, body),
            false => media::answer(body, kind.makes_images()),
        };
        if answer.as_ref().is_some_and(|answer| answer.is_error) {
            return Err(self.stream_error(body).into());
        }
        match self.prepared.mode {
            Mode::Passthrough => {
                let answer = answer.ok_or_else(unreadable)?;
                let price = self.told_price(&self.metered(&answer.observed, true).0, &answer.observed);
                let cost = answer.usage_at.zip(price).map(|(at, price)| edit::cost(body, at, price));
                let name = answer.model_at.map(|at| edit::name(at, &self.prepared.requested_model));
                let edits: Vec<Edit> = cost.into_iter().chain(name).collect();
                let out = if edits.is_empty() { body.clone() } else { edit::edited(body, edits).into() };
                Ok((out, answer.observed, Vec::new()))
            }
            Mode::Translate if kind == RouteKind::Rerank => self.ranking(body),
            // It is sound, or nothing that could be read.
            Mode::Translate if kind == RouteKind::Speech => Err(unreadable().into()),
            Mode::Translate => {
                let response = outbound
                    .decode_response(body)
                    .map_err(|error| Refusal::InvalidResponse(error.to_string()))?;
                Ok(self.written(response, answer.unwrap_or_default().observed))
            }
        }
    }

    /// Writes an answer in the caller's protocol.
    fn written(&self, mut response: ChatResponse, observed: Observed) -> Written {
        response.created.get_or_insert(self.gateway.clock.now().unix_seconds());
        response.echo.clone_from(&self.prepared.echo);
        response.took_ms = self.took_ms();
        self.prepared.name(&mut response, self.entry.id);
        let usage = self.metered(&observed, true).0;
        let encoded = self.protocol.encode_response(&response, self.told_price(&usage, &observed));
        let warnings = encoded.warnings.iter().map(ToString::to_string).collect();
        (encoded.body.into(), observed, warnings)
    }

    /// How long it has taken so far, in milliseconds.
    fn took_ms(&self) -> Option<u64> {
        u64::try_from(self.entry.started.elapsed().as_millis()).ok()
    }

    fn with_head<T>(
        &mut self,
        provider_headers: Option<&HeaderMap>,
        write: impl FnOnce(&reply::Head<'_>) -> T,
    ) -> T {
        let mut warnings = Vec::new();
        self.entry.note(|record| warnings.clone_from(&record.warnings));
        write(&reply::Head {
            id: self.entry.id,
            provider: Some(&self.prepared.target.provider.header),
            warnings: &warnings,
            clamped: self.prepared.clamped,
            standing: self.prepared.standing,
            provider_headers,
        })
    }
}
