//! Fields of a body that passes through in which something stands that the provider is known to refuse: they are read
//! and written anew.

use super::super::nested;
use super::translate::asked_form;
use super::{describe, refused};
use crate::providers::Target;
use crate::refusal::Refusal;
use bytes::Bytes;
use llm::Protocol;
use llm::ir::{ChatRequest, Reasoning};
use llm::raw::RawObject;
use llm::structured::Form;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// What only this gateway and the reference product understand in messages of OpenAI's protocol.
static OUR_WORDS: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    ["\"reasoning_signature\"", "\"thinking_blocks\"", "\"input_file\"", "\"file_input\""].map(Finder::new)
});
/// What only some providers take.
static CACHE_CONTROL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"cache_control\""));
static JSON_SCHEMA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"json_schema\""));
static REASONING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"reasoning_content\""));
/// Thoughts of one vendor in another's protocol, as our own translations write them.
static FOREIGN: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    [
        "\"signature\":\"openai_",
        "\"signature\": \"openai_",
        "\"anthropic_messages:",
        "\"gemini:",
        "\"redacted:",
    ]
    .map(Finder::new)
});
/// Thoughts as our own translation of unsigned ones writes them.
static UNSIGNED: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["\"signature\":\"\"", "\"signature\": \"\""].map(Finder::new));
/// The efforts that go to OpenAI-speaking providers as they are; the others are the reference product's.
const EFFORTS: [&str; 7] =
    ["\"none\"", "\"minimal\"", "\"low\"", "\"medium\"", "\"high\"", "\"xhigh\"", "null"];

/// The top-level fields of a body that hold what the provider is known to refuse, or must be written together
/// with one that does. Nearly always none: bytes that stay as they are keep prompt caches warm.
///
/// Quotes in a JSON string are escaped, so the words cannot be mistaken for what somebody wrote. A tool may
/// have an argument of such a name; then messages are written anew that need not be, and say the same.
fn fields_to_rewrite(body: &RawObject, target: &Target) -> Vec<&'static str> {
    let spec = target.provider.spec;
    let has = |field: &str| body.get(field).is_some_and(|raw| raw != b"null");
    let holds = |field: &str, word: &Finder<'_>| body.get(field).is_some_and(|raw| word.find(raw).is_some());
    let mut fields = Vec::new();
    let is_known = |raw: &[u8]| EFFORTS.iter().any(|effort| effort.as_bytes() == raw);
    if target.endpoint.route.protocol == Protocol::OpenAiResponses {
        if FOREIGN.iter().any(|word| holds("input", word)) {
            // Instructions may stand in either.
            fields.extend(["input", "instructions"]);
        }
        if effort_of_responses(body).is_some_and(|effort| !is_known(&effort) && effort != b"\"max\"") {
            fields.push("reasoning");
        }
        return fields;
    }
    if matches!(target.endpoint.route.protocol, Protocol::Gemini | Protocol::BedrockConverse) {
        return fields;
    }
    if target.endpoint.route.protocol == Protocol::AnthropicMessages {
        let is_foreign = FOREIGN.iter().any(|word| holds("messages", word));
        let is_unsigned = || UNSIGNED.iter().any(|word| holds("messages", word));
        if is_foreign || !spec.takes_unsigned_thoughts && is_unsigned() {
            fields.push("messages");
            // Some models think only where the turn that awaits tool results begins with its thoughts.
            fields.extend(["thinking", "max_tokens"].iter().filter(|_| has("max_tokens")));
        }
        return fields;
    }
    let refuses_marker = |field| !spec.takes_cache_control && holds(field, &CACHE_CONTROL);
    let refuses_thoughts = !spec.takes_unsigned_thoughts && holds("messages", &REASONING);
    if refuses_thoughts || refuses_marker("messages") || OUR_WORDS.iter().any(|word| holds("messages", word))
    {
        fields.push("messages");
    }
    if !spec.takes_schema && holds("response_format", &JSON_SCHEMA) {
        fields.push("response_format");
        if !fields.contains(&"messages") {
            fields.push("messages");
        }
    }
    if refuses_marker("tools") {
        fields.extend(["tools", "web_search_options"]);
    }
    if !spec.takes_cache_control && has("cache_control") {
        fields.push("cache_control");
    }
    if !spec.takes_unsigned_thoughts && (has("thinking") || has("reasoning")) {
        fields.extend(["reasoning_effort", "thinking", "reasoning"]);
    } else if !body.get("reasoning_effort").is_none_or(is_known) {
        fields.push("reasoning_effort");
    }
    fields
}

/// Lets a request think as much as the model's name says, and show it as the request does.
pub(super) fn think_as_named(request: &mut ChatRequest, named: Option<&Reasoning>) {
    if let Some(named) = named {
        let display = request.reasoning.take().and_then(|reasoning| reasoning.display);
        request.reasoning = Some(Reasoning { display, ..named.clone() });
    }
}

/// Writes how much to think into `generationConfig`, and leaves the rest of it alone.
fn think_in_gemini(
    body: &mut RawObject,
    reasoning: &Reasoning,
    target: &Target,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let mut part = RawObject::parse(Bytes::from_static(b"{\"contents\":[{\"parts\":[{\"text\":\".\"}]}]}"))
        .map_err(|_| Refusal::Internal)?;
    if let Some(thinking) = nested::thinking(body) {
        part.set("generationConfig", [b"{\"thinkingConfig\":", &thinking[..], b"}"].concat());
    }
    let mut request = Protocol::Gemini.decode_request(&part.to_bytes()).map_err(refused)?;
    think_as_named(&mut request, Some(reasoning));
    let encoded = Protocol::Gemini.encode_request(&request, &describe(target)).map_err(refused)?;
    let written = RawObject::parse(encoded.body.into()).map_err(|_| Refusal::Internal)?;
    nested::set_thinking(body, nested::thinking(&written));
    warnings.extend(encoded.warnings.iter().map(ToString::to_string));
    Ok(())
}

/// Writes how much to think where the model takes that, and leaves the rest of what only some models take alone.
fn think_in_converse(
    body: &mut RawObject,
    reasoning: &Reasoning,
    target: &Target,
    warnings: &mut Vec<String>,
) -> Result<(), Refusal> {
    let fields = ["inferenceConfig", "additionalModelRequestFields", "outputConfig"];
    let least = Bytes::from_static(b"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\".\"}]}]}");
    let mut part = RawObject::parse(least).map_err(|_| Refusal::Internal)?;
    for field in fields {
        if let Some(raw) = body.get(field) {
            part.set(field, raw.to_vec());
        }
    }
    let mut request = Protocol::BedrockConverse.decode_request(&part.to_bytes()).map_err(refused)?;
    think_as_named(&mut request, Some(reasoning));
    let encoded = Protocol::BedrockConverse.encode_request(&request, &describe(target)).map_err(refused)?;
    let written = RawObject::parse(encoded.body.into()).map_err(|_| Refusal::Internal)?;
    take_over(body, &written, &fields);
    warnings.extend(encoded.warnings.iter().map(ToString::to_string));
    Ok(())
}

/// Has these fields as they were written anew.
fn take_over(body: &mut RawObject, written: &RawObject, fields: &[&str]) {
    for field in fields {
        match written.get(field) {
            Some(raw) => body.set(field, raw.to_vec()),
            None => {
                body.remove(field);
            }
        }
    }
}

/// The fields that say how much to think, and those that may not be set beside them.
fn fields_of_reasoning(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::OpenAiChat => &["reasoning_effort", "thinking", "reasoning"],
        Protocol::OpenAiResponses => &["reasoning"],
        Protocol::AnthropicMessages => &[
            "thinking",
            "output_config",
            "max_tokens",
            "temperature",
            "top_p",
            "top_k",
            "system",
            "messages",
        ],
        // Gemini's and Converse say so within objects, of which nothing else changes; nobody calls in Cohere's.
        Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat => &[],
    }
}

/// `reasoning.effort`, as JSON text.
fn effort_of_responses(body: &RawObject) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct Reasoning<'a> {
        #[serde(borrow, default)]
        effort: Option<&'a serde_json::value::RawValue>,
    }
    let reasoning: Reasoning<'_> = serde_json::from_slice(body.get("reasoning")?).ok()?;
    reasoning.effort.map(|effort| effort.get().as_bytes().to_vec())
}

/// Reads the fields that the provider would refuse, and writes them again without what it refuses. Gives the form of the
/// answer, where that is now asked for in words.
pub(super) fn rewrite(
    body: &mut RawObject,
    reasoning: Option<&Reasoning>,
    target: &Target,
    warnings: &mut Vec<String>,
) -> Result<Option<Form>, Refusal> {
    let protocol = target.endpoint.route.protocol;
    if let (Protocol::Gemini, Some(reasoning)) = (protocol, reasoning) {
        return think_in_gemini(body, reasoning, target, warnings).map(|()| None);
    }
    if let (Protocol::BedrockConverse, Some(reasoning)) = (protocol, reasoning) {
        return think_in_converse(body, reasoning, target, warnings).map(|()| None);
    }
    let mut fields = fields_to_rewrite(body, target);
    if reasoning.is_some() {
        for field in fields_of_reasoning(protocol) {
            // Whether there is a limit is the provider's to judge, not ours to fill in.
            let is_absent_limit = *field == "max_tokens" && body.get(field).is_none();
            if !fields.contains(field) && !is_absent_limit {
                fields.push(field);
            }
        }
    }
    if fields.is_empty() {
        return Ok(None);
    }
    // The rest is neither read nor judged. What every request must have stands there without a meaning.
    let least = match protocol {
        Protocol::OpenAiResponses => Bytes::from_static(b"{\"model\":\"\"}"),
        Protocol::Gemini => Bytes::from_static(b"{\"contents\":[{\"parts\":[{\"text\":\".\"}]}]}"),
        Protocol::OpenAiChat
        | Protocol::AnthropicMessages
        | Protocol::BedrockConverse
        | Protocol::CohereChat => Bytes::from_static(b"{\"model\":\"\",\"max_tokens\":1,\"messages\":[]}"),
    };
    let mut part = RawObject::parse(least).map_err(|_| Refusal::Internal)?;
    part.set_string("model", &target.model_id);
    for field in &fields {
        if let Some(raw) = body.get(field) {
            part.set(field, raw.to_vec());
        }
    }
    let mut request = match protocol.decode_request(&part.to_bytes()) {
        Ok(request) => request,
        // What the model's name asks for cannot be written into it.
        Err(error) if reasoning.is_some() => return Err(refused(error)),
        // It goes as it came: its provider knows best what is wrong with it.
        Err(_) => return Ok(None),
    };
    think_as_named(&mut request, reasoning);
    let encoded = protocol.encode_request(&request, &describe(target)).map_err(refused)?;
    let written = RawObject::parse(encoded.body.into()).map_err(|_| Refusal::Internal)?;
    take_over(body, &written, &fields);
    warnings.extend(encoded.warnings.iter().map(ToString::to_string));
    Ok(asked_form(&request.output).filter(|_| encoded.is_form_emulated))
}
