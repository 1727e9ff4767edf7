//! From the provider's stream to the caller's: passed through or translated, always metered.

use super::prepare::{Mode, Prepared};
use super::protocol_of;
use crate::providers::Tariff;
use bytes::{Bytes, BytesMut};
use domain::{RequestId, Usage};
use llm::Protocol;
use llm::amazon_events::{Frame, FrameError, Unframer};
use llm::ir::{Delta, StreamEvent, Warning};
use llm::observe::edit::{self, Edit};
use llm::observe::{Note, Observed, StreamObserver};
use llm::protocol::{StreamDecoder, StreamEncoder, StreamOptions};
use llm::provider::StreamFraming;
use llm::sse::{Complete, Event, Splitter};
use llm::terms;
use memchr::memmem::Finder;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

/// What a piece of the provider's stream led to.
#[derive(Debug, Default)]
pub struct Step {
    /// Bytes for the caller: whole events. Empty when the piece completed none.
    pub out: Bytes,
    /// The answer itself has begun or gone on.
    pub has_content: bool,
    /// The provider reported a failure: the data of its error event. `out` holds what came before it.
    pub failure: Option<Bytes>,
}

/// How far an answer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes of what the model has made.
    pub output_bytes: u64,
    /// The protocol's own end was seen: no more comes.
    pub is_complete: bool,
}

/// Why a stream cannot be followed any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Follows one stream.
#[derive(Debug)]
pub struct Relay {
    /// Of a provider whose stream is no server-sent events.
    unframer: Option<Unframer>,
    /// The stream broke behind what was handed on last.
    broken: Option<Unreadable>,
    splitter: Splitter,
    complete: Complete,
    tariff: Tariff,
    /// The model's name, where the answer is to have that.
    named: Option<String>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Passthrough {
        observer: Box<StreamObserver>,
        hides_usage: bool,
    },
    /// The same for frames of Amazon's, which stay as they are.
    Frames(Box<StreamObserver>),
    Translate(Box<Translation>),
}

#[derive(Debug)]
struct Translation {
    protocol: Protocol,
    /// For an answer whose provider tells none.
    id: RequestId,
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    events: Vec<StreamEvent>,
    observed: Observed,
    out: Vec<u8>,
}

impl Relay {
    /// A relay for a prepared call.
    pub fn new(call: &Prepared, id: RequestId, created: i64) -> Self {
        let inbound = protocol_of(call.operation);
        let outbound = call.target.endpoint.route.protocol;
        let is_text = call.target.endpoint.route.kind.is_text();
        let way = match call.mode {
            Mode::Passthrough if !is_text => {
                Way::Passthrough { observer: Box::new(StreamObserver::of_media()), hides_usage: false }
            }
            Mode::Passthrough if inbound.framing() == StreamFraming::AmazonEvents => {
                Way::Frames(Box::new(StreamObserver::new(outbound)))
            }
            Mode::Passthrough => Way::Passthrough {
                observer: Box::new(StreamObserver::new(outbound)),
                hides_usage: inbound == Protocol::OpenAiChat && !call.wants_usage,
            },
            Mode::Translate => Way::Translate(Box::new(Translation {
                protocol: outbound,
                id,
                decoder: outbound.stream_decoder(),
                encoder: inbound.stream_encoder(StreamOptions {
                    from: outbound,
                    include_usage: call.wants_usage,
                    requested_model: call.requested_model.clone(),
                    created,
                    n: call.answers,
                    echo: call.echo.clone(),
                }),
                events: Vec::new(),
                observed: Observed::default(),
                out: Vec::new(),
            })),
        };
        let unframer = match call.framing() {
            StreamFraming::ServerSentEvents => None,
            StreamFraming::AmazonEvents => Some(Unframer::default()),
        };
        let (splitter, complete) = (Splitter::default(), Complete::default());
        let named = call.names_as_asked().then(|| call.requested_model.clone());
        Self { unframer, broken: None, splitter, complete, tariff: call.tariff(), named, way }
    }

    /// Takes a piece as it came from the provider.
    pub fn push(&mut self, piece: Bytes) -> Result<Step, Unreadable> {
        let Some(unframer) = &mut self.unframer else { return self.feed(piece) };
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let (read, step) = match &mut self.way {
            Way::Frames(observer) => pass_frames(unframer, &piece, observer, &self.tariff),
            Way::Passthrough { .. } | Way::Translate(_) => {
                let mut events = Vec::with_capacity(piece.len());
                let read = unframer.push(&piece, &mut events);
                (read, self.feed(events.into())?)
            }
        };
        let read = read.map_err(|error| Unreadable(error.to_string()));
        // What came before it is handed on, however the pieces are cut.
        match read {
            Err(broken) if step.out.is_empty() && step.failure.is_none() => Err(broken),
            read => {
                self.broken = read.err();
                Ok(step)
            }
        }
    }

    fn feed(&mut self, piece: Bytes) -> Result<Step, Unreadable> {
        self.splitter.feed(piece, &mut self.complete).map_err(|error| Unreadable(error.to_string()))?;
        self.events()
    }

    /// Takes the end of the provider's stream: an event without its blank line may still be waiting.
    pub fn finish(&mut self) -> Result<Step, Unreadable> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let rest = self.splitter.finish();
        if rest.is_empty() {
            return Ok(Step::default());
        }
        let mut closed = BytesMut::from(&rest[..]);
        closed.extend_from_slice(b"\n\n");
        self.feed(closed.freeze())
    }

    fn events(&mut self) -> Result<Step, Unreadable> {
        let complete = std::mem::take(&mut self.complete);
        let step = match &mut self.way {
            Way::Passthrough { observer, hides_usage } => {
                Ok(pass(&complete, observer, *hides_usage, &self.tariff, self.named.as_deref()))
            }
            Way::Translate(translation) => translation.push(&complete, self.named.as_deref()),
            // They are no server-sent events.
            Way::Frames(_) => Ok(Step::default()),
        };
        self.complete = complete;
        step
    }

    /// What the stream has told so far.
    pub fn observed(&mut self) -> &mut Observed {
        match &mut self.way {
            Way::Passthrough { observer, .. } | Way::Frames(observer) => &mut observer.observed,
            Way::Translate(translation) => &mut translation.observed,
        }
    }

    /// How far the answer has come.
    pub fn progress(&mut self) -> Progress {
        let observed = self.observed();
        Progress { output_bytes: observed.output_bytes, is_complete: observed.is_complete }
    }

    /// The last events of a translated stream that ended well, with its usage and cost, and how long it took.
    pub fn closing(&mut self, usage: &Usage, took: Duration) -> Bytes {
        match &mut self.way {
            Way::Passthrough { .. } | Way::Frames(_) => Bytes::new(),
            Way::Translate(translation) => {
                translation.encoder.took(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                let cost = self.tariff.cost(usage, translation.observed.told);
                let mut out = Vec::new();
                translation.encoder.end(usage, cost, &mut out);
                out.into()
            }
        }
    }

    /// What the translation could not carry.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        match &mut self.way {
            Way::Passthrough { .. } | Way::Frames(_) => Vec::new(),
            Way::Translate(translation) => translation.encoder.take_warnings(),
        }
    }
}

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

/// Where a chunk of OpenAI's says that it carries no usage, with the comma before. The reference product sends no such
/// field, and its SDK cannot read one (`@requesty/ai-sdk` 3.6.1, seen 2026-11-26). Within a string the quotation marks would
/// be escaped.
fn no_usage(raw: &[u8]) -> Option<Range<usize>> {
    USAGE.find_iter(raw).find_map(|at| {
        let start = raw[..at].trim_ascii_end().strip_suffix(b",")?.len();
        let value = raw[at + USAGE.needle().len()..].trim_ascii_start().strip_prefix(b":")?;
        let rest = value.trim_ascii_start().strip_prefix(b"null")?;
        Some(start..raw.len() - rest.len())
    })
}

/// Passes events through. They are changed in three ways: to the usage the cost is added, or it is left out for
/// a caller who did not ask for it; the word that there is none is left out; in the event that names the model it is named as
/// asked for.
fn pass(
    complete: &Complete,
    observer: &mut StreamObserver,
    hides_usage: bool,
    tariff: &Tariff,
    named: Option<&str>,
) -> Step {
    let mut step = Step::default();
    // Everything up to here stands in `changed`; empty as long as nothing was changed.
    let mut changed: Option<BytesMut> = None;
    let mut kept_from = 0;
    let is_chat = observer.is_of_chat();
    for range in &complete.events {
        let raw = &complete.bytes[range.clone()];
        let Some(event) = Event::parse(raw) else { continue };
        let edit = match observer.push(&event.data) {
            note @ (Note::Plain | Note::Content) => {
                step.has_content |= note == Note::Content;
                if let Some(at) = no_usage(raw).filter(|_| is_chat) {
                    let out = changed.get_or_insert_default();
                    out.extend_from_slice(&complete.bytes[kept_from..range.start + at.start]);
                    kept_from = range.start + at.end;
                }
                continue;
            }
            Note::Named(at) => named.map(|name| edit::name(at, name)),
            Note::Error => {
                step.failure = Some(Bytes::copy_from_slice(&event.data));
                let before = complete.bytes.slice(kept_from..range.start);
                step.out = joined(changed, before);
                return step;
            }
            Note::Usage { at, is_only_usage } => {
                step.has_content |= !is_only_usage;
                if hides_usage && is_only_usage {
                    let out = changed.get_or_insert_default();
                    out.extend_from_slice(&complete.bytes[kept_from..range.start]);
                    kept_from = range.end;
                    continue;
                }
                let cost = tariff.cost(&observer.observed.usage, observer.observed.told);
                cost.map(|cost| edit::cost(&event.data, at, cost))
            }
        };
        if let Some(edit) = edit {
            let out = changed.get_or_insert_default();
            out.extend_from_slice(&complete.bytes[kept_from..range.start]);
            kept_from = range.end;
            write(&event, edit, out);
        }
    }
    step.out = joined(changed, complete.bytes.slice(kept_from..));
    step
}

/// Passes frames through. To the usage the cost is added; every other byte stays.
fn pass_frames(
    unframer: &mut Unframer,
    piece: &[u8],
    observer: &mut StreamObserver,
    tariff: &Tariff,
) -> (Result<(), FrameError>, Step) {
    let mut step = Step::default();
    let mut out = Vec::with_capacity(piece.len());
    let take = |frame: Frame<'_>| {
        if step.failure.is_some() {
            return;
        }
        if let Some(failure) = frame.failure() {
            step.failure = Some(failure.into());
            return;
        }
        match observer.push(frame.payload()) {
            Note::Usage { at, .. } => {
                let observed = &observer.observed;
                let cost = tariff.cost(&observed.usage, observed.told);
                match cost.map(|cost| edit::cost(frame.payload(), at, cost)) {
                    Some(edit) => frame.write_with(&edit::edited(frame.payload(), vec![edit]), &mut out),
                    None => out.extend_from_slice(frame.raw()),
                }
            }
            note @ (Note::Plain | Note::Content | Note::Named(_) | Note::Error) => {
                step.has_content |= note == Note::Content;
                out.extend_from_slice(frame.raw());
            }
        }
    };
    let read = unframer.each(piece, take);
    step.out = out.into();
    (read, step)
}

/// Writes an event with an edit of its data.
fn write(event: &Event<'_>, edit: Edit, out: &mut BytesMut) {
    if let Some(name) = event.name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&edit::edited(&event.data, vec![edit]));
    out.extend_from_slice(b"\n\n");
}

fn joined(changed: Option<BytesMut>, rest: Bytes) -> Bytes {
    match changed {
        None => rest,
        Some(mut out) => {
            out.extend_from_slice(&rest);
            out.freeze()
        }
    }
}

impl Translation {
    fn push(&mut self, complete: &Complete, named: Option<&str>) -> Result<Step, Unreadable> {
        let mut step = Step::default();
        'events: for range in &complete.events {
            let Some(event) = Event::parse(&complete.bytes[range.clone()]) else { continue };
            self.events.clear();
            self.decoder
                .push(event.name, &event.data, &mut self.events)
                .map_err(|error| Unreadable(error.to_string()))?;
            for event_out in &mut self.events {
                if let StreamEvent::Start { id, model } = event_out {
                    if id.is_empty() {
                        *id = self.id.to_string();
                    }
                    if let Some(named) = named {
                        named.clone_into(model);
                    }
                }
                step.has_content |= observe(event_out, &mut self.observed);
                if matches!(event_out, StreamEvent::Usage(_)) {
                    let told = terms::told(self.protocol, &event.data);
                    self.observed.told = self.observed.told.and_later(told);
                }
                if matches!(event_out, StreamEvent::Error { .. }) {
                    step.failure = Some(Bytes::copy_from_slice(&event.data));
                    break 'events;
                }
                self.encoder.push(event_out, &mut self.out);
            }
        }
        self.observed.is_complete = self.decoder.is_complete();
        self.observed.usage = self.decoder.usage();
        self.observed.next_sequence = self.encoder.sequence();
        step.out = std::mem::take(&mut self.out).into();
        Ok(step)
    }
}

/// Notes what a record needs of an event; whether it is a piece of the answer.
fn observe(event: &StreamEvent, observed: &mut Observed) -> bool {
    match event {
        StreamEvent::Start { id, .. } => observed.response_id.clone_from(id),
        StreamEvent::BlockStart { block, .. } => {
            if let llm::ir::Block::ToolCall { name, .. } = block {
                observed.tool_calls.push(name.clone());
            }
        }
        StreamEvent::BlockDelta { delta, .. } => {
            let bytes = delta_bytes(delta);
            observed.output_bytes += bytes;
            return bytes > 0;
        }
        StreamEvent::Usage(_) => observed.has_usage = true,
        StreamEvent::Finish { raw, .. } => observed.finish_reason = Some(raw.clone()),
        StreamEvent::BlockStop { .. }
        | StreamEvent::Error { .. }
        | StreamEvent::Ping
        | StreamEvent::Lost { .. } => {}
    }
    false
}

fn delta_bytes(delta: &Delta) -> u64 {
    match delta {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Arguments(text) => text.len() as u64,
        Delta::Signature(_) | Delta::Citation(_) | Delta::Logprobs(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::no_usage;

    #[test]
    fn only_the_word_that_there_is_no_usage_is_found() {
        let without =
            |raw: &str| no_usage(raw.as_bytes()).map(|at| [&raw[..at.start], &raw[at.end..]].concat());
        for raw in [r#"{"choices":[],"usage":null}"#, r#"{"choices":[], "usage" : null}"#] {
            assert_eq!(without(raw).unwrap(), r#"{"choices":[]}"#, "{raw}");
        }
        assert_eq!(without(r#"{"a":1,"usage":null,"b":2}"#).unwrap(), r#"{"a":1,"b":2}"#);
        for raw in [
            r#"{"content":"so ,\"usage\":null"}"#,
            r#"{"choices":[],"usage":{"total_tokens":1}}"#,
            r#"{"usage":null}"#,
            r#"["usage",null]"#,
            r#"{"a":1,"usage"#,
        ] {
            assert_eq!(without(raw), None, "{raw}");
        }
    }
}
