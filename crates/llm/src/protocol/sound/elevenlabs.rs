//! ElevenLabs' `/v1/text-to-speech/{voice}` and `/v1/speech-to-text`.
//!
//! <https://elevenlabs.io/docs/api-reference/text-to-speech/convert>,
//! <https://elevenlabs.io/docs/api-reference/speech-to-text/convert> and the types of its Python SDK, read 2026-11-26.

use super::super::TranslateError;
use super::super::fields::invalid;
use super::super::write::to_json;
use super::speech::{self, SoundFormat};
use super::transcript::{self, Transcript, Word};
use super::{Sent, read};
use crate::form::write::{File, form};
use serde::{Deserialize, Serialize};

/// OpenAI's own voices (<https://platform.openai.com/docs/guides/text-to-speech>, read 2026-11-26). Nothing says which of
/// ElevenLabs' would be the same.
const VOICES_OF_OPENAI: [&str; 13] = [
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
];

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
    model_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_settings: Option<VoiceSettings>,
}

#[derive(Serialize)]
struct VoiceSettings {
    speed: f64,
}

pub(super) fn encode_speech(request: &speech::Request, model: &str) -> Result<Sent, TranslateError> {
    let format = match request.format {
        SoundFormat::Mp3 => "mp3_44100_128",
        SoundFormat::Opus => "opus_48000_128",
        SoundFormat::Wav => "wav_24000",
        SoundFormat::Pcm => "pcm_24000",
        SoundFormat::Aac | SoundFormat::Flac => {
            let message = "the model's provider makes mp3, opus, wav and pcm, neither aac nor flac";
            return Err(invalid("response_format", message));
        }
    };
    let speed = request.speed.filter(|speed| *speed != 1.0);
    let body = Text {
        text: &request.input,
        model_id: model,
        voice_settings: speed.map(|speed| VoiceSettings { speed }),
    };
    Ok(Sent {
        segment: Some(voice(request.voice.as_deref())?),
        query: vec![("output_format", format.to_owned())],
        ..Sent::new(vec![to_json(&body).into()], "application/json")
    })
}

/// A voice's id, which is a segment of the address.
fn voice(voice: Option<&str>) -> Result<String, TranslateError> {
    let voice = voice.ok_or_else(|| invalid("voice", "field required"))?;
    if VOICES_OF_OPENAI.contains(&voice) {
        let message = format!("`{voice}` is a voice of OpenAI's: give the id of one of ElevenLabs'");
        return Err(invalid("voice", message));
    }
    let is_id = !voice.is_empty()
        && voice.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match is_id {
        true => Ok(voice.to_owned()),
        false => Err(invalid("voice", "expected the id of a voice of ElevenLabs', of letters and digits")),
    }
}

pub(super) fn encode_transcription(
    request: &transcript::Request<'_>,
    model: &str,
) -> Result<Sent, TranslateError> {
    if model.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(invalid("model", "expected the name of a model"));
    }
    // What is heard beside speech is no word, and OpenAI's models do not write it.
    let mut fields = vec![("model_id", model), ("tag_audio_events", "false")];
    fields.extend(request.language.map(|language| ("language_code", language)));
    fields.extend(request.temperature.map(|temperature| ("temperature", temperature)));
    let file = File { name: "file", media_type: request.media_type, content: request.file.clone() };
    let (body, content_type) = form(&fields, Some(file));
    Ok(Sent::new(body, content_type))
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    language_code: Option<String>,
    #[serde(default)]
    words: Vec<Said>,
    #[serde(default)]
    audio_duration_secs: Option<f64>,
    #[serde(default)]
    transcription_id: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    text: String,
    #[serde(default)]
    start: Option<f64>,
    #[serde(default)]
    end: Option<f64>,
    #[serde(rename = "type", default)]
    kind: String,
}

pub(super) fn decode_transcript(body: &[u8]) -> Result<Transcript, TranslateError> {
    let answer: Answer = read(body)?;
    let mut words: Vec<Word> = Vec::new();
    let mut is_joined = true;
    for said in answer.words {
        // What stands between words comes as one of them.
        if said.kind == "spacing" {
            is_joined = false;
            continue;
        }
        let start = said.start.unwrap_or(words.last().map_or(0.0, |word| word.end));
        let end = said.end.unwrap_or(start);
        words.push(Word { text: said.text, start, end, is_joined });
        is_joined = true;
    }
    Ok(Transcript {
        id: answer.transcription_id.unwrap_or_default(),
        text: answer.text,
        language: answer.language_code.unwrap_or_default(),
        seconds: answer.audio_duration_secs.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
        words,
    })
}
