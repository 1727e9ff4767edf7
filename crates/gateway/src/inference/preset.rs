//! What a model's name says beside the model, written into the request: a variant (`:low`, `:flex`) is what the caller
//! asks for, the settings of an alias count where the caller says nothing.

use super::intake::Intake;
use super::{converse, nested, protocol_of, route_of};
use crate::providers::{Defaults, Target};
use domain::record::Operation;
use llm::Protocol;
use llm::provider::RouteKind;

/// Writes it. How much to think is only noted: how that is said depends on the model, and is written when the request is
/// prepared.
pub fn apply(operation: Operation, intake: &mut Intake, target: &Target) {
    if route_of(operation) != RouteKind::Chat {
        return;
    }
    let protocol = protocol_of(operation);
    if let Some(defaults) = &target.defaults {
        fill(protocol, intake, defaults);
    }
    if let Some(tier) = target.variants.tier {
        set_tier(protocol, intake, tier);
    }
    if let Some(reasoning) = target.variants.reasoning() {
        intake.reasoning = Some(reasoning);
    }
}

/// The fields that name a tier of service: the one that is written first, then other spellings of it.
const fn tier_fields(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Gemini => &["serviceTier", "service_tier"],
        Protocol::BedrockConverse => &["serviceTier"],
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::CohereChat => &["service_tier"],
    }
}

fn set_tier(protocol: Protocol, intake: &mut Intake, tier: &str) {
    if protocol == Protocol::BedrockConverse {
        return converse::set_tier(&mut intake.body, tier);
    }
    let fields = tier_fields(protocol);
    for field in fields {
        intake.body.remove(field);
    }
    intake.body.set_string(fields[0], tier);
}

fn fill(protocol: Protocol, intake: &mut Intake, defaults: &Defaults) {
    let Defaults { reasoning, service_tier, max_output_tokens, temperature, top_p, auto_cache } = defaults;
    intake.auto_cache = intake.auto_cache.or(*auto_cache);
    if reasoning.is_some() && !says_how_to_think(protocol, intake) {
        intake.reasoning.clone_from(reasoning);
    }
    if let Some(word) = service_tier
        && !has(intake, tier_fields(protocol))
    {
        set_tier(protocol, intake, word);
    }
    // Finite numbers of the settings are numbers of JSON too.
    let numbers = [
        (max_output_tokens.map(|tokens| tokens.to_string()), limit_fields(protocol)),
        (temperature.map(|number| number.to_string()), &["temperature"]),
        (top_p.map(|number| number.to_string()), &["top_p", "topP"]),
    ];
    for (number, fields) in numbers {
        let Some(number) = number else { continue };
        if protocol == Protocol::Gemini {
            nested::fill(&mut intake.body, fields, &number);
        } else if protocol == Protocol::BedrockConverse {
            // The last spelling is Converse's too.
            converse::fill(&mut intake.body, fields.last().unwrap_or(&"temperature"), number);
        } else if !has(intake, fields) {
            intake.body.set(fields[0], number.into_bytes());
        }
    }
}

fn has(intake: &Intake, fields: &[&str]) -> bool {
    fields.iter().any(|field| intake.body.get(field).is_some_and(|raw| raw != b"null"))
}

fn says_how_to_think(protocol: Protocol, intake: &Intake) -> bool {
    match protocol {
        Protocol::OpenAiChat => has(intake, &["reasoning_effort", "reasoning", "thinking"]),
        Protocol::OpenAiResponses => has(intake, &["reasoning"]),
        Protocol::AnthropicMessages => {
            let effort = intake.body.get("output_config");
            has(intake, &["thinking"])
                || effort.is_some_and(|raw| memchr::memmem::find(raw, b"\"effort\"").is_some())
        }
        Protocol::Gemini => nested::thinking(&intake.body).is_some(),
        Protocol::BedrockConverse => converse::says_how_to_think(&intake.body),
        Protocol::CohereChat => false,
    }
}

/// The fields that bound the answer; the first is written, of Gemini's the last.
const fn limit_fields(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::CohereChat => {
            &["max_tokens", "max_completion_tokens"]
        }
        Protocol::BedrockConverse => &["maxTokens"],
        Protocol::OpenAiResponses => &["max_output_tokens"],
        Protocol::Gemini => &["max_output_tokens", "maxOutputTokens"],
    }
}
