//! What answers tell that are neither conversations nor vectors: pictures, speech, rankings, judgements.
//!
//! They pass through in OpenAI's shapes (`types/images_response.py`, `types/audio` of its Python SDK 3.54, read
//! 2026-11-26) and, for rerankers, in Cohere's and Jina's (<https://docs.cohere.com/reference/rerank>,
//! <https://jina.ai/reranker>, read 2026-11-26).

use crate::observe::{Answer, Note, Observed};
use crate::protocol::openai_chat::usage::{self as tokens, Count};
use crate::raw::range_of;
use domain::Usage;
use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A usage object in the words of the newer endpoints.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    #[serde(alias = "input_token_details")]
    input_tokens_details: Details,
    output_tokens_details: Details,
    /// Of a transcription that is sold by its length.
    seconds: Seconds,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    image_tokens: Count,
    audio_tokens: Count,
    cached_tokens: Count,
}

/// A length in seconds, perhaps with decimals. Anything else is none.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(from = "serde_json::Value")]
struct Seconds(Option<f64>);

impl From<serde_json::Value> for Seconds {
    fn from(value: serde_json::Value) -> Self {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        Self(number.filter(|seconds| seconds.is_finite() && *seconds >= 0.0))
    }
}

impl Seconds {
    /// Begun milliseconds.
    fn ms(self) -> Option<u64> {
        // A cast from a float stops at the ends of the range.
        self.0.map(|seconds| (seconds * 1000.0).ceil() as u64)
    }
}

/// Reads a usage object. `None`: it is none, or tells nothing.
pub fn usage(raw: &str) -> Option<Usage> {
    let wire: Wire = serde_json::from_str(raw).ok()?;
    if let Some(audio_ms) = wire.seconds.ms() {
        return Some(Usage { audio_ms, ..Usage::ZERO });
    }
    if wire.input_tokens.0.is_none() && wire.output_tokens.0.is_none() {
        let counted = tokens::decode(raw)?;
        let is_total_only = counted == Usage::ZERO && wire.total_tokens.get() > 0;
        // Rerankers read and write nothing.
        return Some(if is_total_only {
            Usage { input: wire.total_tokens.get(), ..counted }
        } else {
            counted
        });
    }
    let (read, made) = (wire.input_tokens_details, wire.output_tokens_details);
    let (audio_input, image_input) = (read.audio_tokens.get(), read.image_tokens.get());
    let (audio_output, image_output) = (made.audio_tokens.get(), made.image_tokens.get());
    let (input, output) = (wire.input_tokens.get(), wire.output_tokens.get());
    let cache_read =
        read.cached_tokens.get().min(input.saturating_sub(audio_input).saturating_sub(image_input));
    let rest = |all: u64, parts: &[u64]| parts.iter().fold(all, |rest, part| rest.saturating_sub(*part));
    Some(Usage {
        input: rest(input, &[audio_input, image_input, cache_read]),
        cache_read,
        output: rest(output, &[audio_output, image_output]),
        audio_input,
        audio_output,
        image_input,
        image_output,
        ..Usage::ZERO
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Whole<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// Pictures.
    data: Count0,
    /// Of a verbose transcription, seconds.
    duration: Seconds,
    /// Cohere.
    meta: Option<Meta>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Meta {
    billed_units: Option<BilledUnits>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BilledUnits {
    search_units: Count,
}

/// How many things are in a list; nothing of them is kept.
#[derive(Default)]
struct Count0(u64);

impl<'de> Deserialize<'de> for Count0 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl<'de> Visitor<'de> for Number {
            type Value = Count0;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<Count0, E> {
                Ok(Count0(0))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count0, A::Error> {
                let mut count = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count0(count))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// Reads a whole answer. `None`: it is no JSON object. `makes_images`: what its `data` lists are pictures.
pub fn answer(body: &[u8], makes_images: bool) -> Option<Answer> {
    let text = std::str::from_utf8(body).ok()?;
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let whole: Whole<'_> = serde_json::from_str(text).ok()?;
    let told = whole.usage.filter(|usage| usage.get() != "null");
    let mut consumed = told.and_then(|raw| usage(raw.get()));
    if let Some(queries) = whole.meta.and_then(|meta| meta.billed_units?.search_units.0) {
        consumed.get_or_insert_default().queries = queries;
    }
    if let Some(audio_ms) = whole.duration.ms().filter(|_| consumed.is_none()) {
        consumed = Some(Usage { audio_ms, ..Usage::ZERO });
    }
    if makes_images && whole.data.0 > 0 {
        consumed.get_or_insert_default().images = whole.data.0;
    }
    Some(Answer {
        observed: Observed {
            response_id: whole.id.unwrap_or_default().into_owned(),
            has_usage: consumed.is_some(),
            usage: consumed.unwrap_or_default(),
            is_complete: true,
            ..Observed::default()
        },
        usage_at: told
            .filter(|raw| raw.get().starts_with('{'))
            .map(|raw| range_of(text.as_ptr() as usize, raw.get())),
        model_at: None,
        is_error: whole.error.is_some_and(|error| error.get() != "null"),
    })
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
}

/// Looks at one event of a streamed answer.
pub fn event(observed: &mut Observed, data: &[u8]) -> Note {
    if data == b"[DONE]" {
        observed.is_complete = true;
        return Note::Plain;
    }
    let Ok(text) = std::str::from_utf8(data) else { return Note::Plain };
    let Ok(event) = serde_json::from_str::<Event<'_>>(text) else { return Note::Plain };
    if event.kind == "error" || event.error.is_some_and(|error| error.get() != "null") {
        return Note::Error;
    }
    observed.output_bytes += event.delta.map_or(0, |delta| delta.get().len().saturating_sub(2) as u64);
    if event.kind.ends_with(".completed") {
        observed.usage.images += 1;
    }
    observed.is_complete |= event.kind.ends_with(".completed") || event.kind.ends_with(".done");
    match event.usage.filter(|usage| usage.get() != "null") {
        Some(raw) => {
            if let Some(consumed) = usage(raw.get()) {
                observed.usage = observed.usage.merge(consumed);
                observed.has_usage = true;
            }
            Note::Usage { at: range_of(text.as_ptr() as usize, raw.get()), is_only_usage: false }
        }
        None => Note::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str, makes_images: bool) -> Usage {
        let answer = answer(body.as_bytes(), makes_images).unwrap();
        assert!(answer.observed.has_usage, "{body}");
        answer.observed.usage
    }

    #[test]
    fn each_vendors_words_for_what_was_consumed_are_read() {
        let picture = r#"{"created":1,"data":[{"b64_json":"eA=="}],"usage":{"input_tokens":50,"input_tokens_details":{"image_tokens":40,"text_tokens":10},"output_tokens":4160,"output_tokens_details":{"image_tokens":4160,"text_tokens":0},"total_tokens":4210}}"#;
        let expected = Usage { input: 10, image_input: 40, image_output: 4_160, images: 1, ..Usage::ZERO };
        assert_eq!(told(picture, true), expected);
        let old = r#"{"created":1,"data":[{"url":"https://example.com/1"},{"url":"https://example.com/2"}]}"#;
        assert_eq!(told(old, true), Usage { images: 2, ..Usage::ZERO });
        let speech = r#"{"text":"Hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":2,"audio_tokens":12},"output_tokens":5,"total_tokens":19}}"#;
        assert_eq!(told(speech, false), Usage { input: 2, audio_input: 12, output: 5, ..Usage::ZERO });
        let length = r#"{"text":"Hi","usage":{"type":"duration","seconds":27}}"#;
        assert_eq!(told(length, false), Usage { audio_ms: 27_000, ..Usage::ZERO });
        let verbose = r#"{"task":"transcribe","duration":8.4701,"text":"Hi"}"#;
        assert_eq!(told(verbose, false), Usage { audio_ms: 8_471, ..Usage::ZERO });
        let cohere = r#"{"id":"r-1","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":2}}}"#;
        assert_eq!(told(cohere, false), Usage { queries: 2, ..Usage::ZERO });
        let jina = r#"{"model":"m","usage":{"total_tokens":815},"results":[]}"#;
        assert_eq!(told(jina, false), Usage { input: 815, ..Usage::ZERO });
    }

    #[test]
    fn streams_of_sound_and_pictures_are_followed_to_their_end() {
        let mut observed = Observed::default();
        let mut push = |data: &str| event(&mut observed, data.as_bytes());
        assert_eq!(push(r#"{"type":"speech.audio.delta","audio":"eA=="}"#), Note::Content);
        let done =
            r#"{"type":"speech.audio.done","usage":{"input_tokens":7,"output_tokens":9,"total_tokens":16}}"#;
        assert!(matches!(push(done), Note::Usage { is_only_usage: false, .. }));
        assert_eq!(push(r#"{"type":"error","error":{"message":"no"}}"#), Note::Error);
        assert!(observed.is_complete);
        assert_eq!(observed.usage, Usage { input: 7, output: 9, ..Usage::ZERO });
    }
}
