//! From a request as it came to the request that is sent.
//!
//! Where the provider speaks the caller's protocol the body's bytes are kept and only edited in place;
//! elsewhere they are translated. [`mode`] alone decides which. Of a body that passes through, a field with
//! something in it that the provider is known to refuse is written anew; [`fields_to_rewrite`] alone tells.

use super::intake::Intake;
use super::protocol_of;
use crate::providers::Target;
use crate::refusal::Refusal;
use bytes::Bytes;
use domain::record::Operation;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use llm::Protocol;
use llm::protocol::TranslateError;
use llm::provider::{OutputLimit, RouteKind};
use llm::raw::RawObject;
use memchr::memmem;

/// The version of Anthropic's API that is asked for when the caller names none.
/// <https://platform.claude.com/docs/en/api/versioning>, read 2026-11-22.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
/// Headers of the caller that matter to a provider of the same protocol.
const PASSED_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
];

/// What only this gateway and the reference product understand in messages of OpenAI's protocol.
const OUR_WORDS: [&str; 4] =
    ["\"reasoning_signature\"", "\"thinking_blocks\"", "\"input_file\"", "\"file_input\""];
/// The efforts that go to OpenAI-speaking providers as they are; the others are the reference product's.
const EFFORTS: [&str; 7] =
    ["\"none\"", "\"minimal\"", "\"low\"", "\"medium\"", "\"high\"", "\"xhigh\"", "null"];

/// Whether bytes pass through or are translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Caller and provider speak one protocol.
    Passthrough,
    /// They do not.
    Translate,
}

/// Equal protocols pass through, others are translated. Nothing else chooses.
pub fn mode(inbound: Protocol, outbound: Protocol) -> Mode {
    if inbound == outbound { Mode::Passthrough } else { Mode::Translate }
}

/// A request ready to be sent, and what must be known of it later.
#[derive(Debug)]
pub struct Prepared {
    /// The endpoint that was called.
    pub operation: Operation,
    /// Where it goes.
    pub target: Target,
    /// How.
    pub mode: Mode,
    /// The headers for the provider.
    pub headers: HeaderMap,
    /// The body for the provider.
    pub body: Bytes,
    /// The caller wants a stream.
    pub is_stream: bool,
    /// The caller wants usage at the end of an OpenAI stream.
    pub wants_usage: bool,
    /// The model as the caller named it.
    pub requested_model: String,
    /// How many answers the caller asked for.
    pub answers: u32,
    /// What the translation could not carry.
    pub warnings: Vec<String>,
}

/// What comes of a request.
#[derive(Debug)]
pub enum Next {
    /// A provider is asked.
    Call(Box<Prepared>),
    /// The prompt's tokens are estimated here, for providers that cannot count.
    Estimate {
        /// The estimate.
        input_tokens: u64,
    },
}

/// Prepares a call to `target`.
pub fn prepare(
    operation: Operation,
    mut intake: Intake,
    target: Target,
    caller: &HeaderMap,
) -> Result<Next, Refusal> {
    let inbound = protocol_of(operation);
    let outbound = target.endpoint.route.protocol;
    if operation == Operation::CountTokens && target.endpoint.route.kind != RouteKind::CountTokens {
        let request = inbound.decode_request(&intake.body.to_bytes()).map_err(refused)?;
        return Ok(Next::Estimate { input_tokens: llm::tokens::of_request(&request) });
    }
    let mut warnings: Vec<String> =
        intake.unknown_options.iter().map(|option| format!("{option}: unknown option, ignored")).collect();
    let mode = mode(inbound, outbound);
    let (body, answers) = match mode {
        Mode::Passthrough => {
            if operation != Operation::Embeddings {
                rewrite(&mut intake.body, &target, &mut warnings)?;
            }
            edit(operation, &mut intake, &target)?;
            (intake.body.to_bytes(), 1)
        }
        Mode::Translate => {
            demand_limit(operation, &intake.body)?;
            warnings.extend(lost_headers(caller));
            let mut request = inbound.decode_request(&intake.body.to_bytes()).map_err(refused)?;
            // Usage is metered whether the caller wants to see it or not.
            request.include_usage = request.stream;
            let answers = request.sampling.n.unwrap_or(1);
            let encoded = outbound.encode_request(&request, &describe(&target)).map_err(refused)?;
            warnings.extend(encoded.warnings.iter().map(ToString::to_string));
            (encoded.body.into(), answers)
        }
    };
    Ok(Next::Call(Box::new(Prepared {
        operation,
        headers: headers(&target, caller, mode, intake.is_stream),
        mode,
        body,
        is_stream: intake.is_stream,
        wants_usage: intake.wants_usage,
        requested_model: intake.model,
        answers,
        warnings,
        target,
    })))
}

/// What the encoders must know of the target.
fn describe(target: &Target) -> llm::protocol::Target<'_> {
    llm::protocol::Target {
        model: &target.model_id,
        max_output_tokens: target.model.as_ref().map_or(0, |model| model.max_output_tokens),
        output_limit: target.provider.spec.output_limit,
        takes_stream_options: target.provider.spec.takes_stream_options,
        takes_cache_control: target.provider.spec.takes_cache_control,
        takes_unsigned_thoughts: target.provider.spec.takes_unsigned_thoughts,
    }
}

/// A request that cannot be translated is the caller's to change.
fn refused(error: TranslateError) -> Refusal {
    Refusal::InvalidRequest { message: error.to_string(), param: error.param().map(str::to_owned) }
}

/// Anthropic's protocol demands a limit; where its own provider is asked, that provider does.
fn demand_limit(operation: Operation, body: &RawObject) -> Result<(), Refusal> {
    let is_set = body.get("max_tokens").is_some_and(|limit| limit != b"null");
    if operation == Operation::Messages && !is_set {
        return Err(Refusal::invalid_param("max_tokens", "max_tokens: field required"));
    }
    Ok(())
}

/// Beta features are asked for in headers, which mean nothing in another protocol.
fn lost_headers(caller: &HeaderMap) -> impl Iterator<Item = String> {
    let betas = PASSED_HEADERS.into_iter().filter(|name| name.as_str().ends_with("-beta"));
    let lost = betas.filter(|name| caller.contains_key(name));
    lost.map(|name| format!("{name}: dropped, the provider speaks another protocol"))
}

/// The top-level fields of a body that hold what the provider is known to refuse, or must be written together
/// with one that does. Nearly always none: bytes that stay as they are keep prompt caches warm.
///
/// Quotes in a JSON string are escaped, so the words cannot be mistaken for what somebody wrote. A tool may
/// have an argument of such a name; then messages are written anew that need not be, and say the same.
fn fields_to_rewrite(body: &RawObject, target: &Target) -> Vec<&'static str> {
    let spec = target.provider.spec;
    let has = |field: &str| body.get(field).is_some_and(|raw| raw != b"null");
    let holds = |field: &str, word: &str| {
        body.get(field).is_some_and(|raw| memmem::find(raw, word.as_bytes()).is_some())
    };
    let mut fields = Vec::new();
    if target.endpoint.route.protocol == Protocol::AnthropicMessages {
        // Our own translation of unsigned thoughts writes them so.
        let is_unsigned = |word| holds("messages", word);
        if !spec.takes_unsigned_thoughts
            && ["\"signature\":\"\"", "\"signature\": \"\""].into_iter().any(is_unsigned)
        {
            fields.push("messages");
            // Some models think only where the turn that awaits tool results begins with its thoughts.
            fields.extend(["thinking", "max_tokens"].iter().filter(|_| has("max_tokens")));
        }
        return fields;
    }
    let refuses_marker = |field| !spec.takes_cache_control && holds(field, "\"cache_control\"");
    let refuses_thoughts = !spec.takes_unsigned_thoughts && holds("messages", "\"reasoning_content\"");
    if refuses_thoughts || refuses_marker("messages") || OUR_WORDS.iter().any(|word| holds("messages", word))
    {
        fields.push("messages");
    }
    if refuses_marker("tools") {
        fields.extend(["tools", "web_search_options"]);
    }
    if !spec.takes_cache_control && has("cache_control") {
        fields.push("cache_control");
    }
    let is_known = |raw: &[u8]| EFFORTS.iter().any(|effort| effort.as_bytes() == raw);
    if !spec.takes_unsigned_thoughts && (has("thinking") || has("reasoning")) {
        fields.extend(["reasoning_effort", "thinking", "reasoning"]);
    } else if !body.get("reasoning_effort").is_none_or(is_known) {
        fields.push("reasoning_effort");
    }
    fields
}

/// Reads the fields that the provider would refuse, and writes them again without what it refuses.
fn rewrite(body: &mut RawObject, target: &Target, warnings: &mut Vec<String>) -> Result<(), Refusal> {
    let fields = fields_to_rewrite(body, target);
    if fields.is_empty() {
        return Ok(());
    }
    // The rest is neither read nor judged. What every request must have stands there without a meaning.
    let least = Bytes::from_static(b"{\"model\":\"\",\"max_tokens\":1,\"messages\":[]}");
    let mut part = RawObject::parse(least).map_err(|_| Refusal::Internal)?;
    part.set_string("model", &target.model_id);
    for field in &fields {
        if let Some(raw) = body.get(field) {
            part.set(field, raw.to_vec());
        }
    }
    let protocol = target.endpoint.route.protocol;
    // What cannot be read goes as it came: its provider knows best what is wrong with it.
    let Ok(request) = protocol.decode_request(&part.to_bytes()) else { return Ok(()) };
    let encoded = protocol.encode_request(&request, &describe(target)).map_err(refused)?;
    let written = RawObject::parse(encoded.body.into()).map_err(|_| Refusal::Internal)?;
    for field in fields {
        match written.get(field) {
            Some(raw) => body.set(field, raw.to_vec()),
            None => {
                body.remove(field);
            }
        }
    }
    warnings.extend(encoded.warnings.iter().map(ToString::to_string));
    Ok(())
}

/// The edits of a body that passes through.
fn edit(operation: Operation, intake: &mut Intake, target: &Target) -> Result<(), Refusal> {
    let body = &mut intake.body;
    body.set_string("model", &target.model_id);
    if operation != Operation::ChatCompletions {
        return Ok(());
    }
    let spec = target.provider.spec;
    if spec.output_limit == OutputLimit::MaxCompletionTokens
        && body.get("max_completion_tokens").is_none()
        && let Some(limit) = body.get("max_tokens").map(<[u8]>::to_vec)
    {
        body.remove("max_tokens");
        body.set("max_completion_tokens", limit);
    }
    if intake.is_stream && !intake.wants_usage && spec.takes_stream_options {
        ask_for_usage(body)?;
    }
    Ok(())
}

/// Asks for the usage event at the end of a stream, keeping the caller's other stream options.
fn ask_for_usage(body: &mut RawObject) -> Result<(), Refusal> {
    let options = match body.get("stream_options").filter(|raw| *raw != b"null") {
        None => b"{\"include_usage\":true}".to_vec(),
        Some(raw) => {
            let mut options = RawObject::parse(Bytes::copy_from_slice(raw)).map_err(|error| {
                Refusal::invalid_param("stream_options", format!("`stream_options` cannot be read: {error}"))
            })?;
            options.set("include_usage", b"true".to_vec());
            options.to_bytes().to_vec()
        }
    };
    body.set("stream_options", options);
    Ok(())
}

fn headers(target: &Target, caller: &HeaderMap, mode: Mode, is_stream: bool) -> HeaderMap {
    let mut headers = target.provider.headers(is_stream);
    if mode == Mode::Passthrough {
        for name in PASSED_HEADERS {
            if let Some(value) = caller.get(&name) {
                headers.insert(name, value.clone());
            }
        }
    }
    if target.endpoint.route.protocol == Protocol::AnthropicMessages {
        headers.entry(HeaderName::from_static("anthropic-version")).or_insert(ANTHROPIC_VERSION);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::super::intake;
    use super::*;
    use crate::providers::{Provider, ProviderSettings, Providers};
    use domain::Catalog;
    use serde_json::{Value, json};

    fn target(kind: &str, model: &str, preferred: Protocol) -> Target {
        let spec = llm::provider::find(kind).unwrap();
        let settings = ProviderSettings {
            name: "p".parse().unwrap(),
            spec,
            base_url: Some("http://127.0.0.1:1".to_owned()),
            key: None,
            catalog: Catalog::default(),
            allow_unknown_models: Some(true),
        };
        let providers = Providers::new([Provider::new(settings).unwrap()]);
        providers.target(&format!("p/{model}"), RouteKind::Chat, preferred).unwrap()
    }

    /// The body that a provider of this kind is sent, and the warnings.
    fn send(
        kind: &str,
        operation: Operation,
        body: &str,
        caller: &HeaderMap,
    ) -> Result<(Bytes, Vec<String>), Refusal> {
        let model = if kind == "anthropic" { "claude-sonnet-4-5" } else { "gpt-5" };
        let intake = intake::read(operation, Bytes::copy_from_slice(body.as_bytes()), "").unwrap();
        match prepare(operation, intake, target(kind, model, protocol_of(operation)), caller)? {
            Next::Call(prepared) => Ok((prepared.body, prepared.warnings)),
            Next::Estimate { .. } => panic!("nothing is sent"),
        }
    }

    fn sent(kind: &str, operation: Operation, body: Value) -> (Value, Vec<String>) {
        let (body, warnings) = send(kind, operation, &body.to_string(), &HeaderMap::new()).unwrap();
        (serde_json::from_slice(&body).unwrap(), warnings)
    }

    fn chat(kind: &str, mut fields: Value) -> (Value, Vec<String>) {
        let body = fields.as_object_mut().unwrap();
        body.insert("model".to_owned(), json!("p/m"));
        body.entry("messages").or_insert(json!([{"role": "user", "content": "Hi"}]));
        sent(kind, Operation::ChatCompletions, fields)
    }

    const MARKER: &str = r#"{"type":"ephemeral"}"#;

    #[test]
    fn an_ordinary_body_keeps_its_bytes() {
        let words = r#"[ {"role":"user","content":"say \"cache_control\" and \"signature\":\"\" 1.0"} ]"#;
        for kind in ["openai", "openai-compatible", "alibaba", "groq"] {
            let rest = format!(r#""messages":{words},"reasoning_effort":"xhigh","z":1.50,"a":{{"b" : 1}}"#);
            let body = format!(r#"{{"model":"p/gpt-5",{rest}}}"#);
            let (out, warnings) = send(kind, Operation::ChatCompletions, &body, &HeaderMap::new()).unwrap();
            assert_eq!(out, format!(r#"{{"model":"gpt-5",{rest}}}"#), "{kind}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        let rest = format!(
            r#""max_tokens":5,"messages":{words},"system":[{{"type":"text","text":"s","cache_control":{MARKER}}}]"#
        );
        let body = format!(r#"{{"model":"p/m",{rest}}}"#);
        let (out, warnings) = send("anthropic", Operation::Messages, &body, &HeaderMap::new()).unwrap();
        assert_eq!(out, format!(r#"{{"model":"claude-sonnet-4-5",{rest}}}"#));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn thoughts_go_only_where_they_are_taken() {
        let messages = json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "reasoning_content": "Hm.", "reasoning_signature": "c2ln"},
            {"role": "user", "content": "c"},
        ]);
        for kind in ["openai", "groq", "cerebras"] {
            let (body, warnings) = chat(kind, json!({"messages": messages}));
            assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "b"}), "{kind}");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        }
        for kind in ["openai-compatible", "xiaomi", "deepseek"] {
            let (body, warnings) = chat(kind, json!({"messages": messages}));
            let kept = json!({"role": "assistant", "content": "b", "reasoning_content": "Hm."});
            assert_eq!(body["messages"][1], kept, "{kind}");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        }
    }

    #[test]
    fn cache_markers_go_only_where_they_are_taken() {
        let marker = json!({"type": "ephemeral"});
        let part = json!({"type": "text", "text": "Hi", "cache_control": marker});
        let fields = json!({
            "messages": [{"role": "user", "content": [part]}],
            "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": marker}],
            "cache_control": marker, "verbosity": "low", "stop": "x", "thinking": {"type": "disabled"},
        });
        let (body, warnings) = chat("openai-compatible", fields.clone());
        let expected = json!({
            "model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "verbosity": "low", "stop": "x", "thinking": {"type": "disabled"},
        });
        assert_eq!(body, expected, "what is not refused stays");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        let (body, warnings) = chat("alibaba", fields);
        assert_eq!(body["messages"][0]["content"][0], part);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn efforts_that_only_the_gateway_knows_are_translated() {
        for (asked, sent) in [
            (json!("min"), json!("low")),
            (json!("max"), json!("high")),
            (json!("1500"), json!("medium")),
            (json!(10_000), json!("high")),
            (json!("none"), json!("none")),
            // What nobody knows is the provider's to refuse.
            (json!("very"), json!("very")),
        ] {
            let (body, warnings) = chat("openai-compatible", json!({"reasoning_effort": asked}));
            assert_eq!(body["reasoning_effort"], sent);
            let is_same = asked == sent;
            assert_eq!(warnings.is_empty(), is_same, "{warnings:?}");
        }
    }

    #[test]
    fn a_thinking_object_becomes_openai_s_effort() {
        let fields = json!({"thinking": {"type": "enabled", "budget_tokens": 3000}, "temperature": 1});
        let (body, _) = chat("openai", fields.clone());
        assert_eq!((&body["thinking"], &body["reasoning_effort"]), (&Value::Null, &json!("medium")));
        assert_eq!(body["temperature"], 1);
        let (body, warnings) = chat("deepseek", fields.clone());
        assert_eq!(body["thinking"], fields["thinking"]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_file_of_the_gateways_own_kind_becomes_openai_s() {
        for kind in ["input_file", "file_input"] {
            let part = json!({"type": kind, "filename": "a.pdf", "file_data": "JVBERi0x"});
            let (body, _) = chat("openai", json!({"messages": [{"role": "user", "content": [part]}]}));
            let file = json!({"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"});
            assert_eq!(body["messages"][0]["content"], json!([{"type": "file", "file": file}]));
        }
    }

    #[test]
    fn unsigned_thoughts_do_not_reach_anthropic() {
        let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.0}});
        let unsigned = json!({"type": "thinking", "thinking": "Hm.", "signature": ""});
        let signed = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
        let body = json!({
            "model": "p/m", "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000},
            "future": {"z": 1}, "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": [signed, call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
                {"role": "assistant", "content": [unsigned, {"type": "text", "text": "b"}]},
                {"role": "user", "content": "c"},
            ],
        });
        let (out, warnings) = sent("anthropic", Operation::Messages, body.clone());
        assert_eq!(out["messages"][1]["content"], json!([signed, call]));
        assert_eq!(out["messages"][3]["content"], json!([{"type": "text", "text": "b"}]));
        assert_eq!((&out["thinking"], &out["future"]), (&body["thinking"], &body["future"]));
        assert_eq!(warnings, ["reasoning_content (anthropic_messages): unsigned thoughts were dropped"]);
        // Kimi wants its thoughts back, and signs none.
        let (out, warnings) = sent("moonshot", Operation::Messages, body);
        assert_eq!(out["messages"][3]["content"][0], unsigned);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_message_needs_its_limit_unless_anthropic_says_so_itself() {
        let body = r#"{"model":"p/m","messages":[{"role":"user","content":"Hi"}]}"#;
        let none = HeaderMap::new();
        let refusal = send("openai", Operation::Messages, body, &none).unwrap_err();
        assert_eq!((refusal.status(), refusal.param()), (400, Some("max_tokens")));
        assert!(send("anthropic", Operation::Messages, body, &none).is_ok());
    }

    #[test]
    fn beta_headers_that_are_lost_are_told() {
        let mut caller = HeaderMap::new();
        caller.insert("anthropic-beta", HeaderValue::from_static("one-2025"));
        caller.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        let body = r#"{"model":"p/m","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}"#;
        let (_, warnings) = send("openai", Operation::Messages, body, &caller).unwrap();
        assert_eq!(warnings, ["anthropic-beta: dropped, the provider speaks another protocol"]);
        let (_, warnings) = send("anthropic", Operation::Messages, body, &caller).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
