//! The call task: owns the upstream call, its attempts and the record, from the first byte sent to the end.
//!
//! It is never aborted, only asked to stop: by a caller who leaves, by a time limit, by a shutdown that can
//! wait no longer. Whatever happens, the entry it owns writes exactly one record when it is dropped.

use super::prepare::{Mode, Prepared};
use super::relay::{Relay, Step};
use super::stream::{Gone, StreamBody, Writer, pipe};
use super::{protocol_of, reply};
use crate::Gateway;
use crate::record::{Entry, micros};
use crate::refusal::Refusal;
use crate::upstream::{Answer, Collected, UpstreamError};
use axum::body::Body;
use bytes::Bytes;
use domain::record::{Operation, Outcome};
use domain::{AttemptRecord, Money, RequestRecord, Timestamp, Usage, UsageSource, cost};
use http::{HeaderMap, Response};
use llm::failure::FailureClass;
use llm::observe::{self, Observed};
use llm::{Protocol, tokens};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::sleep_until;

/// Tries for one request. Only a connection that could not be made is tried again: nothing was sent then.
const ATTEMPTS_MAX: u32 = 2;
/// How often a waiting call looks whether the process must stop. One timer serves for this and for the time
/// limits: registering with a shared signal would cost every request a lock.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of a provider's error that are read.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// Hands the call to a task of its own and waits for the head of the answer.
pub async fn start(gateway: &Arc<Gateway>, prepared: Box<Prepared>, entry: Entry) -> Response<Body> {
    let (reply, answer) = oneshot::channel();
    let (id, protocol) = (entry.id, protocol_of(prepared.operation));
    let call = Box::new(Call { gateway: gateway.clone(), prepared, entry, protocol });
    gateway.tasks.spawn(call.run(reply));
    match answer.await {
        Ok(response) => response,
        // The task panicked; its entry has been recorded as such.
        Err(_) => reply::refusal(protocol, id, &Refusal::Internal),
    }
}

type Reply = oneshot::Sender<Response<Body>>;

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

struct Call {
    gateway: Arc<Gateway>,
    prepared: Box<Prepared>,
    entry: Entry,
    protocol: Protocol,
}

/// One try, until its record is made.
struct Attempt {
    started: Instant,
    started_at: Timestamp,
    status: u16,
    first_token: Option<Instant>,
}

impl Attempt {
    fn begin(gateway: &Gateway) -> Self {
        Self { started: Instant::now(), started_at: gateway.clock.now(), status: 0, first_token: None }
    }
}

impl Call {
    async fn run(mut self: Box<Self>, mut reply: Reply) {
        let warnings = std::mem::take(&mut self.prepared.warnings);
        self.entry.note(|record| record.warnings = warnings);
        for left in (0..ATTEMPTS_MAX).rev() {
            let mut attempt = Attempt::begin(&self.gateway);
            let answer = match self.send(&mut reply, &attempt).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(UpstreamError::Connect)) if left > 0 => {
                    let refusal = Refusal::Unreachable(UpstreamError::Connect.to_string());
                    self.conclude(&attempt, Err(&Stop::Failed(refusal)), &Observed::default(), false);
                    continue;
                }
                Ok(Err(error)) => {
                    let stop = Stop::Failed(Refusal::Unreachable(error.to_string()));
                    let was_sent = error != UpstreamError::Connect;
                    return self.refuse(reply, &attempt, stop, None, was_sent);
                }
                Err(stop) => return self.refuse(reply, &attempt, stop, None, true),
            };
            attempt.status = answer.status.as_u16();
            let is_success = answer.status.is_success();
            // The rarer ways are kept out of this future, whose size every request pays for.
            return match self.prepared.is_stream {
                _ if !is_success => Box::pin(self.refused(reply, attempt, answer)).await,
                true => Box::pin(self.stream(reply, attempt, answer)).await,
                false => self.receive(reply, attempt, answer).await,
            };
        }
    }

    /// Sends the request and waits for the head of the answer.
    async fn send(&self, reply: &mut Reply, attempt: &Attempt) -> Result<Result<Answer, UpstreamError>, Stop> {
        let Prepared { target, headers, body, is_stream, .. } = &*self.prepared;
        let limits = &self.gateway.limits;
        let patience = if *is_stream { limits.first_event.min(limits.total) } else { limits.total };
        let now = self.gateway.clock.now();
        let sending = self.gateway.upstream.send(target, headers.clone(), body.clone(), now);
        self.watch(reply, sending, attempt.started + patience, "no answer").await
    }

    /// Waits for a future, as long as the caller does and time is left.
    async fn watch<T>(
        &self,
        reply: &mut Reply,
        future: impl Future<Output = T>,
        end: Instant,
        what: &'static str,
    ) -> Result<T, Stop> {
        tokio::select! {
            biased;
            done = future => Ok(done),
            () = reply.closed() => Err(Stop::ClientGone),
            refusal = self.patience(end, what) => Err(refusal.into()),
        }
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

    /// Reads a provider's refusal.
    async fn refused(self: Box<Self>, mut reply: Reply, attempt: Attempt, mut answer: Answer) {
        let collecting = answer.collect(ERROR_BYTES_MAX);
        let body = self.watch(&mut reply, collecting, Instant::now() + self.gateway.limits.idle, "error body").await;
        let stop = match body {
            Ok(Ok(Collected::Whole(body))) => self.provider_error(attempt.status, &body).into(),
            Ok(_) => self.provider_error(attempt.status, b"").into(),
            Err(stop) => stop,
        };
        self.refuse(reply, &attempt, stop, Some(&answer.headers), false);
    }

    /// Reads an answer that is not streamed.
    async fn receive(mut self: Box<Self>, mut reply: Reply, mut attempt: Attempt, mut answer: Answer) {
        let limits = self.gateway.limits;
        let collecting = answer.collect(limits.answer_bytes_max);
        let body = match self.watch(&mut reply, collecting, attempt.started + limits.total, "answer body").await {
            Ok(Ok(Collected::Whole(body))) => Ok(body),
            Ok(Ok(Collected::TooLong)) => {
                let message = format!("longer than {} bytes", limits.answer_bytes_max);
                Err(Refusal::InvalidResponse(message).into())
            }
            Ok(Err(error)) => Err(Refusal::Unreachable(error.to_string()).into()),
            Err(stop) => Err(stop),
        };
        attempt.first_token = Some(Instant::now());
        match body.and_then(|body| self.whole(&body)) {
            Ok((body, observed, warnings)) => {
                self.entry.note(|record| record.warnings.extend(warnings));
                let usage = self.conclude(&attempt, Ok(()), &observed, true);
                self.entry.end(200, Outcome::Success);
                let took = self.entry.started.elapsed();
                self.with_head(Some(&answer.headers), |head| {
                    // The caller may have gone at this very moment; the record stands all the same.
                    let _ = reply.send(reply::whole(head, body, usage.cache_read > 0, took));
                });
            }
            Err(stop) => self.refuse(reply, &attempt, stop, None, true),
        }
    }

    /// Reads a whole answer and makes the caller's of it, with its cost.
    fn whole(&self, body: &Bytes) -> Result<(Bytes, Observed, Vec<String>), Stop> {
        let outbound = self.prepared.target.endpoint.route.protocol;
        let unreadable = || Refusal::InvalidResponse("it is not in the provider's own protocol".to_owned());
        if self.prepared.operation == Operation::CountTokens {
            return Ok((body.clone(), Observed::default(), Vec::new()));
        }
        let answer = observe::answer(outbound, body);
        if answer.as_ref().is_some_and(|answer| answer.is_error) {
            return Err(self.stream_error(body).into());
        }
        match self.prepared.mode {
            Mode::Passthrough => {
                let answer = answer.ok_or_else(unreadable)?;
                let out = match (answer.usage_at, self.price(&answer.observed.usage)) {
                    (Some(at), Some(cost)) => observe::with_cost(body, at, cost).into(),
                    _ => body.clone(),
                };
                Ok((out, answer.observed, Vec::new()))
            }
            Mode::Translate => {
                let response = outbound
                    .decode_response(body)
                    .map_err(|error| Refusal::InvalidResponse(error.to_string()))?;
                let observed = answer.unwrap_or_default().observed;
                let usage = self.metered(&observed, true).0;
                let encoded = self.protocol.encode_response(&response, self.price(&usage));
                let warnings = encoded.warnings.iter().map(ToString::to_string).collect();
                Ok((encoded.body.into(), observed, warnings))
            }
        }
    }

    /// Reads and forwards a streamed answer.
    async fn stream(mut self: Box<Self>, mut reply: Reply, mut attempt: Attempt, mut answer: Answer) {
        if !answer.is_event_stream() {
            let stop = Refusal::InvalidResponse("the provider did not stream".to_owned()).into();
            return self.refuse(reply, &attempt, stop, None, true);
        }
        let mut relay = Relay::new(&self.prepared, self.gateway.clock.now().unix_seconds());
        // Held back until the answer has begun: until then a failure still has a status of its own.
        let first = match self.first(&mut reply, &mut relay, &mut answer, &mut attempt).await {
            Ok(first) => first,
            Err(stop) => {
                // A provider that fails before it says anything bills nothing.
                let was_billed = !matches!(stop, Stop::Failed(Refusal::Provider { .. }));
                return self.refuse(reply, &attempt, stop, Some(&answer.headers), was_billed);
            }
        };
        let (writer, body) = pipe();
        let warnings = relay.take_warnings();
        self.entry.note(|record| record.warnings.extend(warnings.iter().map(ToString::to_string)));
        let response = self.stream_response(&answer.headers, body);
        let delivered = reply.send(response).map_err(|_| Stop::ClientGone);
        let ended = match delivered.and_then(|()| Ok(writer.try_send(first)?)) {
            Ok(_) => self.forward(&writer, &mut relay, &mut answer, &mut attempt).await,
            Err(stop) => Err(stop),
        };
        // The connection to the provider closes here when the answer is not at its end.
        drop(answer);
        let observed = std::mem::take(relay.observed());
        match &ended {
            Ok(()) => {
                let usage = self.conclude(&attempt, Ok(()), &observed, true);
                self.entry.end(200, Outcome::Success);
                let closing = relay.closing(&usage);
                if !closing.is_empty() {
                    let _ = self.deliver(&writer, closing).await;
                }
                self.note_warnings(&mut relay);
                self.end(&writer).await;
            }
            Err(stop) => {
                self.conclude(&attempt, Err(stop), &observed, true);
                match stop {
                    Stop::ClientGone => self.entry.end(200, Outcome::ClientGone),
                    Stop::Failed(refusal) => {
                        self.entry.fail(200, refusal);
                        let event = reply::stream_failure(self.protocol, self.entry.id, refusal);
                        if self.deliver(&writer, event).await.is_ok() {
                            self.end(&writer).await;
                        }
                    }
                }
            }
        }
    }

    fn note_warnings(&mut self, relay: &mut Relay) {
        let late = relay.take_warnings();
        self.entry.note(|record| record.warnings.extend(late.iter().map(ToString::to_string)));
    }

    fn stream_response(&mut self, provider_headers: &HeaderMap, body: StreamBody) -> Response<Body> {
        self.with_head(Some(provider_headers), |head| reply::stream(head, Body::new(body)))
    }

    /// Reads until there is something for the caller.
    async fn first(
        &self,
        reply: &mut Reply,
        relay: &mut Relay,
        answer: &mut Answer,
        attempt: &mut Attempt,
    ) -> Result<Bytes, Stop> {
        let end = attempt.started + self.gateway.limits.first_event.min(self.gateway.limits.total);
        loop {
            let step = match self.watch(reply, answer.next(), end, "no first event").await? {
                Some(Ok(piece)) => read(relay.push(piece))?,
                Some(Err(error)) => return Err(Refusal::BrokenStream(error.to_string()).into()),
                None => {
                    let step = read(relay.finish())?;
                    if step.out.is_empty() && step.failure.is_none() {
                        return Err(Refusal::BrokenStream("it ended before it began".to_owned()).into());
                    }
                    step
                }
            };
            if step.has_content {
                attempt.first_token = Some(Instant::now());
            }
            match step.failure {
                // An error after some events of the same piece is told within the stream.
                Some(data) => return Err(self.stream_error(&data).into()),
                None if step.out.is_empty() => {}
                None => return Ok(step.out),
            }
        }
    }

    /// Forwards the rest of the stream.
    async fn forward(
        &self,
        writer: &Writer,
        relay: &mut Relay,
        answer: &mut Answer,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        let limits = &self.gateway.limits;
        let mut heard = tokio::time::Instant::now();
        let end = tokio::time::Instant::from_std(attempt.started + limits.total);
        let gone = writer.closed();
        // One timer for the whole stream: it looks how long the silence has been when it fires.
        let timer = sleep_until(heard + limits.idle.min(TICK));
        tokio::pin!(gone, timer);
        loop {
            let piece = tokio::select! {
                biased;
                piece = answer.next() => piece,
                () = &mut gone => return Err(Stop::ClientGone),
                () = &mut timer => {
                    let now = tokio::time::Instant::now();
                    if self.gateway.tasks.is_over() {
                        return Err(Refusal::ShuttingDown.into());
                    }
                    let due = (heard + limits.idle).min(end);
                    if due <= now {
                        let what = if due == end { "the answer took too long" } else { "the stream fell silent" };
                        return Err(Refusal::Timeout(what).into());
                    }
                    timer.as_mut().reset(due.min(now + TICK));
                    continue;
                }
            };
            let step = match piece {
                Some(Ok(piece)) => read(relay.push(piece))?,
                Some(Err(error)) => return Err(Refusal::BrokenStream(error.to_string()).into()),
                None => {
                    let step = read(relay.finish())?;
                    self.pass_on(writer, step, attempt).await?;
                    let is_complete = relay.observed().is_complete;
                    let broken = || Refusal::BrokenStream("it ended too early".to_owned());
                    return if is_complete { Ok(()) } else { Err(broken().into()) };
                }
            };
            heard = tokio::time::Instant::now();
            self.pass_on(writer, step, attempt).await?;
        }
    }

    async fn pass_on(&self, writer: &Writer, step: Step, attempt: &mut Attempt) -> Result<(), Stop> {
        if step.has_content && attempt.first_token.is_none() {
            attempt.first_token = Some(Instant::now());
        }
        if !step.out.is_empty() {
            self.deliver(writer, step.out).await?;
        }
        match step.failure {
            Some(data) => Err(self.stream_error(&data).into()),
            None => Ok(()),
        }
    }

    /// Hands bytes to the caller; a caller who does not read for too long is given up.
    async fn deliver(&self, writer: &Writer, piece: Bytes) -> Result<(), Stop> {
        let Some(piece) = writer.try_send(piece)? else { return Ok(()) };
        tokio::select! {
            sent = writer.send(piece) => Ok(sent?),
            refusal = self.patience(Instant::now() + self.gateway.limits.write_stall, "write stall") => Err(match refusal {
                Refusal::ShuttingDown => refusal.into(),
                _ => Stop::ClientGone,
            }),
        }
    }

    /// Ends the stream as whole, as soon as the caller has read enough; one who never does is given up.
    async fn end(&self, writer: &Writer) {
        tokio::select! {
            biased;
            () = writer.end() => {}
            _ = self.patience(Instant::now() + self.gateway.limits.write_stall, "write stall") => {}
        }
    }

    /// A provider's refusal, for the caller.
    fn provider_error(&self, status: u16, body: &[u8]) -> Refusal {
        let outbound = self.prepared.target.endpoint.route.protocol;
        let error = outbound.decode_error(status, body);
        let class = FailureClass::of_status(status);
        let name = self.prepared.target.provider.name.as_str();
        let message = match class {
            FailureClass::Credential => {
                format!("the provider `{name}` refused the gateway's own credential")
            }
            FailureClass::Quota => format!("the account at the provider `{name}` has no credit left"),
            _ if error.message.is_empty() => format!("the provider `{name}` answered with status {status}"),
            _ => error.message,
        };
        let speaks_for_caller = matches!(class, FailureClass::CallerFault | FailureClass::RateLimited);
        let code = if speaks_for_caller && !error.code.is_empty() { error.code.into() } else { class.code().into() };
        Refusal::Provider { status: class.reply_status(status), class: class.code(), code, message, param: error.param }
    }

    /// A failure that the provider reports inside its stream, or in an answer whose status says success.
    fn stream_error(&self, data: &[u8]) -> Refusal {
        let error = self.prepared.target.endpoint.route.protocol.decode_error(502, data);
        let status = match error.kind.as_str() {
            "overloaded_error" => 529,
            "rate_limit_error" | "rate_limit_exceeded" => 429,
            _ => 502,
        };
        let code = if error.code.is_empty() { "broken_provider_stream".into() } else { error.code.into() };
        Refusal::Provider { status, class: "broken_provider_stream", code, message: error.message, param: None }
    }

    /// Ends a call whose answer has not begun.
    fn refuse(
        mut self: Box<Self>,
        reply: Reply,
        attempt: &Attempt,
        stop: Stop,
        provider_headers: Option<&HeaderMap>,
        was_billed: bool,
    ) {
        // Who reports a failure in place of an answer does not bill one.
        let has_refused = matches!(&stop, Stop::Failed(Refusal::Provider { .. }));
        self.conclude(attempt, Err(&stop), &Observed::default(), was_billed && !has_refused && attempt.status < 300);
        match stop {
            Stop::ClientGone => self.entry.end(499, Outcome::ClientGone),
            Stop::Failed(refusal) => {
                self.entry.fail(refusal.status(), &refusal);
                let protocol = self.protocol;
                self.with_head(provider_headers, |head| {
                    let _ = reply.send(reply::failure(protocol, head, &refusal));
                });
            }
        }
    }

    fn with_head<T>(&mut self, provider_headers: Option<&HeaderMap>, write: impl FnOnce(&reply::Head<'_>) -> T) -> T {
        let mut warnings = Vec::new();
        self.entry.note(|record| warnings.clone_from(&record.warnings));
        write(&reply::Head {
            id: self.entry.id,
            provider: Some(&self.prepared.target.provider.header),
            warnings: &warnings,
            provider_headers,
        })
    }

    fn price(&self, usage: &Usage) -> Option<Money> {
        let model = self.prepared.target.model.as_ref()?;
        model.price.as_ref().map(|price| cost(usage, price))
    }

    /// What was consumed, and who says so: the provider where it does, else an estimate from the bytes.
    fn metered(&self, observed: &Observed, is_whole: bool) -> (Usage, UsageSource) {
        if observed.has_usage && (is_whole || observed.is_complete) {
            return (observed.usage, UsageSource::ProviderFinal);
        }
        let sent = tokens::of_bytes(self.prepared.body.len() as u64);
        let received = tokens::of_bytes(observed.output_bytes);
        let reported = observed.usage;
        if observed.has_usage && reported.total_output() >= received {
            return (reported, UsageSource::ProviderPartial);
        }
        let estimate = if observed.has_usage {
            Usage { output: received.saturating_sub(reported.reasoning), ..reported }
        } else {
            Usage { input: sent, output: received, ..Usage::ZERO }
        };
        (estimate, UsageSource::Estimate)
    }

    /// Writes the attempt's record. `was_billed`: the provider may have begun to work.
    fn conclude(
        &mut self,
        attempt: &Attempt,
        ended: Result<(), &Stop>,
        observed: &Observed,
        was_billed: bool,
    ) -> Usage {
        let counts_nothing = !was_billed || self.prepared.operation == Operation::CountTokens;
        let (usage, usage_source) = match ended {
            _ if counts_nothing => (Usage::ZERO, UsageSource::None),
            Ok(()) => self.metered(observed, true),
            Err(_) => self.metered(observed, false),
        };
        let cost = self.price(&usage);
        let (outcome, error) = match ended {
            Ok(()) => (Outcome::Success, String::new()),
            Err(Stop::ClientGone) => (Outcome::ClientGone, String::new()),
            Err(Stop::Failed(refusal)) => (refusal.outcome(), refusal.to_string()),
        };
        let since = |from: Instant| attempt.first_token.map_or(0, |first| micros(first.duration_since(from)));
        let arrived = self.entry.started;
        let record = AttemptRecord {
            provider: self.prepared.target.provider.label.clone(),
            model: self.prepared.target.model_id.clone(),
            is_byok: false,
            status: attempt.status,
            outcome,
            error,
            started_at: attempt.started_at,
            duration_us: micros(attempt.started.elapsed()),
            first_token_us: since(attempt.started),
            usage,
            usage_source,
            cost: cost.filter(|_| usage_source != UsageSource::None).unwrap_or(Money::ZERO),
            is_unpriced: cost.is_none(),
        };
        let first_token_us = if self.prepared.is_stream { since(arrived) } else { 0 };
        self.entry.note(|request: &mut RequestRecord| {
            request.first_token_us = first_token_us;
            request.response_id.clone_from(&observed.response_id);
            request.tool_calls.clone_from(&observed.tool_calls);
            if let Some(reason) = &observed.finish_reason {
                request.finish_reason = reason.as_str().into();
            }
            request.attempts.push(record);
        });
        usage
    }
}

fn read(step: Result<Step, super::relay::Unreadable>) -> Result<Step, Stop> {
    step.map_err(|error| Refusal::BrokenStream(error.to_string()).into())
}
