//! Transcripts of AssemblyAI: the sound is brought to it, then a transcript of it is asked for, then looked after.
//!
//! <https://www.assemblyai.com/docs/api-reference/transcripts/submit> and
//! <https://www.assemblyai.com/docs/pre-recorded-audio/select-the-speech-model>, read 2026-11-26. A transcript that failed is not
//! charged (<https://assemblyai.com/docs/billing-and-pricing>, read 2026-11-26).

use super::{Ask, Next, Place, Product, Progress, read};
use crate::protocol::{Shape, TranslateError, to_json};
use serde::{Deserialize, Serialize};

/// Models that are named in the older field; newer ones are a list of those that may be tried.
const OF_OLDER_FIELD: [&str; 4] = ["best", "nano", "slam-1", "universal"];
/// The last segment of its address.
const TRANSCRIPT: &str = "transcript";

/// A transcript that is being made.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct AssemblyAi {
    model: String,
    /// A code of AssemblyAI's. `None`: it finds out.
    language: Option<String>,
    stage: Stage,
}

#[derive(Clone, PartialEq, Debug)]
enum Stage {
    Uploading,
    Submitting,
    Polling { id: String },
}

#[derive(Deserialize)]
struct Uploaded {
    upload_url: String,
}

#[derive(Serialize)]
struct Submission<'a> {
    audio_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_models: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language_detection: Option<bool>,
}

#[derive(Deserialize)]
struct Looked {
    id: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
}

impl AssemblyAi {
    /// A transcript of a sound that is about to be brought. `language`: a code, as OpenAI has it.
    pub(crate) fn new(model: &str, language: Option<&str>) -> Self {
        let language = language.map(|language| language.to_ascii_lowercase().replace('-', "_"));
        Self { model: model.to_owned(), language, stage: Stage::Uploading }
    }

    pub(super) fn progress(&self) -> Progress {
        match self.stage {
            Stage::Uploading => Progress::Preparing,
            Stage::Submitting => Progress::Submitting,
            Stage::Polling { .. } => Progress::Working,
        }
    }

    pub(super) fn next(&mut self, answer: &[u8]) -> Result<Next, TranslateError> {
        if self.stage == Stage::Uploading {
            let Uploaded { upload_url } = read(answer)?;
            self.stage = Stage::Submitting;
            let body = Some(self.submission(&upload_url));
            return Ok(Next::Ask(Ask { place: Place::Beside(vec![TRANSCRIPT.to_owned()]), body }));
        }
        let looked: Looked = read(answer)?;
        match looked.status.as_str() {
            "completed" => Ok(Next::Done(Product::Transcript(Shape::AssemblyAi.decode_transcript(answer)?))),
            "error" => {
                let why = looked.error.unwrap_or_else(|| "the provider does not say why".to_owned());
                Ok(Next::failed(&format!("no transcript was made: {why}"), false))
            }
            // `queued` or `processing`.
            _ => {
                // The first id counts: it stands for what was submitted.
                let id = match &self.stage {
                    Stage::Polling { id } => id.clone(),
                    Stage::Uploading | Stage::Submitting => looked.id,
                };
                self.stage = Stage::Polling { id: id.clone() };
                Ok(Next::Wait(Ask::look(Place::Beside(vec![TRANSCRIPT.to_owned(), id]))))
            }
        }
    }

    fn submission(&self, audio_url: &str) -> Vec<u8> {
        let model = self.model.as_str();
        let is_older = OF_OLDER_FIELD.contains(&model);
        to_json(&Submission {
            audio_url,
            speech_model: is_older.then_some(model),
            speech_models: (!is_older).then_some([model]),
            language_code: self.language.as_deref(),
            // Without it everything is taken for English.
            language_detection: self.language.is_none().then_some(true),
        })
    }
}
