//! Answers whose form was asked for in words: looked at before the caller has them, and asked for once more where they
//! differ. The second try is an attempt of its own, with its intent, its hold and its record; the caller is told what both
//! cost. A streamed answer is on its way before it could be looked at, and is not checked.

use super::{Attempt, Call, Reply, Stop, failures};
use crate::inference::bound;
use crate::inference::prepare::{Mode, Prepared};
use crate::inference::reply;
use crate::refusal::Refusal;
use crate::upstream::{Collected, Payload, UpstreamError};
use bytes::Bytes;
use domain::record::Outcome;
use domain::{AttemptId, Money, Usage};
use http::HeaderMap;
use llm::Protocol;
use llm::ir::{ChatResponse, Content, FinishReason, Part};
use llm::observe::{self, Observed};
use llm::raw::RawObject;
use llm::structured::{Form, Verdict, complaint};
use std::sync::Arc;
use std::time::Instant;

/// An answer that was read, and what was told of it.
struct Read {
    response: ChatResponse,
    observed: Observed,
    warnings: Vec<String>,
}

impl Call {
    /// Looks at an answer, and asks again where it must.
    pub(super) async fn formed(
        mut self: Box<Self>,
        mut reply: Reply,
        first: Attempt,
        headers: HeaderMap,
        (body, form): (Bytes, Arc<Form>),
    ) {
        let mut read = match self.read(&body) {
            Ok(read) => read,
            Err(refusal) => return self.refuse(reply, &first, refusal.into(), None, true),
        };
        drop(body);
        let end = first.started + self.gateway.limits.total;
        let judging = self.watch(&mut reply, judged(&form, &mut read), end, "a look at the answer").await;
        let usage = self.conclude(&first, Ok(()), &read.observed, true);
        let mut told = (usage, self.told_price(&usage, &read.observed));
        let faults = match judging {
            Ok(faults) => faults,
            Err(Stop::ClientGone) => return self.entry.end(499, Outcome::ClientGone),
            Err(Stop::Failed(_)) => None,
        };
        if let Some(faults) = faults
            && !self.is_abandoned()
            && !reply.is_closed()
        {
            match self.ask_again(&mut reply, &first, &read, &faults).await {
                Ok(mut second) => {
                    let still = judged(&form, &mut second).await;
                    let again = second.response.usage.unwrap_or_default();
                    let cost = self.price(&again, &second.observed);
                    told = (usage.plus(again), told.1.zip(cost).map(|(one, other)| one + other));
                    // What differs may quote the answer, and records hold none.
                    let note = match still {
                        None => "response_format: asked for twice, the first answer differed",
                        Some(_) => "response_format: the answer differs from the schema, asked for twice",
                    };
                    second.warnings.insert(0, note.to_owned());
                    read = second;
                }
                Err(Stop::ClientGone) => return self.entry.end(499, Outcome::ClientGone),
                Err(Stop::Failed(why)) => {
                    let note = format!(
                        "response_format: the answer differs from the schema, and could not be asked for again: {why}"
                    );
                    read.warnings.insert(0, note);
                }
            }
        }
        self.hand_over(reply, read, told, &headers);
    }

    /// Gives the caller the answer, with the usage and the cost of all that was asked for it.
    fn hand_over(
        mut self: Box<Self>,
        reply: Reply,
        mut read: Read,
        (usage, cost): (Usage, Option<Money>),
        headers: &HeaderMap,
    ) {
        read.response.usage = Some(usage);
        read.response.took_ms = self.took_ms();
        let encoded = self.protocol.encode_response(&read.response, cost);
        read.warnings.extend(encoded.warnings.iter().map(ToString::to_string));
        self.entry.note(|record| record.warnings.extend(read.warnings));
        if self.is_abandoned() {
            return self.entry.end(499, Outcome::ClientGone);
        }
        self.entry.end(200, Outcome::Success);
        let took = self.entry.started.elapsed();
        self.with_head(Some(headers), |head| {
            // The caller may have gone at this very moment; the record stands all the same.
            let _ = reply.send(reply::whole(head, encoded.body.into(), usage.cache_read > 0, took));
        });
    }

    /// Reads an answer, also one that would pass through.
    fn read(&self, body: &Bytes) -> Result<Read, Refusal> {
        let protocol = self.prepared.target.endpoint.route.protocol;
        let answer = observe::answer(protocol, body);
        if answer.as_ref().is_some_and(|answer| answer.is_error) {
            return Err(self.stream_error(body));
        }
        let mut response =
            protocol.decode_response(body).map_err(|error| Refusal::InvalidResponse(error.to_string()))?;
        response.created.get_or_insert(self.gateway.clock.now().unix_seconds());
        response.echo.clone_from(&self.prepared.echo);
        if self.prepared.mode == Mode::Translate || self.prepared.names_as_asked() {
            self.prepared.name(&mut response, self.entry.id);
        }
        Ok(Read { response, observed: answer.unwrap_or_default().observed, warnings: Vec::new() })
    }

    /// Asks once more, with the answer that differs and what is wrong with it.
    async fn ask_again(
        &mut self,
        reply: &mut Reply,
        first: &Attempt,
        read: &Read,
        faults: &str,
    ) -> Result<Read, Stop> {
        let protocol = self.prepared.target.endpoint.route.protocol;
        let text = text_of(&read.response).unwrap_or_default();
        let body = with_turns(&self.prepared, protocol, text, &complaint(faults)).ok_or(Refusal::Internal)?;
        let more_input = body.len().saturating_sub(self.prepared.body.len()) as u64;
        self.afford_again(more_input)?;
        self.prepared.body = body;
        let id = AttemptId { request: self.entry.id, number: first.id.number + 1 };
        let mut second = Attempt::begin(&self.gateway, id);
        second.noted.0 = self.entry.held();
        let must_wait = self.intend(&second)?;
        // Only now, so that the journal knows of this request at every moment.
        self.note_end(first);
        if let Some(position) = must_wait
            && let Err(refusal) = Box::pin(self.reach_disk(position)).await
        {
            let stop = refusal.into();
            self.conclude(&second, Err(&stop), &Observed::default(), false);
            return Err(stop);
        }
        let answered = self.answer_again(reply, first.started, &mut second).await;
        match answered {
            Ok(read) => {
                self.conclude(&second, Ok(()), &read.observed, true);
                Ok(read)
            }
            Err((stop, was_billed)) => {
                self.conclude(&second, Err(&stop), &Observed::default(), was_billed);
                Err(stop)
            }
        }
    }

    /// Sends the second request and reads its answer. The whole call has the time of one.
    async fn answer_again(
        &self,
        reply: &mut Reply,
        started: Instant,
        second: &mut Attempt,
    ) -> Result<Read, (Stop, bool)> {
        let limits = self.gateway.limits;
        let mut answer = match self.send(reply, second, started).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let was_sent = matches!(error, UpstreamError::NoAnswer | UpstreamError::Cut);
                return Err((failures::no_answer(&self.prepared.target, &error).into(), was_sent));
            }
            Err(stop) => return Err((stop, true)),
        };
        second.status = answer.status.as_u16();
        let collecting = answer.collect(limits.answer_bytes_max);
        let body = match self.watch(reply, collecting, started + limits.total, "answer body").await {
            Ok(Ok(Collected::Whole(body))) => body,
            Ok(Ok(Collected::TooLong)) => {
                let message = format!("longer than {} bytes", limits.answer_bytes_max);
                return Err((Refusal::InvalidResponse(message).into(), true));
            }
            Ok(Err(error)) => return Err((Refusal::Unreachable(error.to_string()).into(), true)),
            Err(stop) => return Err((stop, true)),
        };
        if !answer.status.is_success() {
            return Err((
                failures::provider_error(&self.prepared.target, second.status, &body).into(),
                false,
            ));
        }
        second.first_token = Some(Instant::now());
        // Who reports a failure in place of an answer does not bill one.
        let mut read = self.read(&body).map_err(|refusal| {
            let was_billed = !matches!(refusal, Refusal::Provider { .. });
            (refusal.into(), was_billed)
        })?;
        read.response.usage = Some(self.metered(&read.observed, true).0);
        Ok(read)
    }

    /// Reserves what the second request may cost, beside what the first has.
    fn afford_again(&mut self, more_input: u64) -> Result<(), Stop> {
        let spent = self.entry.record().map_or(Money::ZERO, domain::RequestRecord::cost);
        self.entry.spent = spent;
        let Some(bound) = self.prepared.bound else { return Ok(()) };
        let needed = bound::again(&bound, &self.prepared.target, more_input)
            .ok_or_else(|| Refusal::Unbounded("no price is known for a second request".to_owned()))?;
        let missing = needed.nano().saturating_sub(self.entry.held().nano());
        if let Some(hold) = &mut self.entry.hold
            && missing > 0
        {
            hold.extend(&self.account, Money::from_nano(missing))
                .map_err(|over| crate::inference::admit::refuse(&over))?;
        }
        Ok(())
    }
}

/// What is wrong with an answer. Text around it is taken away. `None`: nothing, or it is none that could be right.
async fn judged(form: &Arc<Form>, read: &mut Read) -> Option<String> {
    let text = text_of(&read.response)?.to_owned();
    let form = form.clone();
    // A long answer, or a schema that is hard to judge by, must not keep others waiting.
    let verdict = tokio::task::spawn_blocking(move || form.check(&text)).await.ok()?;
    match verdict {
        Verdict::Follows => None,
        Verdict::Within(bare) => {
            read.warnings.push("response_format: text around the JSON was taken away".to_owned());
            set_text(&mut read.response, bare);
            None
        }
        Verdict::Unknown(why) => {
            read.warnings.push(format!("response_format: not checked, the schema cannot be read: {why}"));
            None
        }
        Verdict::Differs(faults) => Some(faults),
    }
}

/// The text of an answer that is complete, and nothing but text.
fn text_of<'a>(response: &'a ChatResponse) -> Option<&'a str> {
    let [choice] = &response.choices[..] else { return None };
    if !matches!(choice.finish, FinishReason::Stop | FinishReason::StopSequence) {
        return None;
    }
    let text = |part: &'a Part| {
        if let Content::Text { text, .. } = &part.content { Some(text.as_str()) } else { None }
    };
    let mut texts = choice.parts.iter().filter_map(text);
    let is_other = |part: &Part| {
        !matches!(
            part.content,
            Content::Text { .. } | Content::Reasoning { .. } | Content::RedactedReasoning(_)
        )
    };
    let first = texts.next().unwrap_or_default();
    (texts.next().is_none() && !choice.parts.iter().any(is_other)).then_some(first)
}

fn set_text(response: &mut ChatResponse, bare: String) {
    let parts = response.choices.iter_mut().flat_map(|choice| &mut choice.parts);
    for part in parts {
        if let Content::Text { text, citations } = &mut part.content {
            // Their places in the text are others now.
            citations.clear();
            text.clone_from(&bare);
        }
    }
}

/// The request with two more turns: the answer, where there is any, and what is said to it.
fn with_turns(prepared: &Prepared, protocol: Protocol, answer: &str, complaint: &str) -> Option<Payload> {
    let mut body = RawObject::parse(prepared.body.to_bytes()).ok()?;
    let content = |text: &str| match protocol {
        Protocol::BedrockConverse => serde_json::json!([{"text": text}]),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::Gemini
        | Protocol::CohereChat => text.into(),
    };
    let turn =
        |role: &str, text: &str| serde_json::json!({"role": role, "content": content(text)}).to_string();
    let mut messages = body.get("messages")?.trim_ascii_end().strip_suffix(b"]")?.to_vec();
    if !answer.trim().is_empty() {
        messages.extend_from_slice(format!(",{}", turn("assistant", answer)).as_bytes());
    }
    messages.extend_from_slice(format!(",{}]", turn("user", complaint)).as_bytes());
    body.set("messages", messages);
    Some(body.to_bytes().into())
}
