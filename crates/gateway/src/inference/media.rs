//! What calls cost that are neither conversations nor vectors: at the most before they are made, and about, where
//! their provider tells nothing.

mod length;
mod ogg;

use super::bound::{IMAGE, OVERHEAD};
use super::intake::Intake;
use super::route_of;
use crate::providers::Target;
use domain::record::Operation;
use domain::{Model, ModelPrice, Price, Usage};
use llm::provider::RouteKind;
use llm::tokens;
use std::borrow::Cow;

/// Tokens of the dearest picture that is made: 1024 by 1536 in high quality takes 6,240
/// (<https://platform.openai.com/docs/guides/image-generation>, as of 2026-11-26), later models take more.
const IMAGE_MADE: u64 = 16_384;
/// Seconds of the longest sound that is written down, where its provider tells none: the longest that any tells.
const LONGEST_SOUND: u64 = 36_000;
/// About so many bytes a second are usual: 64 kbit/s.
const AUDIO_BYTES_PER_SECOND: u64 = 8_000;
/// Tokens of a second of sound at the most: OpenAI's models take ten of input and twenty of output; twice that.
const AUDIO_TOKENS_PER_SECOND: u64 = 40;
/// Letters that are spoken in a second at the least: slow speech has ten, at a quarter of the speed.
const LETTERS_PER_SECOND_MIN: u64 = 2;
/// About so many are usual.
const LETTERS_PER_SECOND: u64 = 14;
/// Documents in one search unit, and tokens of a document that count as one more
/// (<https://docs.cohere.com/docs/rerank-overview>, as of 2026-11-26).
const DOCUMENTS_PER_QUERY: u64 = 100;
const DOCUMENT_TOKENS: u64 = 500;

/// What a call consumes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Consumed {
    /// At the most.
    pub most: Usage,
    /// About.
    pub about: Usage,
}

/// What a call consumes; under a hard limit whatever it is made of. `None`: it is a conversation or asks for vectors.
pub fn consumed(
    operation: Operation,
    intake: &Intake,
    target: &Target,
    is_limited: bool,
) -> Option<Consumed> {
    let model = target.model.as_deref();
    let kind = route_of(operation);
    let price = model.and_then(|model| model.price.as_ref());
    Some(match kind {
        RouteKind::Chat
        | RouteKind::Embeddings
        | RouteKind::CountTokens
        | RouteKind::Completions
        | RouteKind::Realtime => return None,
        RouteKind::Moderations => {
            let text = tokens::of_bytes(intake.bytes());
            let most = Usage { input: intake.bytes() + OVERHEAD, ..Usage::ZERO };
            Consumed { most, about: Usage { input: text, ..Usage::ZERO } }
        }
        RouteKind::Rerank => rerank(intake),
        RouteKind::ImageGenerations | RouteKind::ImageEdits => images(intake, price),
        RouteKind::Speech => speech(intake, price),
        RouteKind::Transcriptions | RouteKind::Translations => {
            let longest = target.provider.spec.longest_sound(&target.model_id).unwrap_or(LONGEST_SOUND);
            transcription(intake, model, is_limited.then_some(longest))
        }
    })
}

/// A question is read with each document. Sold by tokens or by searches.
fn rerank(intake: &Intake) -> Consumed {
    let documents = intake.body.get("documents").map_or(0, count_items).max(1);
    let query = intake.body.get("query").map_or(0, <[u8]>::len) as u64;
    let bytes = intake.bytes();
    let with = |each: u64, all: u64| Usage {
        input: each.saturating_mul(documents).saturating_add(all),
        queries: (all / DOCUMENT_TOKENS + documents).div_ceil(DOCUMENTS_PER_QUERY),
        ..Usage::ZERO
    };
    Consumed {
        most: with(query, bytes + OVERHEAD),
        about: Usage {
            queries: documents.div_ceil(DOCUMENTS_PER_QUERY),
            ..with(tokens::of_bytes(query), tokens::of_bytes(bytes))
        },
    }
}

/// Pictures are sold by the piece or by their tokens.
fn images(intake: &Intake, price: Option<&ModelPrice>) -> Consumed {
    let number = |field: &str| field_text(intake, field).and_then(|text| text.parse::<u64>().ok());
    let pictures = number("n").unwrap_or(1).max(1);
    // Pictures on their way are sent and billed too.
    let drawn = pictures.saturating_mul(1 + number("partial_images").unwrap_or(0));
    let given = intake.form.as_ref().map_or(0, llm::form::Form::files);
    let text =
        intake.bytes() - intake.form.as_ref().map_or(0, llm::form::Form::file_bytes).min(intake.bytes());
    let is_by_piece = price.is_some_and(|price| price.per_image > Price::ZERO);
    let most = Usage {
        input: text + OVERHEAD,
        image_input: given.saturating_mul(IMAGE),
        image_output: if is_by_piece { 0 } else { drawn.saturating_mul(IMAGE_MADE) },
        images: pictures,
        ..Usage::ZERO
    };
    Consumed { most, about: Usage { input: tokens::of_bytes(text), ..most } }
}

/// Speech is sold by letters, or by tokens of text and sound.
fn speech(intake: &Intake, price: Option<&ModelPrice>) -> Consumed {
    let text = field_text(intake, "input").unwrap_or_default();
    let (letters, bytes) = (text.chars().count() as u64, intake.bytes());
    let sound = |per_second: u64| (letters / per_second + 1).saturating_mul(AUDIO_TOKENS_PER_SECOND);
    if price.is_some_and(|price| price.per_character > Price::ZERO) {
        let sold = Usage { characters: letters, ..Usage::ZERO };
        return Consumed { most: sold, about: sold };
    }
    let most = Usage { input: bytes + OVERHEAD, audio_output: sound(LETTERS_PER_SECOND_MIN), ..Usage::ZERO };
    let about =
        Usage { input: tokens::of_bytes(bytes), audio_output: sound(LETTERS_PER_SECOND) / 2, ..Usage::ZERO };
    Consumed { most, about }
}

/// Writing down speech is sold by its length, or by tokens of sound and text. `longest_sound`: the
/// seconds that are taken.
fn transcription(intake: &Intake, model: Option<&Model>, longest_sound: Option<u64>) -> Consumed {
    let form = intake.form.as_ref();
    // Which of several files is read, its provider knows.
    let file = form.filter(|form| form.files() == 1).and_then(|form| form.file("file"));
    let files = intake.form.as_ref().map_or(0, llm::form::Form::file_bytes);
    let text = intake.bytes().saturating_sub(files);
    let price = model.and_then(|model| model.price.as_ref());
    let longest = model.map_or(0, |model| model.max_output_tokens);
    let of = |ms: u64| {
        if price.is_some_and(|price| price.per_audio_ms > Price::ZERO) {
            return Usage { audio_ms: ms, ..Usage::ZERO };
        }
        let audio_input = ms.div_ceil(1_000).saturating_mul(AUDIO_TOKENS_PER_SECOND / 4);
        // Nobody speaks more tokens in a second than there are of sound.
        let output = if longest > 0 { audio_input.min(longest) } else { audio_input };
        Usage { input: text + OVERHEAD, audio_input, output, ..Usage::ZERO }
    };
    let about = of(files.saturating_mul(1_000) / AUDIO_BYTES_PER_SECOND + 1_000);
    let sound = file.map(|(sound, _)| sound).unwrap_or_default();
    Consumed {
        most: of(length::most_millis(&sound, longest_sound)),
        about: Usage { input: tokens::of_bytes(text), output: about.output / 3, ..about },
    }
}

/// A field's text, or its number as text.
fn field_text<'a>(intake: &'a Intake, field: &str) -> Option<Cow<'a, str>> {
    let raw = intake.body.get(field)?;
    if raw.first() == Some(&b'"') {
        return serde_json::from_slice::<String>(raw).ok().map(Cow::Owned);
    }
    std::str::from_utf8(raw).ok().map(Cow::Borrowed)
}

/// How many items a list has.
fn count_items(raw: &[u8]) -> u64 {
    serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(raw).map_or(0, |items| items.len() as u64)
}
