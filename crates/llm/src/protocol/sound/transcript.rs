//! OpenAI's request for a transcription, and a transcript in the forms that it has.
//!
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>, read 2026-11-26. Of a segment only what a vendor
//! tells is written: when it is, and its text.

use super::super::TranslateError;
use super::super::fields::invalid;
use super::super::write::{Dollars, to_json};
use super::{OWN_FIELDS, subtitles};
use crate::form::Form;
use crate::ir::Warnings;
use bytes::Bytes;
use domain::{Money, Usage};
use serde::Serialize;

/// Fields that are read below.
const KNOWN: [&str; 6] =
    ["model", "file", "language", "response_format", "timestamp_granularities[]", "timestamp_granularities"];
/// Fields of OpenAI's that steer its own models.
const STEERING: [&str; 4] = ["prompt", "chunking_strategy", "include[]", "include"];

/// How a transcript is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TranscriptFormat {
    /// An object with the text.
    Json,
    /// The text alone.
    Text,
    /// Subtitles of `SubRip`.
    Srt,
    /// Subtitles of WebVTT.
    Vtt,
    /// An object with the text, and when it was said.
    Verbose {
        /// Each word.
        words: bool,
        /// Each sentence.
        segments: bool,
    },
}

impl TranscriptFormat {
    /// What an answer in it is.
    pub const fn content_type(self) -> &'static str {
        match self {
            TranscriptFormat::Json | TranscriptFormat::Verbose { .. } => "application/json",
            TranscriptFormat::Text | TranscriptFormat::Srt | TranscriptFormat::Vtt => {
                "text/plain; charset=utf-8"
            }
        }
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub file: Bytes,
    /// What the file is said to be, where that is sound or a film. Never anything else: a vendor might take it for a
    /// document that says where the sound is.
    pub media_type: &'a str,
    pub language: Option<&'a str>,
    pub temperature: Option<&'a str>,
    pub format: TranscriptFormat,
    lost: Vec<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn read(form: &'a Form) -> Result<Self, TranslateError> {
        let (file, media_type) = form.file("file").ok_or_else(|| invalid("file", "field required"))?;
        if file.is_empty() {
            return Err(invalid("file", "the file is empty"));
        }
        if form.text("stream").is_some_and(|text| text != "false") {
            return Err(invalid("stream", "the model's provider does not stream transcripts: leave it out"));
        }
        let is_sound = (media_type.starts_with("audio/") || media_type.starts_with("video/"))
            && media_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let is_lost = |name: &&str| !KNOWN.contains(name) && !OWN_FIELDS.contains(name) && *name != "stream";
        let names = form.parts().iter().map(|part| part.name.as_str());
        let mut lost: Vec<&str> = names.filter(is_lost).filter(|name| *name != "temperature").collect();
        lost.dedup();
        Ok(Self {
            file,
            media_type: if is_sound { media_type } else { "application/octet-stream" },
            language: language(form)?,
            temperature: temperature(form)?,
            format: format(form)?,
            lost,
        })
    }

    /// Tells of what no other vendor takes.
    pub(super) fn warn(&self, warnings: &mut Warnings) {
        for name in STEERING {
            if self.lost.contains(&name) {
                warnings.add(name, "dropped: the provider has no such field");
            }
        }
        let unknown: Vec<&str> = self.lost.iter().copied().filter(|name| !STEERING.contains(name)).collect();
        if !unknown.is_empty() {
            warnings.add("unknown fields", format!("dropped: {}", unknown.join(", ")));
        }
    }
}

impl Request<'_> {
    /// Gives the temperature up, where a vendor is told none.
    pub(super) fn drop_temperature(&self, warnings: &mut Warnings) {
        if self.temperature.is_some_and(|temperature| temperature.parse() != Ok(0.0)) {
            warnings.add("temperature", "dropped: the provider has no such field");
        }
    }
}

/// A code. Nothing else gets into the address or the form that a vendor is sent.
fn language(form: &Form) -> Result<Option<&str>, TranslateError> {
    let language = form.text("language").filter(|language| !language.is_empty());
    let is_code = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match language.filter(|language| !is_code(language)) {
        None => Ok(language),
        Some(_) => Err(invalid("language", "expected a code such as `en`")),
    }
}

/// The same, a number.
fn temperature(form: &Form) -> Result<Option<&str>, TranslateError> {
    let temperature = form.text("temperature").filter(|text| !text.is_empty());
    match temperature.filter(|text| text.parse::<f64>().is_err()) {
        None => Ok(temperature),
        Some(_) => Err(invalid("temperature", "expected a number")),
    }
}

fn format(form: &Form) -> Result<TranscriptFormat, TranslateError> {
    let granularities =
        || form.texts("timestamp_granularities[]").chain(form.texts("timestamp_granularities"));
    if let Some(other) = granularities().find(|one| !matches!(*one, "word" | "segment")) {
        let message = format!("expected word or segment, got `{other}`");
        return Err(invalid("timestamp_granularities", message));
    }
    let has = |wanted: &str| granularities().any(|one| one == wanted);
    let format = match form.text("response_format") {
        None | Some("json") => TranscriptFormat::Json,
        Some("text") => TranscriptFormat::Text,
        Some("srt") => TranscriptFormat::Srt,
        Some("vtt") => TranscriptFormat::Vtt,
        Some("verbose_json") => {
            TranscriptFormat::Verbose { words: has("word"), segments: has("segment") || !has("word") }
        }
        Some(other) => {
            let message =
                format!("the model's provider has json, text, srt, verbose_json and vtt, not `{other}`");
            return Err(invalid("response_format", message));
        }
    };
    let is_verbose = matches!(format, TranscriptFormat::Verbose { .. });
    if granularities().next().is_some() && !is_verbose {
        let message = "only told with `response_format` verbose_json";
        return Err(invalid("timestamp_granularities", message));
    }
    Ok(format)
}

/// What was said.
#[derive(Clone, PartialEq, Debug)]
pub struct Transcript {
    /// The id that the provider gave the answer; empty where it gives none.
    pub id: String,
    /// All of it.
    pub text: String,
    /// In which language, in the vendor's word; empty where it is not told.
    pub language: String,
    /// How long the sound is, in seconds. `None`: the vendor does not tell.
    pub seconds: Option<f64>,
    /// Word by word.
    pub words: Vec<Word>,
}

/// A word, and when it was said.
#[derive(Clone, PartialEq, Debug)]
pub struct Word {
    /// The word, with its punctuation.
    pub text: String,
    /// From, in seconds.
    pub start: f64,
    /// To, in seconds.
    pub end: f64,
    /// Nothing stands between it and the one before.
    pub is_joined: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<WordOut<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<SegmentOut>>,
    usage: UsageOut,
}

#[derive(Serialize)]
struct WordOut<'a> {
    word: &'a str,
    start: f64,
    end: f64,
}

#[derive(Serialize)]
struct SegmentOut {
    id: usize,
    start: f64,
    end: f64,
    text: String,
}

#[derive(Serialize)]
struct UsageOut {
    #[serde(rename = "type")]
    kind: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

impl Transcript {
    /// What it consumed, where that is told: begun milliseconds of sound.
    pub fn usage(&self) -> Option<Usage> {
        // A cast from a float stops at the ends of the range.
        self.seconds.map(|seconds| Usage { audio_ms: (seconds * 1_000.0).ceil() as u64, ..Usage::ZERO })
    }

    /// Writes it. `usage`: what is charged; `cost` becomes `usage.cost`, a number of US dollars, where the form has one.
    pub fn encode(&self, format: TranscriptFormat, usage: &Usage, cost: Option<Money>) -> Vec<u8> {
        let last = self.words.last().map_or(0.0, |word| word.end);
        let duration = self.seconds.unwrap_or(last);
        let usage =
            UsageOut { kind: "duration", seconds: usage.audio_ms as f64 / 1_000.0, cost: cost.map(Dollars) };
        let body = Body {
            task: None,
            language: None,
            duration: None,
            text: &self.text,
            words: None,
            segments: None,
            usage,
        };
        match format {
            TranscriptFormat::Json => to_json(&body),
            TranscriptFormat::Text => format!("{}\n", self.text).into_bytes(),
            TranscriptFormat::Srt => subtitles::srt(self, duration).into_bytes(),
            TranscriptFormat::Vtt => subtitles::vtt(self, duration).into_bytes(),
            TranscriptFormat::Verbose { words, segments } => to_json(&Body {
                task: Some("transcribe"),
                language: Some(&self.language),
                duration: Some(duration),
                words: words.then(|| self.words.iter().map(WordOut::of).collect()),
                segments: segments.then(|| self.segments(duration)),
                ..body
            }),
        }
    }

    fn segments(&self, duration: f64) -> Vec<SegmentOut> {
        let cues = subtitles::cues(self, duration).into_iter().enumerate();
        cues.map(|(id, cue)| SegmentOut { id, start: cue.start, end: cue.end, text: cue.text }).collect()
    }
}

impl<'a> WordOut<'a> {
    fn of(word: &'a Word) -> Self {
        Self { word: &word.text, start: word.start, end: word.end }
    }
}
