//! Writing a request. Messages are written in `encode_messages`, tools in `tools`.
//!
//! Limits of the numbers: `cohere/v2/raw_client.py` of Cohere's Python SDK 7.3.1; that a temperature is at most 1 and that
//! a form goes with neither tools nor documents: <https://docs.cohere.com/reference/errors> and
//! <https://docs.cohere.com/reference/chat>. Read 2026-11-26.

use super::super::anthropic_messages::encode_request::stop_sequences;
use super::super::unsaid::{warn_extra, warn_ignored};
use super::super::write::{append_fields, to_json_of};
use super::super::{Encoded, Target, TranslateError};
use super::encode_messages::MessageWriter;
use super::{model, tools, wire};
use crate::ir::{ChatRequest, Effort, ExtraField, Json, OutputFormat, Sampling, Schema, Thinking, Warnings};
use crate::protocol::Protocol;
use crate::structured::{JSON_INSTRUCTION, instruction};

/// Fields of Cohere's own that a caller of any protocol may set.
const CARRIED: [&str; 4] = ["documents", "citation_options", "safety_mode", "priority"];
const STOPS_MAX: usize = 5;
const TOP_K_MAX: u64 = 500;
/// What <https://docs.cohere.com/docs/reasoning> (read 2026-11-26) says is to be left for the answer.
const ANSWER_TOKENS: u64 = 1024;

/// Writes a request for a target.
pub(in crate::protocol) fn encode_request(
    request: &ChatRequest,
    target: &Target<'_>,
) -> Result<Encoded, TranslateError> {
    let mut warnings = Warnings::new(request.protocol, Protocol::CohereChat);
    let mut body = wire::Request { model: target.model, stream: request.stream, ..Default::default() };
    tools::write(&mut body, request, &mut warnings);
    let carried: Vec<ExtraField> =
        request.extra.iter().filter(|field| CARRIED.contains(&field.name.as_str())).cloned().collect();
    let has_documents = carried.iter().any(|field| field.name == "documents");
    let is_alone = body.tools.is_empty() && !has_documents;
    let format = response_format(&request.output, is_alone, &mut warnings);
    let takes_documents = is_alone && request.output == OutputFormat::Text;
    let mut writer = MessageWriter::new(request, target, takes_documents, &mut warnings);
    writer.system(&request.system, format.as_ref().err().map(String::as_str));
    for message in &request.messages {
        writer.message(message)?;
    }
    (body.messages, body.documents) = writer.finish()?;
    let is_form_emulated = format.is_err();
    body.response_format = format.ok().flatten();
    body.thinking = thinking(request, target, &mut warnings);
    sampling(&mut body, &request.sampling, &mut warnings);
    let mut body = to_json_of(request, &body);
    append_fields(&mut body, &carried);
    leftovers(request, &mut warnings);
    Ok(Encoded { body, warnings: warnings.take(), is_form_emulated })
}

/// The form of the answer; the words that ask for it where it goes with something else that is asked for.
fn response_format<'a>(
    output: &'a OutputFormat,
    is_alone: bool,
    warnings: &mut Warnings,
) -> Result<Option<wire::ResponseFormat<'a>>, String> {
    let schema = match output {
        OutputFormat::Text => return Ok(None),
        OutputFormat::Json => None,
        OutputFormat::Schema(Schema { schema, description, .. }) => {
            if description.is_some() {
                warnings.add("response_format", "the description of the schema was dropped");
            }
            schema.as_ref()
        }
    };
    if is_alone && schema.is_none_or(Json::is_schema_of_object) {
        return Ok(Some(wire::ResponseFormat { kind: "json_object", json_schema: schema.map(Json::raw) }));
    }
    let detail = match schema {
        Some(_) => "the JSON schema was sent as an instruction, it is not enforced",
        None => "json_object was sent as an instruction",
    };
    warnings.add("response_format", detail);
    Err(schema.map_or_else(|| JSON_INSTRUCTION.to_owned(), |schema| instruction(schema.get())))
}

/// How much to think. Models that can, do, unless they are told not to.
fn thinking(request: &ChatRequest, target: &Target<'_>, warnings: &mut Warnings) -> Option<wire::Thinking> {
    let reasoning = request.reasoning.as_ref()?;
    let of_effort = |effort: Option<Effort>| match effort {
        None => None,
        Some(Effort::None) => Some(Thinking::Disabled),
        Some(effort) => Some(effort.budget().map_or(Thinking::Adaptive, Thinking::Budget)),
    };
    let wanted = match reasoning.thinking {
        None => of_effort(reasoning.effort)?,
        Some(Thinking::Adaptive) => of_effort(reasoning.effort).unwrap_or(Thinking::Adaptive),
        Some(wanted @ (Thinking::Disabled | Thinking::Budget(_))) => wanted,
    };
    if !model::thinks(target.model) {
        if wanted != Thinking::Disabled {
            warnings.add("reasoning_effort", "dropped: this model does not think");
        }
        return None;
    }
    let budget = match wanted {
        Thinking::Disabled => return Some(wire::Thinking { kind: "disabled", token_budget: None }),
        Thinking::Adaptive => None,
        Thinking::Budget(tokens) => Some(tokens),
    };
    // The length of the answer has the thoughts in it.
    let known = Some(target.max_output_tokens).filter(|max| *max > 0);
    let length = request.sampling.max_output_tokens.into_iter().chain(known).min();
    let most = length.map_or(u64::MAX, |length| length.saturating_sub(ANSWER_TOKENS));
    let token_budget = budget.map(|tokens| tokens.min(most).max(1));
    if let (Some(Thinking::Budget(asked)), Some(sent)) = (reasoning.thinking, token_budget)
        && asked != sent
    {
        warnings.add("thinking.budget_tokens", format!("{asked} was limited to {sent}"));
    }
    Some(wire::Thinking { kind: "enabled", token_budget })
}

fn sampling<'a>(body: &mut wire::Request<'a>, sampling: &'a Sampling, warnings: &mut Warnings) {
    let mut limited = |feature, asked: Option<f64>, least: f64, most: f64| {
        let asked = asked?;
        let sent = asked.clamp(least, most);
        if sent != asked {
            warnings.add(feature, format!("{asked} was limited to {sent}"));
        }
        Some(sent)
    };
    body.temperature = limited("temperature", sampling.temperature, 0.0, 1.0);
    body.p = limited("top_p", sampling.top_p, 0.01, 0.99);
    // None is the default, and some models refuse both at once.
    let is_set = |penalty: &f64| *penalty > 0.0;
    body.frequency_penalty =
        limited("frequency_penalty", sampling.frequency_penalty, 0.0, 1.0).filter(is_set);
    body.presence_penalty = limited("presence_penalty", sampling.presence_penalty, 0.0, 1.0).filter(is_set);
    body.max_tokens = sampling.max_output_tokens;
    body.k = sampling.top_k.map(|asked| asked.min(TOP_K_MAX));
    if body.k != sampling.top_k {
        warnings.add("top_k", format!("limited to {TOP_K_MAX}"));
    }
    body.seed = sampling.seed.filter(|seed| *seed >= 0);
    if body.seed != sampling.seed {
        warnings.add("seed", "dropped: it may not be negative");
    }
    body.stop_sequences = stop_sequences(sampling, warnings);
    if body.stop_sequences.len() > STOPS_MAX {
        warnings.add("stop", format!("only the first {STOPS_MAX} stop sequences were kept"));
        body.stop_sequences.truncate(STOPS_MAX);
    }
    let lost = [
        ("logit_bias", sampling.logit_bias.as_ref().is_some_and(|bias| bias.get() != "{}")),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|count| count > 0)),
    ];
    for (feature, _) in lost.iter().filter(|(_, is_asked)| *is_asked) {
        warnings.add(feature, "dropped: the provider tells or takes none of a token's alone");
    }
    if sampling.n.is_some_and(|n| n > 1) {
        warnings.add("n", "one answer is given");
    }
}

/// What has no place in the protocol.
fn leftovers(request: &ChatRequest, warnings: &mut Warnings) {
    if request.cache_control.is_some() {
        warnings.add("cache_control", "markers were dropped: the provider caches by itself");
    }
    if request.user.is_some() {
        warnings.add("user", "dropped: the provider is told of no end users");
    }
    if let Some(tier) = request.service_tier.as_deref()
        && !matches!(tier, "auto" | "default" | "standard" | "standard_only")
    {
        warnings.add("service_tier", format!("{tier} was dropped"));
    }
    if request.is_legacy_functions {
        warnings.add("functions", "sent as tools; the answer has tool_calls");
    }
    warn_extra(request, &CARRIED, warnings);
    warn_ignored(&request.ignored, warnings);
}
