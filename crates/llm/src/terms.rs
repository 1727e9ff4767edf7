//! How vendors word the terms of a call, in requests and in answers: tier of service, speed, region.
//!
//! OpenAI asks with `service_tier` and tells in a field of the same name. `auto`, and a request that names none, is
//! served as the project is set, which may be `priority`, called `fast` since July 2026; what was asked for may be
//! served, and billed, as `default` (<https://developers.openai.com/api/docs/guides/fast-mode> and `types/chat` of
//! its Python SDK, read 2026-11-26). `scale` is capacity paid in advance, never dearer than `default` by the token.
//!
//! Anthropic asks with `service_tier`, `speed` and `inference_geo` and tells within `usage`. Its `priority` is bought
//! in advance too, so it has no price by the token (<https://platform.claude.com/docs/en/api/service-tiers>, read
//! 2026-11-26). A request without `inference_geo` runs where its workspace is set to run
//! (<https://platform.claude.com/docs/en/manage-claude/data-residency>, read 2026-11-26), and the fast mode's price
//! comes on top of that of the region (<https://platform.claude.com/docs/en/build-with-claude/fast-mode>, read
//! 2026-11-26).

use crate::protocol::Protocol;
use domain::{Demand, RegionDemand, Tier, TierDemand, Told};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a provider makes of tiers of service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceTiers {
    /// Requests name theirs; those that name none get the ordinary one.
    Named,
    /// Requests that name none get what the account is set to.
    AccountDecides,
    /// None is dearer than the ordinary one.
    OnePrice,
}

/// The fields of a request that ask for terms, as JSON text.
#[derive(Clone, Copy, Default, Debug)]
pub struct Asked<'a> {
    /// `service_tier`.
    pub service_tier: Option<&'a [u8]>,
    /// `speed`.
    pub speed: Option<&'a [u8]>,
    /// `inference_geo`.
    pub inference_geo: Option<&'a [u8]>,
}

/// What a provider makes of the place where a model runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Regions {
    /// It costs the same everywhere, as far as anybody knows.
    OnePrice,
    /// Requests that name none run where the account is set to.
    AccountDecides,
    /// Hosts with this end stand for a region each.
    ByHost(&'static str),
}

impl Regions {
    /// Whether calls to this host run in one region only.
    pub fn is_regional(self, host: &str) -> bool {
        matches!(self, Regions::ByHost(end) if host.ends_with(end))
    }
}

/// What a request asks of a provider. A value that is not known here may mean anything.
pub fn demand(tiers: ServiceTiers, regions: Regions, asked: Asked<'_>) -> Demand {
    Demand {
        tier: tiers.tier(text(asked.service_tier)),
        is_fast: !matches!(text(asked.speed), None | Some(b"standard")),
        region: match (text(asked.inference_geo), regions) {
            (None, Regions::AccountDecides) => RegionDemand::Perhaps,
            (None, Regions::OnePrice | Regions::ByHost(_)) | (Some(b"global"), _) => RegionDemand::Anywhere,
            (Some(_), _) => RegionDemand::Named,
        },
    }
}

impl ServiceTiers {
    fn tier(self, word: Option<&[u8]>) -> TierDemand {
        match (self, word) {
            (ServiceTiers::OnePrice, Some(b"auto" | b"flex" | b"priority" | b"performance")) => {
                TierDemand::Standard
            }
            (ServiceTiers::AccountDecides, None) | (_, Some(b"auto")) => TierDemand::Any,
            (_, None) => TierDemand::Standard,
            (_, Some(word)) => match tier(word) {
                Tier::Standard => TierDemand::Standard,
                other @ (Tier::Flex | Tier::Priority | Tier::Unknown) => TierDemand::Named(other),
            },
        }
    }
}

/// The text between a JSON string's quotation marks. Whatever is none is given whole: it is no word.
fn text(raw: Option<&[u8]>) -> Option<&[u8]> {
    let raw = raw.filter(|raw| *raw != b"null")?;
    Some(raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(raw))
}

fn tier(word: &[u8]) -> Tier {
    match word {
        b"default" | b"standard" | b"standard_only" | b"on_demand" | b"scale" | b"reserved" => Tier::Standard,
        b"flex" => Tier::Flex,
        b"priority" | b"fast" => Tier::Priority,
        _ => Tier::Unknown,
    }
}

/// What the `service_tier` of an answer in OpenAI's protocol tells.
pub(crate) fn told_by_openai(service_tier: Option<&RawValue>) -> Told {
    told_by_openais_word(word(service_tier))
}

/// The same of its word.
pub(crate) fn told_by_openais_word(service_tier: Option<&str>) -> Told {
    let tier = match service_tier {
        // Groq's word for capacity paid in advance (<https://console.groq.com/docs/performance-tier>, read
        // 2026-11-26).
        Some("performance") => Some(Tier::Standard),
        // That is no answer to the question.
        None | Some("auto") => None,
        Some(word) => Some(tier(word.as_bytes())),
    };
    Told { tier, ..Told::default() }
}

/// What Anthropic's `usage` tells.
pub(crate) fn told_by_anthropic(usage: &RawValue) -> Told {
    let usage: AnthropicUsage<'_> = serde_json::from_str(usage.get()).unwrap_or_default();
    Told {
        tier: None,
        is_fast: word(usage.speed).map(|speed| speed != "standard"),
        // Models that cannot choose say `not_available`.
        is_regional: word(usage.inference_geo).map(|geo| !matches!(geo, "global" | "not_available")),
    }
}

/// What Gemini's `usageMetadata` tells: the Gemini API in `serviceTier`, Vertex AI in `trafficType`
/// (<https://ai.google.dev/gemini-api/docs/priority-inference> and
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo>, read 2026-11-26).
pub(crate) fn told_by_gemini(usage: &RawValue) -> Told {
    let usage: GeminiUsage<'_> = serde_json::from_str(usage.get()).unwrap_or_default();
    let by_traffic = match word(usage.traffic_type) {
        Some("ON_DEMAND" | "PROVISIONED_THROUGHPUT") => Some(Tier::Standard),
        Some("ON_DEMAND_FLEX") => Some(Tier::Flex),
        Some("ON_DEMAND_PRIORITY") => Some(Tier::Priority),
        Some("TRAFFIC_TYPE_UNSPECIFIED") | None => None,
        Some(_) => Some(Tier::Unknown),
    };
    let by_name = word(usage.service_tier).map(|word| tier(word.to_ascii_lowercase().as_bytes()));
    Told { tier: by_name.or(by_traffic), ..Told::default() }
}

/// What the `serviceTier` of an answer of Bedrock's tells. `reserved` is capacity paid in advance
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html>, read 2026-11-26). Its
/// `performanceConfig` tells whether it was as fast as was asked: where it was not, it costs no more
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/latency-optimized-inference.html>, read 2026-11-26).
pub(crate) fn told_by_bedrock(service_tier: Option<&RawValue>, performance: Option<&RawValue>) -> Told {
    #[derive(Deserialize)]
    struct Tiered<'a> {
        #[serde(borrow, rename = "type")]
        kind: &'a RawValue,
    }
    let read = |raw: &'_ RawValue| {
        let tiered: Tiered<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(tier(word(Some(tiered.kind))?.as_bytes()))
    };
    #[derive(Deserialize)]
    struct Performance<'a> {
        #[serde(borrow)]
        latency: &'a RawValue,
    }
    let fast = |raw: &'_ RawValue| {
        let performance: Performance<'_> = serde_json::from_str(raw.get()).ok()?;
        Some(word(Some(performance.latency))? != "standard")
    };
    Told { tier: service_tier.and_then(read), is_fast: performance.and_then(fast), ..Told::default() }
}

/// What one event of a stream, or a whole answer, tells.
pub fn told(protocol: Protocol, data: &[u8]) -> Told {
    let answer: Answer<'_> = serde_json::from_slice(data).unwrap_or_default();
    match protocol {
        Protocol::OpenAiChat => told_by_openai(answer.service_tier),
        Protocol::OpenAiResponses => {
            told_by_openai(answer.service_tier.or(answer.response.and_then(|inner| inner.service_tier)))
        }
        Protocol::BedrockConverse => told_by_bedrock(answer.tier, answer.performance),
        // It has one price.
        Protocol::CohereChat => Told::default(),
        Protocol::AnthropicMessages => {
            let usage = answer.usage.or(answer.message.and_then(|message| message.usage));
            usage.map(told_by_anthropic).unwrap_or_default()
        }
        Protocol::Gemini => answer.usage_metadata.map(told_by_gemini).unwrap_or_default(),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, rename = "serviceTier")]
    tier: Option<&'a RawValue>,
    #[serde(borrow, rename = "performanceConfig")]
    performance: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow, rename = "usageMetadata")]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct GeminiUsage<'a> {
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    traffic_type: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AnthropicUsage<'a> {
    #[serde(borrow)]
    speed: Option<&'a RawValue>,
    #[serde(borrow)]
    inference_geo: Option<&'a RawValue>,
}

fn word(raw: Option<&RawValue>) -> Option<&str> {
    text(raw.map(|raw| raw.get().as_bytes())).and_then(|text| std::str::from_utf8(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier_of(tiers: ServiceTiers, raw: Option<&str>) -> TierDemand {
        let service_tier = raw.map(str::as_bytes);
        demand(tiers, Regions::OnePrice, Asked { service_tier, ..Asked::default() }).tier
    }

    #[test]
    fn every_word_of_a_request_is_understood_or_unknown() {
        use ServiceTiers::{AccountDecides, Named, OnePrice};
        for (tiers, raw, expected) in [
            (Named, None, TierDemand::Standard),
            (Named, Some("null"), TierDemand::Standard),
            (Named, Some("\"auto\""), TierDemand::Any),
            (Named, Some("\"priority\""), TierDemand::Named(Tier::Priority)),
            (Named, Some("\"performance\""), TierDemand::Named(Tier::Unknown)),
            (AccountDecides, None, TierDemand::Any),
            (AccountDecides, Some("null"), TierDemand::Any),
            (AccountDecides, Some("\"default\""), TierDemand::Standard),
            (AccountDecides, Some("\"fast\""), TierDemand::Named(Tier::Priority)),
            (AccountDecides, Some("\"flex\""), TierDemand::Named(Tier::Flex)),
            (AccountDecides, Some("\"ultrafast\""), TierDemand::Named(Tier::Unknown)),
            (AccountDecides, Some("\"def\\u0061ult\""), TierDemand::Named(Tier::Unknown)),
            (AccountDecides, Some("[\"default\"]"), TierDemand::Named(Tier::Unknown)),
            (OnePrice, None, TierDemand::Standard),
            (OnePrice, Some("\"auto\""), TierDemand::Standard),
            (OnePrice, Some("\"performance\""), TierDemand::Standard),
            (OnePrice, Some("\"standard_only\""), TierDemand::Standard),
            (OnePrice, Some("\"ultrafast\""), TierDemand::Named(Tier::Unknown)),
        ] {
            assert_eq!(tier_of(tiers, raw), expected, "{tiers:?} {raw:?}");
        }
    }

    #[test]
    fn speed_and_region_are_dearer_unless_they_are_known_not_to_be() {
        let of = |speed: &'static str, geo: &'static str| {
            let asked = Asked {
                speed: Some(speed.as_bytes()),
                inference_geo: Some(geo.as_bytes()),
                ..Asked::default()
            };
            let demand = demand(ServiceTiers::OnePrice, Regions::AccountDecides, asked);
            (demand.is_fast, demand.region)
        };
        assert_eq!(of("null", "null"), (false, RegionDemand::Perhaps));
        assert_eq!(of("\"standard\"", "\"global\""), (false, RegionDemand::Anywhere));
        assert_eq!(of("\"fast\"", "\"us\""), (true, RegionDemand::Named));
        assert_eq!(of("1", "[]"), (true, RegionDemand::Named));
    }

    #[test]
    fn a_region_may_be_told_by_its_host() {
        let regions = Regions::ByHost(".api.openai.com");
        assert!(regions.is_regional("eu.api.openai.com"));
        assert!(!regions.is_regional("api.openai.com") && !regions.is_regional("127.0.0.1"));
        assert!(!Regions::AccountDecides.is_regional("us.api.openai.com"));
    }

    #[test]
    fn answers_tell_what_was_served() {
        let openai = |data: &str| told(Protocol::OpenAiChat, data.as_bytes()).tier;
        assert_eq!(openai(r#"{"service_tier":"default","usage":null}"#), Some(Tier::Standard));
        assert_eq!(openai(r#"{"choices":[],"service_tier":"fast"}"#), Some(Tier::Priority));
        assert_eq!(openai(r#"{"service_tier":"ultrafast"}"#), Some(Tier::Unknown));
        assert_eq!(openai(r#"{"service_tier":7}"#), Some(Tier::Unknown));
        for silent in [r#"{"service_tier":"auto"}"#, r#"{"service_tier":null}"#, "{}", "no JSON"] {
            assert_eq!(openai(silent), None, "{silent}");
        }
        let responses = |data: &str| told(Protocol::OpenAiResponses, data.as_bytes()).tier;
        assert_eq!(responses(r#"{"service_tier":"flex"}"#), Some(Tier::Flex));
        assert_eq!(responses(r#"{"response":{"service_tier":"priority"}}"#), Some(Tier::Priority));
        let gemini = |data: &str| told(Protocol::Gemini, data.as_bytes()).tier;
        assert_eq!(gemini(r#"{"usageMetadata":{"serviceTier":"priority"}}"#), Some(Tier::Priority));
        assert_eq!(gemini(r#"{"usageMetadata":{"trafficType":"ON_DEMAND_FLEX"}}"#), Some(Tier::Flex));
        assert_eq!(gemini(r#"{"usageMetadata":{"promptTokenCount":1}}"#), None);
        let bedrock = |data: &str| told(Protocol::BedrockConverse, data.as_bytes()).tier;
        assert_eq!(bedrock(r#"{"serviceTier":{"type":"priority"}}"#), Some(Tier::Priority));
        assert_eq!(bedrock(r#"{"serviceTier":{"type":"reserved"}}"#), Some(Tier::Standard));
        assert_eq!(bedrock(r#"{"serviceTier":"flex"}"#), None);
        let anthropic = |data: &str| told(Protocol::AnthropicMessages, data.as_bytes());
        let start = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1,"speed":"standard",
            "inference_geo":"us","service_tier":"priority"}}}"#;
        let expected = Told { tier: None, is_fast: Some(false), is_regional: Some(true) };
        assert_eq!(anthropic(start), expected);
        assert_eq!(anthropic(r#"{"usage":{"inference_geo":"not_available"}}"#).is_regional, Some(false));
    }
}
