//! Prompt caching by the gateway: asks providers that keep a prompt's beginning only when told to.
//!
//! Anthropic takes a marker for the whole request and places it by itself; those who host its models take markers in
//! blocks only (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>, as of 2026-11-26). Nova on Bedrock
//! keeps prompts by itself, but only marked ones are cheaper
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>, read 2026-11-26). A caller who has set
//! any marker is left alone. OpenAI, Google and most others keep prompts without being asked.

use super::super::intake::Intake;
use crate::providers::Target;
use bytes::Bytes;
use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName};
use llm::Protocol;
use llm::protocol::bedrock_converse;
use llm::provider::RouteKind;
use llm::raw::RawObject;
use memchr::memmem;
use serde_json::value::RawValue;

const MARKER: &[u8] = br#"{"type":"ephemeral"}"#;
const FIELD: &str = "cache_control";
/// How a request tells that it has markers of its own.
const MARKERS: [&[u8]; 2] = [b"\"cache_control\"", b"\"cachePoint\""];
/// Shorter prompts are not kept by any model: 1,024 tokens at the least.
const PROMPT_BYTES_MIN: u64 = 4_096;
/// Tools whose every call repeats the last one's prompt, as they name themselves in these headers.
const CODING_TOOLS: [&str; 7] = ["cline", "roo code", "roo-code", "roocode", "kilo", "forge", "opencode"];
const NAMES: [HeaderName; 4] =
    [HeaderName::from_static("x-title"), HeaderName::from_static("http-referer"), REFERER, USER_AGENT];

/// Whether a prompt is to be kept that is long enough: as its caller says, and else where a coding tool calls. Who has set
/// a marker knows better.
pub(super) fn is_wanted(intake: &Intake, caller: &HeaderMap) -> bool {
    let is_wanted = intake.auto_cache.unwrap_or_else(|| {
        let names = NAMES.into_iter().filter_map(|name| caller.get(name)?.to_str().ok());
        names.map(str::to_ascii_lowercase).any(|name| CODING_TOOLS.iter().any(|tool| name.contains(tool)))
    });
    let is_marked = || MARKERS.iter().any(|marker| memmem::find(&intake.held.bytes, marker).is_some());
    is_wanted && intake.bytes() >= PROMPT_BYTES_MIN && !is_marked()
}

/// Whether a target keeps what is marked.
pub(super) fn takes_markers(target: &Target) -> bool {
    match target.endpoint.route.protocol {
        Protocol::AnthropicMessages => true,
        Protocol::BedrockConverse => bedrock_converse::takes_cache_points(&target.model_id),
        Protocol::OpenAiChat | Protocol::OpenAiResponses | Protocol::Gemini | Protocol::CohereChat => false,
    }
}

/// Asks the target to keep a prompt.
pub(super) fn mark(body: &mut RawObject, target: &Target) {
    let route = target.endpoint.route;
    if route.protocol == Protocol::BedrockConverse && route.kind == RouteKind::Chat {
        return point(body);
    }
    let is_of_anthropic = route.protocol == Protocol::AnthropicMessages && route.kind == RouteKind::Chat;
    if !is_of_anthropic {
        return;
    }
    if route.anthropic_version.is_none() {
        return body.set(FIELD, MARKER.to_vec());
    }
    let marked = [
        ("tools", body.get("tools").and_then(|raw| in_last(raw, mark_block))),
        ("system", body.get("system").and_then(mark_content)),
        ("messages", body.get("messages").and_then(|raw| in_last(raw, mark_message))),
    ];
    for (field, raw) in marked {
        if let Some(raw) = raw {
            body.set(field, raw);
        }
    }
}

/// The same in a request of Bedrock's protocol: behind its instructions, and behind all of it.
fn point(body: &mut RawObject) {
    let content_of = |raw: &[u8]| {
        let mut message = RawObject::parse(Bytes::copy_from_slice(raw)).ok()?;
        let content = with_point(message.get("content")?)?;
        message.set("content", content);
        Some(message.to_bytes().into())
    };
    let pointed = [
        ("system", body.get("system").and_then(with_point)),
        ("messages", body.get("messages").and_then(|raw| in_last(raw, content_of))),
    ];
    for (field, raw) in pointed {
        if let Some(raw) = raw {
            body.set(field, raw);
        }
    }
}

/// A list of blocks with a point at its end. `None`: it has none.
fn with_point(raw: &[u8]) -> Option<Vec<u8>> {
    let blocks: Vec<&RawValue> = serde_json::from_slice(raw).ok()?;
    let open = raw.trim_ascii_end().strip_suffix(b"]").filter(|_| !blocks.is_empty())?;
    Some([open, br#",{"cachePoint":{"type":"default"}}]"#].concat())
}

/// The list with another last item. `None`: it stays as it is.
fn in_last(raw: &[u8], change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let items: Vec<&RawValue> = serde_json::from_slice(raw).ok()?;
    let (last, before) = items.split_last()?;
    let last = change(last.get().as_bytes())?;
    let mut out = Vec::with_capacity(raw.len() + 64);
    out.push(b'[');
    for item in before {
        out.extend_from_slice(item.get().as_bytes());
        out.push(b',');
    }
    out.extend_from_slice(&last);
    out.push(b']');
    Some(out)
}

fn mark_message(raw: &[u8]) -> Option<Vec<u8>> {
    let mut message = RawObject::parse(Bytes::copy_from_slice(raw)).ok()?;
    let content = mark_content(message.get("content")?)?;
    message.set("content", content);
    Some(message.to_bytes().into())
}

/// A text or a list of blocks, with a marker at its end.
fn mark_content(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.first() == Some(&b'"') {
        return Some([br#"[{"type":"text","text":"#, raw, br#","cache_control":"#, MARKER, b"}]"].concat());
    }
    in_last(raw, mark_block)
}

fn mark_block(raw: &[u8]) -> Option<Vec<u8>> {
    let mut block = RawObject::parse(Bytes::copy_from_slice(raw)).ok()?;
    // Thoughts take no marker.
    if block.get("type").is_some_and(|kind| memmem::find(kind, b"thinking").is_some()) {
        return None;
    }
    block.set(FIELD, MARKER.to_vec());
    Some(block.to_bytes().into())
}
