//! OpenAI's request for speech.
//!
//! <https://platform.openai.com/docs/api-reference/audio/createSpeech>, read 2026-11-26. `voice` is a name, or an object with the
//! id of a voice of one's own.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, text};
use super::OWN_FIELDS;
use crate::ir::Warnings;

/// How sound is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SoundFormat {
    Mp3,
    Opus,
    Aac,
    Flac,
    Wav,
    /// 24 kHz, 16 bits, the lowest byte first, one channel, no head.
    Pcm,
}

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub input: String,
    pub voice: Option<String>,
    pub format: SoundFormat,
    pub speed: Option<f64>,
    has_instructions: bool,
    lost: Vec<String>,
}

impl Request {
    pub(super) fn read(body: &[u8]) -> Result<Self, TranslateError> {
        let mut fields = Fields::of_body(body)?;
        for own in OWN_FIELDS {
            fields.raw(own);
        }
        fields.raw("model");
        let is_stream = fields.get::<bool>("stream")? == Some(true);
        if is_stream || fields.string("stream_format")?.is_some_and(|format| format != "audio") {
            let message = "the model's provider sends bare sound, no events: leave it out, or say audio";
            return Err(invalid("stream_format", message));
        }
        let input = fields.required_string("input")?;
        if input.trim().is_empty() {
            return Err(invalid("input", "there is nothing to say"));
        }
        let mut request = Self {
            input,
            voice: voice(&mut fields)?,
            format: format(&mut fields)?,
            speed: fields.get("speed")?,
            has_instructions: fields.string("instructions")?.is_some(),
            lost: Vec::new(),
        };
        fields.finish(&mut request.lost);
        Ok(request)
    }

    /// Tells of what no other vendor takes.
    pub(super) fn warn(&self, warnings: &mut Warnings) {
        if self.has_instructions {
            warnings.add("instructions", "dropped: the provider is not told how to speak");
        }
        if !self.lost.is_empty() {
            warnings.add("unknown fields", format!("dropped: {}", self.lost.join(", ")));
        }
    }
}

fn voice(fields: &mut Fields<'_>) -> Result<Option<String>, TranslateError> {
    let Some(raw) = fields.raw("voice") else { return Ok(None) };
    match kind(raw) {
        Kind::String => text("voice", raw).map(|name| Some(name.into_owned())),
        Kind::Object => Fields::new("voice".to_owned(), raw)?.required_string("id").map(Some),
        Kind::Array | Kind::Other => Err(invalid("voice", "expected a name, or an object with an `id`")),
    }
}

fn format(fields: &mut Fields<'_>) -> Result<SoundFormat, TranslateError> {
    Ok(match fields.string("response_format")?.as_deref() {
        None | Some("mp3") => SoundFormat::Mp3,
        Some("opus") => SoundFormat::Opus,
        Some("aac") => SoundFormat::Aac,
        Some("flac") => SoundFormat::Flac,
        Some("wav") => SoundFormat::Wav,
        Some("pcm") => SoundFormat::Pcm,
        Some(other) => {
            let message = format!("expected mp3, opus, aac, flac, wav or pcm, got `{other}`");
            return Err(invalid("response_format", message));
        }
    })
}
