//! AssemblyAI's `/v2/upload` and `/v2/transcript`.
//!
//! <https://www.assemblyai.com/docs/api-reference/transcripts/submit> and its description of the API
//! (<https://github.com/AssemblyAI/assemblyai-api-spec>), read 2026-11-26. The sound is brought first; what follows is a job
//! ([`crate::job`]). Times of words are milliseconds, the length of the sound is seconds.

use super::super::TranslateError;
use super::transcript::{self, Transcript, Word};
use super::{Sent, read};
use crate::ir::Warnings;
use crate::job::AssemblyAi;
use serde::Deserialize;

pub(super) fn encode_transcription(
    request: &transcript::Request<'_>,
    model: &str,
    warnings: &mut Warnings,
) -> Sent {
    request.drop_temperature(warnings);
    let job = AssemblyAi::new(model, request.language);
    Sent { job: Some(job.into()), ..Sent::new(vec![request.file.clone()], "application/octet-stream") }
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    language_code: Option<String>,
    #[serde(default)]
    audio_duration: Option<f64>,
    #[serde(default)]
    words: Option<Vec<Said>>,
}

#[derive(Deserialize)]
struct Said {
    text: String,
    start: f64,
    end: f64,
}

pub(super) fn decode_transcript(body: &[u8]) -> Result<Transcript, TranslateError> {
    let answer: Answer = read(body)?;
    let word = |said: Said| Word {
        text: said.text,
        start: said.start / 1_000.0,
        end: said.end / 1_000.0,
        is_joined: false,
    };
    Ok(Transcript {
        id: answer.id,
        text: answer.text.unwrap_or_default(),
        language: answer.language_code.unwrap_or_default(),
        seconds: answer.audio_duration.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
        words: answer.words.unwrap_or_default().into_iter().map(word).collect(),
    })
}
