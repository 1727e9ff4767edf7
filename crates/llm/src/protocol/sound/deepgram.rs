//! Deepgram's `/v1/listen` and `/v1/speak`.
//!
//! <https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded>,
//! <https://developers.deepgram.com/docs/tts-encoding> and <https://developers.deepgram.com/docs/tts-models>, read 2026-11-26.

use super::super::TranslateError;
use super::super::fields::invalid;
use super::super::write::to_json;
use super::speech::{self, SoundFormat};
use super::transcript::{self, Transcript, Word};
use super::{Sent, read, speed_within};
use crate::ir::Warnings;
use serde::{Deserialize, Serialize};

/// How fast it speaks.
const SPEED: (f64, f64) = (0.7, 1.5);

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

pub(super) fn encode_speech(
    request: &speech::Request,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Sent, TranslateError> {
    let mut query = vec![("model", voice(request.voice.as_deref(), model, warnings)?)];
    let encoding = match request.format {
        SoundFormat::Mp3 => "mp3",
        SoundFormat::Opus => "opus",
        SoundFormat::Aac => "aac",
        SoundFormat::Flac => "flac",
        SoundFormat::Wav | SoundFormat::Pcm => "linear16",
    };
    query.push(("encoding", encoding.to_owned()));
    let container = match request.format {
        SoundFormat::Wav => Some("wav"),
        SoundFormat::Pcm => Some("none"),
        SoundFormat::Opus => Some("ogg"),
        SoundFormat::Mp3 | SoundFormat::Aac | SoundFormat::Flac => None,
    };
    query.extend(container.map(|container| ("container", container.to_owned())));
    if request.format == SoundFormat::Pcm {
        query.push(("sample_rate", "24000".to_owned()));
    }
    let speed = speed_within(request.speed, SPEED, warnings);
    query.extend(speed.map(|speed| ("speed", speed.to_string())));
    let body = vec![to_json(&Text { text: &request.input }).into()];
    Ok(Sent { query, ..Sent::new(body, "application/json") })
}

/// The model with its voice, `aura-2-thalia-en`. Where the model is a family, the voice says the rest, and never another
/// family: that has another price.
fn voice(voice: Option<&str>, model: &str, warnings: &mut Warnings) -> Result<String, TranslateError> {
    if model.split('-').count() > 2 {
        if voice.is_some_and(|voice| voice != model) {
            warnings.add("voice", "dropped: the model's name says whose voice it is");
        }
        return Ok(model.to_owned());
    }
    let is_voice = |rest: &str| {
        rest.split_once('-').is_some_and(|(name, language)| {
            let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
            is_word(name) && is_word(language)
        })
    };
    let named = voice.filter(|voice| {
        let rest = voice.strip_prefix(model).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(is_voice)
    });
    let message = || format!("expected a voice of the model, such as `{model}-thalia-en`");
    named.map(str::to_owned).ok_or_else(|| invalid("voice", message()))
}

pub(super) fn encode_transcription(
    request: &transcript::Request<'_>,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Sent, TranslateError> {
    // Punctuation and figures, which OpenAI's models write too.
    let mut query = vec![("model", model.to_owned()), ("smart_format", "true".to_owned())];
    match request.language {
        Some("multi") => {
            let message =
                "several languages at once have another price, which is not known: name one, or none";
            return Err(invalid("language", message));
        }
        Some(language) => query.push(("language", language.to_owned())),
        // Without it everything is taken for English.
        None => query.push(("detect_language", "true".to_owned())),
    }
    request.drop_temperature(warnings);
    Ok(Sent { query, ..Sent::new(vec![request.file.clone()], request.media_type) })
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    request_id: String,
    duration: Option<f64>,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
    #[serde(default)]
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    words: Vec<Said>,
    #[serde(default)]
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct Said {
    word: String,
    #[serde(default)]
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
}

pub(super) fn decode_transcript(body: &[u8]) -> Result<Transcript, TranslateError> {
    let Answer { metadata, results } = read(body)?;
    // Several channels come only where they are asked for.
    let channel = results.channels.into_iter().next();
    let Channel { alternatives, detected_language } =
        channel.ok_or_else(|| invalid("results.channels", "there is none"))?;
    let said = alternatives.into_iter().next();
    let said = said.ok_or_else(|| invalid("results.channels[0].alternatives", "there is none"))?;
    let word = |said: Said| Word {
        text: said.punctuated_word.unwrap_or(said.word),
        start: said.start,
        end: said.end,
        is_joined: false,
    };
    Ok(Transcript {
        id: metadata.request_id,
        text: said.transcript,
        language: detected_language.or(said.languages.into_iter().next()).unwrap_or_default(),
        seconds: metadata.duration.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
        words: said.words.into_iter().map(word).collect(),
    })
}
