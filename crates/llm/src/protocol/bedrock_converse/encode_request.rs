//! Writing a Converse request. Blocks are written in `encode_content`, tools in `tools`, the form of the answer in
//! `output`.

use super::super::anthropic_messages::encode_request::{stop_sequences, unknown_sampling};
use super::super::anthropic_messages::thinking;
use super::super::unsaid::{warn_extra, warn_ignored};
use super::super::write::to_json_of;
use super::super::{Encoded, Target, TranslateError};
use super::encode_content::ContentWriter;
use super::model::Family;
use super::wire::{Additional, Block, Effort, Inference, Kind, ReasoningConfig, Request, TopK};
use super::{output, tools};
use crate::ir::{self, ChatRequest, Thinking, Warnings};
use crate::protocol::Protocol;
use crate::raw::RawObject;
use bytes::Bytes;
use std::collections::HashSet;

/// Writes a request for a target.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    let mut warnings = Warnings::new(request.protocol, Protocol::BedrockConverse);
    let family = Family::of(target.model);
    let from = request.protocol;
    let mut writer = ContentWriter { warnings: &mut warnings, from, family, names: HashSet::new() };
    let mut system = writer.system(&request.system)?;
    let mut messages = writer.messages(request)?;
    if let Some(point) = writer.cache_point(request.cache_control.as_ref())
        && let Some(last) = messages.last_mut()
    {
        last.content.push(Block::CachePoint(point));
    }
    let (inference_config, additional) = drawing(request, target, family, &mut warnings);
    let is_thinking = additional.is_thinking();
    let way = output::way(request, family, is_thinking, &mut warnings);
    system.extend(output::instruction(request, way).map(|text| Block::Text(text.into())));
    let tool_config = tools::config(request, family, way, is_thinking, &mut warnings)?;
    let body = Request {
        messages,
        system,
        inference_config,
        tool_config,
        additional_model_request_fields: additional,
        output_config: output::config(request, way, &mut warnings),
        service_tier: service_tier(request, &mut warnings),
    };
    let mut body = to_json_of(request, &body);
    if from == Protocol::BedrockConverse {
        body = with_own(body, request);
    } else {
        warn_extra(request, &[], &mut warnings);
    }
    if request.user.is_some() {
        warnings.add("user", "dropped: the protocol knows no end users");
    }
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    warn_ignored(&request.ignored, &mut warnings);
    Ok(Encoded {
        body,
        warnings: warnings.take(),
        is_form_emulated: matches!(way, output::Way::Tool | output::Way::Words),
    })
}

/// The body with what only its own protocol knows.
fn with_own(body: Vec<u8>, request: &ChatRequest) -> Vec<u8> {
    // What was written here can be read.
    let Ok(mut object) = RawObject::parse(body.clone().into()) else { return body };
    for field in &request.extra {
        let value = field.value.get().as_bytes();
        let written = object.get(&field.name).map(Bytes::copy_from_slice);
        let joined = written.and_then(|written| joined(written, value));
        object.set(&field.name, joined.unwrap_or_else(|| value.to_vec()));
    }
    object.to_bytes().into()
}

/// Two objects in one. Where both have a field, the first one counts, but for objects in them, which are joined.
fn joined(first: Bytes, second: &[u8]) -> Option<Vec<u8>> {
    let (mut first, second) =
        (RawObject::parse(first).ok()?, RawObject::parse(Bytes::copy_from_slice(second)).ok()?);
    for name in second.keys() {
        let Some(value) = second.get(name) else { continue };
        match first.get(name).map(Bytes::copy_from_slice) {
            None => first.set(name, value.to_vec()),
            Some(written) => {
                if let Some(both) = joined(written, value) {
                    first.set(name, both);
                }
            }
        }
    }
    Some(first.to_bytes().into())
}

/// How the answer is drawn: its length, its spread, and how much the model thinks before.
fn drawing<'a>(
    request: &'a ChatRequest,
    target: &Target<'_>,
    family: Family,
    warnings: &mut Warnings,
) -> (Inference<'a>, Additional<'a>) {
    let sampling = &request.sampling;
    let mut inference = Inference {
        max_tokens: sampling.max_output_tokens,
        temperature: None,
        top_p: None,
        stop_sequences: stop_sequences(sampling, warnings),
    };
    let mut additional = Additional::default();
    if let Family::Claude(traits) = family {
        let plan = thinking::plan(request, target, traits, warnings);
        inference.max_tokens = Some(plan.max_tokens);
        additional.output_config = plan.effort.map(|effort| Effort { effort });
        additional.thinking = plan.thinking;
        let drawn = thinking::sampling(sampling, additional.is_thinking(), traits, warnings);
        inference.temperature = drawn.temperature;
        inference.top_p = drawn.top_p;
        additional.top_k = drawn.top_k;
    } else {
        inference.temperature = sampling.temperature.map(|temperature| temperature.clamp(0.0, 1.0));
        if let Some((asked, sent)) =
            sampling.temperature.zip(inference.temperature).filter(|(asked, sent)| asked != sent)
        {
            warnings.add("temperature", format!("{asked} was lowered to {sent}"));
        }
        inference.top_p = sampling.top_p;
        top_k(sampling.top_k, family, &mut additional, warnings);
        if let Some(reasoning) = &request.reasoning {
            think(reasoning, family, &mut inference, &mut additional, warnings);
        }
    }
    unknown_sampling(sampling, warnings);
    (inference, additional)
}

impl Additional<'_> {
    /// Whether the model is asked to think.
    fn is_thinking(&self) -> bool {
        self.thinking.as_ref().is_some_and(super::super::anthropic_messages::wire::Thinking::is_on)
            || self.reasoning_config.is_some()
    }
}

/// Each vendor has a name of its own for it.
fn top_k(asked: Option<u64>, family: Family, additional: &mut Additional<'_>, warnings: &mut Warnings) {
    let Some(top_k) = asked else { return };
    match family {
        Family::Nova | Family::Nova2 => additional.inference_config = Some(TopK { top_k }),
        Family::Mistral | Family::Claude(_) => additional.top_k = Some(top_k),
        Family::Cohere => additional.k = Some(top_k),
        Family::GptOss | Family::Schematic | Family::Other => {
            warnings.add("top_k", format!("{top_k} was dropped: nobody says how this model takes it"));
        }
    }
}

/// Asks a model that is not Claude to think.
fn think(
    reasoning: &ir::Reasoning,
    family: Family,
    inference: &mut Inference<'_>,
    additional: &mut Additional<'_>,
    warnings: &mut Warnings,
) {
    let effort = reasoning.effort.or(match reasoning.thinking {
        Some(Thinking::Budget(tokens)) => Some(ir::Effort::of_budget(tokens)),
        Some(Thinking::Adaptive) => Some(ir::Effort::Medium),
        Some(Thinking::Disabled) | None => None,
    });
    let is_off = effort == Some(ir::Effort::None) || reasoning.thinking == Some(Thinking::Disabled);
    let effort = effort.unwrap_or(ir::Effort::Medium);
    let word = match effort {
        ir::Effort::None | ir::Effort::Min | ir::Effort::Minimal | ir::Effort::Low => "low",
        ir::Effort::Medium => "medium",
        ir::Effort::High | ir::Effort::ExtraHigh | ir::Effort::Max => "high",
    };
    match family {
        // It does not think unless asked.
        Family::Nova2 if is_off => return,
        Family::Nova2 => {
            // The highest effort is said to take no limits beside it (not checked against Amazon's pages); without
            // that of the length nobody knows what it costs.
            let is_limited = inference.max_tokens.is_some();
            let word = if word == "high" && is_limited { "medium" } else { word };
            if word == "high" && (inference.temperature.take().is_some() | inference.top_p.take().is_some()) {
                warnings.add("temperature", "temperature and top_p were dropped: high effort takes none");
            }
            additional.reasoning_config =
                Some(ReasoningConfig { kind: "enabled", max_reasoning_effort: Some(word) });
            warn_of_word(effort, word, warnings);
        }
        Family::GptOss => {
            additional.reasoning_effort = Some(word);
            warn_of_word(if is_off { ir::Effort::None } else { effort }, word, warnings);
        }
        Family::Claude(_)
        | Family::Nova
        | Family::Mistral
        | Family::Cohere
        | Family::Schematic
        | Family::Other => {
            if !is_off {
                warnings.add("reasoning_effort", "dropped: nobody says how this model is asked to think");
            }
            return;
        }
    }
    if let Some(Thinking::Budget(tokens)) = reasoning.thinking {
        warnings.add("thinking.budget_tokens", format!("{tokens} tokens became the effort {word}"));
    }
}

fn warn_of_word(asked: ir::Effort, sent: &str, warnings: &mut Warnings) {
    if asked.as_str() != sent {
        warnings.add("reasoning_effort", format!("{} was sent as {sent}", asked.as_str()));
    }
}

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html>, read 2026-11-26.
fn service_tier(request: &ChatRequest, warnings: &mut Warnings) -> Option<Kind> {
    let kind = match request.service_tier.as_deref()? {
        "auto" => return None,
        "default" | "standard_only" | "standard" => "default",
        "flex" => "flex",
        "priority" | "fast" => "priority",
        other => {
            warnings.add("service_tier", format!("{other} was dropped"));
            return None;
        }
    };
    Some(Kind { kind })
}
