//! Events of OpenAI's Realtime API, as far as a relay must understand them: what makes a model answer, what an answer
//! consumed, and what decides how long it may be. They pass through as they are; the few edits are here too.
//!
//! Shapes: `types/realtime` of OpenAI's Python SDK 3.54, and <https://developers.openai.com/api/docs/guides/realtime-costs>,
//! both read 2026-11-26. Fields that stand elsewhere in the beta interface are read at both places.

mod usage;

use crate::protocol::error_kind;
use crate::raw::RawObject;
use bytes::Bytes;
use domain::Usage;
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Why an event cannot be relayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON object with a `type`, or says something twice.
    #[error("the event is not a JSON object that says each thing once")]
    NotAnEvent,
    /// Its `type` is none that callers send.
    #[error("the event type `{0}` is not known")]
    Unknown(String),
}

/// The longest answer that is asked for; the longer one is the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AnswerLimit {
    /// So many tokens.
    Tokens(u64),
    /// As many as the model makes.
    Unlimited,
}

/// What a session's configuration says, or what of it changes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SessionChange {
    /// `transcription` for a session that only writes speech down.
    pub kind: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The longest answer.
    pub answer_limit: Option<AnswerLimit>,
    /// Whether the model answers by itself when somebody has spoken.
    pub answers_by_itself: Option<bool>,
    /// Whether the model begins by itself when nobody has spoken for a while.
    pub answers_silence: Option<bool>,
    /// Milliseconds of the silence that ends a turn of speech, at the least.
    pub silence_millis: Option<u64>,
    /// The model that writes down what was said; an inner `None` where nobody does.
    pub transcription: Option<Option<Transcription>>,
    /// There are tools that the provider runs by itself.
    pub has_tools_of_provider: bool,
    /// Bytes of base64 that are a second of what the caller says.
    pub sound_bytes_per_second: Option<u64>,
}

/// The silence that ends a turn where nobody says otherwise: `silence_duration_ms` of the shapes above.
pub const SILENCE_MILLIS: u64 = 500;
/// The same where a model judges whether somebody has ended. That has a longest silence (8, 4 or 2 seconds, by its
/// `eagerness`), and no shortest one is told. This is what we assume: within words silences last as long, so a turn that
/// ended earlier would cut them.
const SILENCE_MILLIS_JUDGED: u64 = 200;

/// How speech is written down beside the conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcription {
    /// By which model; empty where nobody says.
    pub model: String,
    /// Bytes of what it is told with each piece of speech.
    pub prompt_bytes: u64,
}

/// An event of a caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallerEvent {
    /// A piece of sound, of so many bytes of base64.
    Sound(u64),
    /// The model is asked for an answer of its own.
    Create {
        /// The longest one, where the event says so.
        answer_limit: Option<AnswerLimit>,
        /// There are tools that the provider runs by itself.
        has_tools_of_provider: bool,
    },
    /// The session changes.
    Update(SessionChange),
    /// Anything else that callers send.
    Other,
}

/// An event of a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProviderEvent {
    /// How the session is configured: at its beginning, or after a change.
    Session {
        /// It has just begun.
        is_new: bool,
        /// Its id; empty where none is told.
        id: String,
        /// Everything that is set.
        now: SessionChange,
    },
    /// The model begins an answer of this id.
    Started(String),
    /// An answer has ended.
    Done {
        /// Its id.
        id: String,
        /// It failed, and is not billed unless its usage says so.
        has_failed: bool,
        /// What it consumed, where that is told.
        usage: Option<Usage>,
    },
    /// Speech was taken into the conversation; with a transcription configured, it is written down from now on.
    Committed,
    /// Speech was written down, at this expense.
    Transcribed(Option<Usage>),
    /// Speech could not be written down.
    NotTranscribed,
    /// Something failed.
    Error {
        /// Because of the caller's event of this id, where that is known.
        event_id: Option<String>,
        /// The key that the session was opened with is refused.
        is_of_credential: bool,
    },
    /// A piece of an answer.
    Content,
    /// Anything else.
    Other,
}

/// All events that callers send but those that are read, and `transcription_session.update` of the beta interface, whose
/// sessions are not served.
const OTHERS: [&str; 8] = [
    "conversation.item.create",
    "conversation.item.delete",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "input_audio_buffer.clear",
    "input_audio_buffer.commit",
    "output_audio_buffer.clear",
    "response.cancel",
];

/// The code of an error about the key that a session was opened with, also where its socket is closed for that: with 3000
/// and `invalid_request_error.invalid_api_key`
/// (<https://github.com/twilio-samples/speech-assistant-openai-realtime-api-python/issues/4>, read 2026-11-26).
pub const BAD_KEY: &str = "invalid_api_key";

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    session: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SessionWire<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "present")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    max_response_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<AudioWire<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<ToolWire<'a>>>,
    #[serde(borrow, deserialize_with = "present")]
    turn_detection: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    input_audio_transcription: Option<&'a RawValue>,
    #[serde(borrow)]
    input_audio_format: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AudioWire<'a> {
    #[serde(borrow)]
    input: Option<InputWire<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ToolWire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InputWire<'a> {
    #[serde(borrow, deserialize_with = "present")]
    turn_detection: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    transcription: Option<&'a RawValue>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ResponseWire<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<Vec<ToolWire<'a>>>,
    #[serde(borrow, deserialize_with = "present")]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    max_response_output_tokens: Option<&'a RawValue>,
}

/// A value that is there, be it `null`: setting nothing and not setting are two things.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads an event of a caller.
pub fn read_caller(text: &str) -> Result<CallerEvent, Unreadable> {
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| Unreadable::NotAnEvent)?;
    match &*wire.kind {
        "input_audio_buffer.append" => {
            // Without its quotes.
            let bytes = wire.audio.map_or(0, |raw| raw.get().len().saturating_sub(2));
            Ok(CallerEvent::Sound(bytes as u64))
        }
        "response.create" => {
            let response: ResponseWire<'_> = read_part(wire.response)?;
            Ok(CallerEvent::Create {
                answer_limit: longer(response.max_output_tokens, response.max_response_output_tokens),
                has_tools_of_provider: response.tools.as_deref().is_some_and(has_tools_of_provider),
            })
        }
        "session.update" => Ok(CallerEvent::Update(read_part::<SessionWire<'_>>(wire.session)?.change())),
        kind if OTHERS.contains(&kind) => Ok(CallerEvent::Other),
        kind => Err(Unreadable::Unknown(kind.chars().take(100).collect())),
    }
}

/// Reads an event of a provider. What cannot be read is nothing to be counted.
pub fn read_provider(text: &str) -> ProviderEvent {
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(text) else { return ProviderEvent::Other };
    let response = || read_part::<ResponseWire<'_>>(wire.response).unwrap_or_default();
    let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned).unwrap_or_default();
    match &*wire.kind {
        kind @ ("session.created" | "session.updated") => {
            let session: SessionWire<'_> = read_part(wire.session).unwrap_or_default();
            let now = session.change();
            ProviderEvent::Session { is_new: kind == "session.created", id: owned(session.id), now }
        }
        "response.created" => ProviderEvent::Started(owned(response().id)),
        "response.done" => {
            let response = response();
            ProviderEvent::Done {
                id: owned(response.id),
                has_failed: response.status.as_deref() == Some("failed"),
                usage: response.usage.and_then(|raw| usage::decode(raw.get())),
            }
        }
        "input_audio_buffer.committed" => ProviderEvent::Committed,
        "conversation.item.input_audio_transcription.completed" => {
            ProviderEvent::Transcribed(wire.usage.and_then(|raw| crate::media::usage(raw.get())))
        }
        "conversation.item.input_audio_transcription.failed" => ProviderEvent::NotTranscribed,
        "error" => {
            let caused: Caused<'_> = read_part(wire.error).unwrap_or_default();
            let code = caused.code.and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok());
            let is_of_credential = code.as_deref() == Some(BAD_KEY);
            ProviderEvent::Error { event_id: caused.event_id.map(Cow::into_owned), is_of_credential }
        }
        kind if kind.starts_with("response.") && kind.ends_with(".delta") => ProviderEvent::Content,
        _ => ProviderEvent::Other,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Caused<'a> {
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

fn read_part<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> Result<T, Unreadable> {
    raw.map_or(Ok(T::default()), |raw| serde_json::from_str(raw.get()).map_err(|_| Unreadable::NotAnEvent))
}

/// What cannot be read bounds nothing, and neither does a bound of nothing.
fn answer_limit(raw: &RawValue) -> AnswerLimit {
    match serde_json::from_str(raw.get()) {
        Ok(0) | Err(_) => AnswerLimit::Unlimited,
        Ok(tokens) => AnswerLimit::Tokens(tokens),
    }
}

/// The longer one of both interfaces' limits: which of them a provider reads, it alone knows.
fn longer(now: Option<&RawValue>, beta: Option<&RawValue>) -> Option<AnswerLimit> {
    now.into_iter().chain(beta).map(answer_limit).max()
}

impl SessionWire<'_> {
    fn change(&self) -> SessionChange {
        let input = self.audio.as_ref().and_then(|audio| audio.input.as_ref());
        let turns = input.and_then(|input| input.turn_detection).or(self.turn_detection);
        let transcription = input.and_then(|input| input.transcription).or(self.input_audio_transcription);
        let turns = turns.map(read_turns);
        let format = input.and_then(|input| input.format).or(self.input_audio_format);
        SessionChange {
            kind: self.kind.as_deref().map(str::to_owned),
            model: self.model.as_deref().map(str::to_owned),
            answer_limit: longer(self.max_output_tokens, self.max_response_output_tokens),
            answers_by_itself: turns.as_ref().map(|turns| turns.answers_speech),
            answers_silence: turns.as_ref().map(|turns| turns.answers_silence),
            silence_millis: turns.and_then(|turns| turns.silence_millis),
            transcription: transcription.map(read_transcription),
            has_tools_of_provider: self.tools.as_deref().is_some_and(has_tools_of_provider),
            sound_bytes_per_second: format.map(read_format),
        }
    }
}

/// Bytes of base64 that are a second of sound: of 24,000 samples a second with two bytes each, or 8,000 with one, which is also
/// taken for what is not known. The beta interface tells the format in a word.
fn read_format(raw: &RawValue) -> u64 {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type", default)]
        kind: Cow<'a, str>,
        #[serde(default)]
        rate: Option<u64>,
    }
    let word = || serde_json::from_str::<Cow<'_, str>>(raw.get()).map(|kind| Format { kind, rate: None });
    let Ok(format) = serde_json::from_str::<Format<'_>>(raw.get()).or_else(|_| word()) else {
        return 8_000 * 4 / 3;
    };
    match &*format.kind {
        "audio/pcm" | "pcm16" => format.rate.unwrap_or(24_000).clamp(8_000, 192_000) * 2 * 4 / 3,
        _ => 8_000 * 4 / 3,
    }
}

/// Functions are run by the caller; all else is not.
fn has_tools_of_provider(tools: &[ToolWire<'_>]) -> bool {
    tools.iter().any(|tool| tool.kind.as_deref() != Some("function"))
}

/// What settings of turns let the model do by itself.
struct Turns {
    answers_speech: bool,
    answers_silence: bool,
    silence_millis: Option<u64>,
}

/// Reads settings of turns. What cannot be read may be anything.
fn read_turns(raw: &RawValue) -> Turns {
    #[derive(Deserialize)]
    struct TurnsWire<'a> {
        #[serde(borrow, rename = "type", default)]
        kind: Option<Cow<'a, str>>,
        #[serde(default)]
        create_response: Option<bool>,
        #[serde(default)]
        idle_timeout_ms: Option<IgnoredAny>,
        #[serde(default)]
        silence_duration_ms: Option<u64>,
    }
    match serde_json::from_str::<Option<TurnsWire<'_>>>(raw.get()) {
        Ok(Some(turns)) => {
            let told = turns.silence_duration_ms.unwrap_or(SILENCE_MILLIS);
            let is_by_ear = turns.kind.as_deref().is_none_or(|kind| kind == "server_vad");
            Turns {
                answers_speech: turns.create_response != Some(false),
                answers_silence: turns.idle_timeout_ms.is_some(),
                silence_millis: Some(if is_by_ear { told } else { told.min(SILENCE_MILLIS_JUDGED) }),
            }
        }
        Ok(None) => Turns { answers_speech: false, answers_silence: false, silence_millis: None },
        Err(_) => Turns { answers_speech: true, answers_silence: true, silence_millis: Some(0) },
    }
}

fn read_transcription(raw: &RawValue) -> Option<Transcription> {
    #[derive(Deserialize)]
    struct By {
        #[serde(default)]
        model: Option<String>,
    }
    if raw.get() == "null" {
        return None;
    }
    let by: Option<By> = serde_json::from_str(raw.get()).ok();
    let model = by.and_then(|by| by.model).unwrap_or_default();
    Some(Transcription { model, prompt_bytes: raw.get().len() as u64 })
}

/// The event that stops an answer. Without an id: the one that runs in the conversation.
pub fn cancel(response_id: &str) -> String {
    #[derive(Serialize)]
    struct Cancel<'a> {
        r#type: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        response_id: &'a str,
    }
    json(&Cancel { r#type: "response.cancel", response_id })
}

/// What went wrong, as callers are told within a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorEvent<'a> {
    /// The event's own id.
    pub id: &'a str,
    /// The HTTP status that it would have had.
    pub status: u16,
    /// A stable code.
    pub code: &'a str,
    /// What happened, for people.
    pub message: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// The caller's event at fault.
    pub event_id: Option<&'a str>,
}

/// Writes an `error` event.
pub fn error(event: &ErrorEvent<'_>) -> String {
    #[derive(Serialize)]
    struct Event<'a> {
        r#type: &'static str,
        event_id: &'a str,
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        r#type: &'static str,
        code: &'a str,
        message: &'a str,
        param: Option<&'a str>,
        event_id: Option<&'a str>,
    }
    let ErrorEvent { id, status, code, message, param, event_id } = *event;
    let error = Inner { r#type: error_kind(status), code, message, param, event_id };
    json(&Event { r#type: "error", event_id: id, error })
}

/// A value of ours as JSON; writing it into memory cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The id that an event's sender gave it.
pub fn event_id(event: &RawObject) -> Option<String> {
    serde_json::from_slice(event.get("event_id")?).ok()
}

/// Takes an event apart, to be edited.
pub fn parse(event: Bytes) -> Option<RawObject> {
    RawObject::parse(event).ok()
}

/// Sets a field of an object within an event.
pub fn set_within(event: &mut RawObject, object: &str, field: &str, value: Option<&str>) {
    let Some(mut inner) = event.value(object).and_then(|raw| RawObject::parse(raw).ok()) else { return };
    match value {
        Some(text) => inner.set_string(field, text),
        None => inner.set(field, b"null".to_vec()),
    }
    event.set(object, inner.to_bytes().into());
}

#[cfg(test)]
mod tests;
