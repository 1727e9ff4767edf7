//! The shape of a catalogue file, field by field, as `catalog/README.md` describes it.
//!
//! Unknown fields are refused, so that a typo in a hand-written file is found. Fields that no part of the
//! gateway uses yet are checked for their form and let go.

use domain::{Capabilities, Money};
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "all but the models is for people")]
pub(super) struct File {
    source: String,
    read: String,
    provider: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) models: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "some fields are checked for their form only")]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) mode: FileMode,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) context_window: u64,
    max_input_tokens: Option<u64>,
    #[serde(default)]
    pub(super) max_output_tokens: u64,
    dimensions: Option<u64>,
    #[serde(default)]
    pub(super) capabilities: Vec<Capability>,
    reasoning: Option<IgnoredAny>,
    unsupported_params: Option<Vec<String>>,
    min_cache_tokens: Option<u64>,
    pub(super) weights: Option<String>,
    pub(super) released: Option<Date>,
    pub(super) status: Option<Status>,
    pub(super) retires: Option<Day>,
    free_tier: Option<bool>,
    pub(super) price: Option<Prices>,
    #[serde(default)]
    pub(super) price_tiers: Vec<Prices>,
    off_peak: Option<OffPeak>,
    #[serde(default)]
    pub(super) service_tiers: ServiceTiers,
    #[serde(default)]
    pub(super) region_uplift: BTreeMap<String, Amount>,
    pub(super) fast_multiplier: Option<Amount>,
    #[serde(default)]
    pub(super) units: Units,
    #[serde(default)]
    pub(super) variants: Vec<Variant>,
    endpoint: Option<String>,
    #[serde(default)]
    pub(super) profile_only: bool,
    price_source: Option<String>,
    confidence: Option<Confidence>,
}

/// Dollars per million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "usage does not count video apart yet")]
pub(super) struct Prices {
    /// In `price_tiers` only.
    pub(super) above_input_tokens: Option<u64>,
    pub(super) input: Option<Amount>,
    pub(super) output: Option<Amount>,
    pub(super) cache_read: Option<Amount>,
    pub(super) cache_write: Option<Amount>,
    pub(super) cache_write_1h: Option<Amount>,
    pub(super) reasoning: Option<Amount>,
    pub(super) audio_input: Option<Amount>,
    pub(super) audio_output: Option<Amount>,
    pub(super) audio_cache_read: Option<Amount>,
    pub(super) image_input: Option<Amount>,
    pub(super) image_output: Option<Amount>,
    pub(super) image_cache_read: Option<Amount>,
    video_input: Option<Amount>,
    video_output: Option<Amount>,
}

/// Prices of tiers of service. The gateway asks nothing in batches.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServiceTiers {
    batch: Option<Prices>,
    pub(super) flex: Option<Prices>,
    pub(super) priority: Option<Prices>,
}

/// Dollars per unit, the unit in the name.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Units {
    pub(super) per_image: Option<Amount>,
    pub(super) per_web_search: Option<Amount>,
    pub(super) per_request: Option<Amount>,
    per_request_medium_context: Option<Amount>,
    per_request_high_context: Option<Amount>,
    per_image_input: Option<Amount>,
    pub(super) per_second_input: Option<Amount>,
    per_second_output: Option<Amount>,
    per_second_audio_input: Option<Amount>,
    per_second_video_input: Option<Amount>,
    pub(super) per_1m_chars_input: Option<Amount>,
    per_1m_citation_tokens: Option<Amount>,
    pub(super) per_1k_queries: Option<Amount>,
    pub(super) per_1m_kept_token_hours: Option<Amount>,
    per_1k_pages_ocr: Option<Amount>,
    per_1k_pages_annotated: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the hour of a call does not change its price yet")]
struct OffPeak {
    windows: Vec<Window>,
    price: Prices,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see OffPeak")]
struct Window {
    weekdays: Vec<u8>,
    hours_utc: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    pub(super) scope: String,
    pub(super) id: Option<String>,
    pub(super) price: Option<Prices>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileMode {
    Chat,
    Completion,
    Embedding,
    Image,
    Moderation,
    Ocr,
    Realtime,
    Rerank,
    Responses,
    Speech,
    Transcription,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Beta,
    Deprecated,
    Retiring,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Confidence {
    High,
    Medium,
    Low,
}

/// What a model is known to do, in the catalogue's words.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are their own explanation")]
pub enum Capability {
    AssistantPrefill,
    AudioIn,
    AudioOut,
    Caching,
    ComputerUse,
    ImageGeneration,
    JsonObject,
    JsonSchema,
    ParallelTools,
    Pdf,
    Reasoning,
    ToolChoice,
    Tools,
    UrlContext,
    VideoGeneration,
    VideoIn,
    Vision,
    WebSearch,
}

impl Capability {
    /// Those that the gateway looks at.
    pub fn known(capabilities: &[Capability]) -> Capabilities {
        let mut known = Capabilities::default();
        for capability in capabilities {
            match capability {
                Capability::Vision => known.vision = true,
                Capability::Pdf => known.pdf = true,
                Capability::Tools => known.tools = true,
                Capability::JsonObject => known.json_object = true,
                Capability::JsonSchema => known.json_schema = true,
                Capability::Reasoning => known.reasoning = true,
                Capability::Caching => known.caching = true,
                Capability::WebSearch => known.web_search = true,
                Capability::ImageGeneration => known.image_generation = true,
                Capability::ComputerUse => known.computer_use = true,
                Capability::AssistantPrefill
                | Capability::AudioIn
                | Capability::AudioOut
                | Capability::ParallelTools
                | Capability::ToolChoice
                | Capability::UrlContext
                | Capability::VideoGeneration
                | Capability::VideoIn => {}
            }
        }
        known
    }
}

/// An amount of dollars, or a factor: a decimal string that is not negative.
#[derive(Clone, Copy)]
pub(super) struct Amount(pub(super) Money);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text(|text: &str| match text.parse::<Money>() {
            Ok(amount) if amount < Money::ZERO => Err("a price is not negative".to_owned()),
            Ok(amount) => Ok(Amount(amount)),
            Err(error) => Err(error.to_string()),
        }))
    }
}

/// A day as unix seconds of its beginning: `2025-09-29`, or `2025-09` for the first of a month.
#[derive(Clone, Copy)]
pub(super) struct Date(pub(super) i64);

/// A day with the text it was written as.
pub(super) struct Day(pub(super) String, pub(super) i64);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let begins = Date::deserialize(serde::de::value::StrDeserializer::<D::Error>::new(&text))?;
        Ok(Day(text, begins.0))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text(|text: &str| {
            let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().ok());
            match (parts.next().flatten(), parts.next().flatten(), parts.next().unwrap_or(Some(1))) {
                (Some(year @ 1970..), Some(month @ 1..=12), Some(day @ 1..=31)) => {
                    Ok(Date(days_since_1970(i64::from(year), i64::from(month), i64::from(day)) * 86_400))
                }
                _ => Err(format!("not a day or a month: {text:?}")),
            }
        }))
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year and the months before it have lengths that repeat.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

/// Reads a string through a function, without a copy of it.
struct Text<F>(F);

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}
