//! Streamed answers: read, follow, forward, and end so that nothing broken looks complete.

use super::{Attempt, Call, Reply, Stop, TICK};
use crate::inference::admit;
use crate::inference::relay::{Progress, Relay, Step, Unreadable};
use crate::inference::reply;
use crate::inference::stream::{StreamBody, Writer, pipe};
use crate::refusal::Refusal;
use crate::upstream::Answer;
use axum::body::Body;
use bytes::Bytes;
use domain::Price;
use domain::record::Outcome;
use http::{HeaderMap, Response};
use llm::tokens;
use std::time::{Duration, Instant};
use store::failpoint;
use store::journal::{Record, record::Checkpoint};
use tokio::time::{sleep, sleep_until};

/// A caller who has read nothing for so long while we do not read either: what the provider makes meanwhile is reserved.
const UNREAD_MAX: Duration = Duration::from_millis(200);

impl Call {
    /// Reads and forwards a streamed answer.
    pub(super) async fn stream(
        mut self: Box<Self>,
        mut reply: Reply,
        mut attempt: Attempt,
        mut answer: Answer,
    ) {
        if !answer.is_stream(self.prepared.framing()) {
            let stop = Refusal::InvalidResponse("the provider did not stream".to_owned()).into();
            return self.refuse(reply, &attempt, stop, None, true);
        }
        let now = self.gateway.clock.now();
        let mut relay = Relay::new(&self.prepared, self.entry.id, now.unix_seconds());
        // Held back until the answer has begun: until then a failure still has a status of its own.
        let first = match self.first(&mut reply, &mut relay, &mut answer, &mut attempt).await {
            Ok(first) => first,
            Err(stop) => return self.refuse(reply, &attempt, stop, Some(&answer.headers), true),
        };
        let (writer, body) = pipe();
        self.note_stored(&relay.observed().response_id);
        let warnings = relay.take_warnings();
        self.entry.note(|record| record.warnings.extend(warnings.iter().map(ToString::to_string)));
        let response = self.stream_response(&answer.headers, body);
        let delivered = reply.send(response).map_err(|_| Stop::ClientGone);
        let ended = match delivered.and_then(|()| Ok(writer.try_send(first)?)) {
            Ok(_) => self.forward(&writer, &mut relay, &mut answer, &mut attempt).await,
            Err(stop) => Err(stop),
        };
        let has_left = matches!(ended, Err(Stop::ClientGone)) || self.is_abandoned();
        let ended = match ended {
            Err(Stop::ClientGone) if self.is_abandoned() || self.stays() => {
                Box::pin(self.read_on(&mut relay, &mut answer, &mut attempt)).await
            }
            ended => ended,
        };
        // The connection to the provider closes here when the answer is not at its end.
        drop(answer);
        let observed = std::mem::take(relay.observed());
        // What is made in the background tells what it cost, whatever became of its stream.
        let goes_on = self.prepared.is_background && ended.is_err() && !observed.response_id.is_empty();
        if self.prepared.is_background && !goes_on {
            self.gateway.stored.end(&observed.response_id);
        }
        match &ended {
            Ok(()) => {
                let usage = self.conclude(&attempt, Ok(()), &observed, true);
                if has_left {
                    return self.entry.end(200, Outcome::ClientGone);
                }
                self.entry.end(200, Outcome::Success);
                let closing = relay.closing(&usage, attempt.started.elapsed());
                if !closing.is_empty() {
                    let _ = self.deliver(&writer, closing).await;
                }
                self.note_warnings(&mut relay);
                self.end(&writer).await;
            }
            Err(stop) => {
                if !goes_on {
                    self.conclude(&attempt, Err(stop), &observed, true);
                }
                match stop {
                    Stop::Failed(refusal) if !has_left => {
                        self.entry.fail(200, refusal);
                        let event = reply::stream_failure(self.protocol, self.entry.id, refusal, &observed);
                        if self.deliver(&writer, event).await.is_ok() {
                            self.end(&writer).await;
                        }
                    }
                    Stop::Failed(_) | Stop::ClientGone => self.entry.end(200, Outcome::ClientGone),
                }
                if goes_on {
                    drop(writer);
                    return Box::pin(self.look_after(&attempt, observed)).await;
                }
            }
        }
    }

    pub(super) fn note_warnings(&mut self, relay: &mut Relay) {
        let late = relay.take_warnings();
        self.entry.note(|record| record.warnings.extend(late.iter().map(ToString::to_string)));
    }

    pub(super) fn stream_response(
        &mut self,
        provider_headers: &HeaderMap,
        body: StreamBody,
    ) -> Response<Body> {
        let framing = self.protocol.framing();
        self.with_head(Some(provider_headers), |head| reply::stream(head, framing, Body::new(body)))
    }

    /// Reads until there is something for the caller.
    pub(super) async fn first(
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
    pub(super) async fn forward(
        &mut self,
        writer: &Writer,
        relay: &mut Relay,
        answer: &mut Answer,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        let limits = self.gateway.limits;
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
                    self.checkpoint(relay.observed().output_bytes, attempt);
                    timer.as_mut().reset(due.min(now + TICK));
                    continue;
                }
            };
            let step = match piece {
                Some(Ok(piece)) => read(relay.push(piece))?,
                Some(Err(error)) => return Err(Refusal::BrokenStream(error.to_string()).into()),
                None => {
                    let step = read(relay.finish())?;
                    let progress = relay.progress();
                    self.pass_on(writer, step, progress, attempt).await?;
                    let broken = || Refusal::BrokenStream("it ended too early".to_owned());
                    return if progress.is_complete { Ok(()) } else { Err(broken().into()) };
                }
            };
            heard = tokio::time::Instant::now();
            let progress = relay.progress();
            self.afford(progress, attempt)?;
            self.pass_on(writer, step, progress, attempt).await?;
            failpoint::hit("between_chunks");
        }
    }

    /// Reads the rest of a stream for nobody.
    async fn read_on(
        &mut self,
        relay: &mut Relay,
        answer: &mut Answer,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        let limits = self.gateway.limits;
        let end = attempt.started + limits.total;
        while !relay.observed().is_complete || !relay.observed().has_usage {
            let due = end.min(Instant::now() + limits.idle);
            let piece = tokio::select! {
                biased;
                piece = answer.next() => piece,
                refusal = self.patience(due, "nobody waits, and the stream does not end") => {
                    return Err(refusal.into());
                }
            };
            let step = match piece {
                Some(Ok(piece)) => read(relay.push(piece))?,
                Some(Err(error)) => return Err(Refusal::BrokenStream(error.to_string()).into()),
                None if relay.observed().is_complete => return Ok(()),
                None => return Err(Refusal::BrokenStream("it ended too early".to_owned()).into()),
            };
            if let Some(data) = step.failure {
                return Err(self.stream_error(&data).into());
            }
            self.afford(relay.progress(), attempt)?;
        }
        Ok(())
    }

    /// Sees to it that what was answered so far is paid for, and what may come until the answer can be stopped. It is
    /// stopped when no more can be reserved.
    fn afford(&mut self, progress: Progress, attempt: &mut Attempt) -> Result<(), Stop> {
        match self.prepared.output.missing(progress) {
            0 => Ok(()),
            missing => self.extend(missing, progress.output_bytes, attempt),
        }
    }

    /// Reserves so many tokens more, and writes that down.
    fn extend(&mut self, tokens: u64, output_bytes: u64, attempt: &mut Attempt) -> Result<(), Stop> {
        let output = &mut self.prepared.output;
        let more = domain::money::round_up(output.price.times(tokens));
        let Some(hold) = &mut self.entry.hold else { return Ok(()) };
        hold.extend(&self.account, more).map_err(|over| admit::refuse(&over))?;
        output.tokens = output.tokens.saturating_add(tokens);
        self.checkpoint(output_bytes, attempt);
        Ok(())
    }

    /// Writes down how far the answer has come, unless that is known.
    fn checkpoint(&self, output_bytes: u64, attempt: &mut Attempt) {
        let (held, output_tokens) = (self.entry.held(), tokens::of_bytes(output_bytes));
        if attempt.noted == (held, output_tokens) {
            return;
        }
        attempt.noted = (held, output_tokens);
        let checkpoint = Checkpoint { attempt: attempt.id, held, output_tokens };
        self.entry.journal().record(&Record::Checkpoint(&checkpoint));
    }

    pub(super) async fn pass_on(
        &mut self,
        writer: &Writer,
        step: Step,
        progress: Progress,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        if step.has_content && attempt.first_token.is_none() {
            attempt.first_token = Some(Instant::now());
        }
        if !step.out.is_empty()
            && let Some(piece) = writer.try_send(step.out)?
        {
            Box::pin(self.deliver_slowly(writer, piece, progress, attempt)).await?;
        }
        match step.failure {
            Some(data) => Err(self.stream_error(&data).into()),
            None => Ok(()),
        }
    }

    /// Hands bytes to a caller who has read too little. While it does not read on, nothing is read of the provider
    /// either, which goes on all the same: then the whole answer is reserved, unless it has come already.
    async fn deliver_slowly(
        &mut self,
        writer: &Writer,
        piece: Bytes,
        progress: Progress,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        let rest = self.prepared.output.rest();
        if rest > 0 && !progress.is_complete && self.prepared.output.price != Price::ZERO {
            tokio::select! {
                sent = writer.send(piece.clone()) => return Ok(sent?),
                () = sleep(UNREAD_MAX) => self.extend(rest, progress.output_bytes, attempt)?,
            }
        }
        self.deliver(writer, piece).await
    }

    /// Hands bytes to the caller; a caller who does not read for too long is given up.
    pub(super) async fn deliver(&self, writer: &Writer, piece: Bytes) -> Result<(), Stop> {
        let Some(piece) = writer.try_send(piece)? else { return Ok(()) };
        tokio::select! {
            sent = writer.send(piece) => Ok(sent?),
            refusal = self.patience(Instant::now() + self.gateway.limits.write_stall, "write stall") => {
                let must_stop = matches!(refusal, Refusal::ShuttingDown);
                Err(if must_stop { refusal.into() } else { Stop::ClientGone })
            }
        }
    }

    /// Ends the stream as whole, as soon as the caller has read enough; one who never does is given up.
    pub(super) async fn end(&self, writer: &Writer) {
        tokio::select! {
            biased;
            () = writer.end() => {}
            _ = self.patience(Instant::now() + self.gateway.limits.write_stall, "write stall") => {}
        }
    }
}

fn read(step: Result<Step, Unreadable>) -> Result<Step, Stop> {
    step.map_err(|error| Refusal::BrokenStream(error.to_string()).into())
}
