//! Speech and transcriptions: OpenAI's requests in the words of other vendors, and their transcripts in OpenAI's.
//!
//! Spoken sound itself is never read: it passes on as it comes.

mod assemblyai;
mod deepgram;
mod elevenlabs;
mod speech;
mod subtitles;
mod transcript;

use super::fields::invalid;
use super::{Shape, TranslateError};
use crate::form::Form;
use crate::ir::{Warning, Warnings};
use crate::job::Job;
use bytes::Bytes;

pub use transcript::{Transcript, TranscriptFormat, Word};

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

/// A request as a vendor wants it.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    /// What follows the route's path as a segment of its own.
    pub segment: Option<String>,
    /// The fields of the query, in order.
    pub query: Vec<(&'static str, String)>,
    /// The body, in pieces.
    pub body: Vec<Bytes>,
    /// What it is.
    pub content_type: String,
    /// What was given up.
    pub warnings: Vec<Warning>,
    /// What follows it, where the work is not answered at once.
    pub job: Option<Job>,
}

impl Sent {
    /// A request of which the body tells all.
    pub(crate) fn new(body: Vec<Bytes>, content_type: impl Into<String>) -> Self {
        Self {
            segment: None,
            query: Vec::new(),
            body,
            content_type: content_type.into(),
            warnings: Vec::new(),
            job: None,
        }
    }
}

/// A transcription as it is asked of a vendor, and how its caller wants it.
#[derive(Clone, PartialEq, Debug)]
pub struct SentTranscription {
    /// The request.
    pub sent: Sent,
    /// How the transcript is written.
    pub format: TranscriptFormat,
}

impl Shape {
    /// Writes OpenAI's request for speech, a JSON body, for a model. Fails where something essential cannot be said.
    pub fn encode_speech(self, body: &[u8], model: &str) -> Result<Sent, TranslateError> {
        let request = speech::Request::read(body)?;
        let mut warnings = Warnings::of_shapes(Shape::OpenAi, self);
        request.warn(&mut warnings);
        let mut sent = match Vendor::of(self)? {
            Vendor::Deepgram => deepgram::encode_speech(&request, model, &mut warnings),
            Vendor::ElevenLabs => elevenlabs::encode_speech(&request, model),
            Vendor::AssemblyAi => Err(no_sound(self)),
        }?;
        sent.warnings = warnings.take();
        Ok(sent)
    }

    /// Writes OpenAI's request for a transcription, a form, for a model. Fails where something essential cannot be said.
    pub fn encode_transcription(self, form: &Form, model: &str) -> Result<SentTranscription, TranslateError> {
        let request = transcript::Request::read(form)?;
        let mut warnings = Warnings::of_shapes(Shape::OpenAi, self);
        request.warn(&mut warnings);
        let mut sent = match Vendor::of(self)? {
            Vendor::Deepgram => deepgram::encode_transcription(&request, model, &mut warnings),
            Vendor::ElevenLabs => elevenlabs::encode_transcription(&request, model),
            Vendor::AssemblyAi => Ok(assemblyai::encode_transcription(&request, model, &mut warnings)),
        }?;
        sent.warnings = warnings.take();
        Ok(SentTranscription { sent, format: request.format })
    }

    /// Reads a transcript.
    pub fn decode_transcript(self, body: &[u8]) -> Result<Transcript, TranslateError> {
        let transcript = match Vendor::of(self)? {
            Vendor::Deepgram => deepgram::decode_transcript(body),
            Vendor::ElevenLabs => elevenlabs::decode_transcript(body),
            Vendor::AssemblyAi => assemblyai::decode_transcript(body),
        };
        transcript.map_err(TranslateError::in_response)
    }

    /// The header of an answer that tells how many letters were spoken, where a vendor has one.
    pub fn letters_header(self) -> Option<&'static str> {
        match Vendor::of(self).ok()? {
            // The notes on speech in its Python SDK (<https://github.com/deepgram/deepgram-python-sdk>), read 2026-11-26.
            Vendor::Deepgram => Some("dg-char-count"),
            // `character-cost` counts credits, of which a letter takes more or fewer than one.
            Vendor::ElevenLabs | Vendor::AssemblyAi => None,
        }
    }
}

/// Whose shape it is.
#[derive(Clone, Copy)]
enum Vendor {
    Deepgram,
    ElevenLabs,
    AssemblyAi,
}

impl Vendor {
    /// Fails where a shape is not one of sound.
    fn of(shape: Shape) -> Result<Self, TranslateError> {
        match shape {
            Shape::Deepgram => Ok(Vendor::Deepgram),
            Shape::ElevenLabs => Ok(Vendor::ElevenLabs),
            Shape::AssemblyAi => Ok(Vendor::AssemblyAi),
            Shape::OpenAi
            | Shape::GeminiEmbed
            | Shape::GeminiBatch
            | Shape::VertexEmbed
            | Shape::VertexPredict
            | Shape::Cohere
            | Shape::Voyage
            | Shape::BedrockTitan
            | Shape::BedrockCohere
            | Shape::BlackForestLabs
            | Shape::Stability
            | Shape::BedrockStability
            | Shape::Imagen => Err(no_sound(shape)),
        }
    }
}

fn no_sound(shape: Shape) -> TranslateError {
    invalid("", format!("neither speech nor transcriptions are asked for in the shape `{}`", shape.as_str()))
}

/// Reads a whole answer of some type.
fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, TranslateError> {
    serde_json::from_slice(body).map_err(|error| invalid("", error))
}

/// Speed within what a vendor takes; where it is none of it, the nearest, and that is told.
fn speed_within(speed: Option<f64>, (least, most): (f64, f64), warnings: &mut Warnings) -> Option<f64> {
    let asked = speed.filter(|speed| *speed != 1.0)?;
    let taken = asked.clamp(least, most);
    if taken != asked {
        warnings.add("speed", format!("{asked} became {taken}: the provider takes {least} to {most}"));
    }
    Some(taken)
}

#[cfg(test)]
mod tests;
