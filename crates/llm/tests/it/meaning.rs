//! A request that goes through protocols means the same afterwards, but for what the warnings tell.

use llm::Protocol;
use llm::ir::{
    ChatRequest, Content, FunctionTool, Json, Message, OutputFormat, Part, Role, Sampling, Schema, Source,
    Tool, ToolCall, ToolCallKind, ToolChoice, ToolResult, Warning,
};
use llm::protocol::Target;
use llm::provider::OutputLimit;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const TARGET: Target<'static> = Target {
    model: "claude-sonnet-4-5",
    max_output_tokens: 64_000,
    output_limit: OutputLimit::MaxTokens,
    takes_stream_options: true,
    takes_cache_control: true,
    takes_unsigned_thoughts: true,
    takes_custom_tools: true,
    searches_in_chat: true,
    takes_schema: true,
};

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z\u{e4}\u{1f600}\"\\\\\n ]{0,10}[a-z.]"
}

fn text_part() -> impl Strategy<Value = Part> {
    let marker = option::weighted(0.2, Just(Json::parse(r#"{"type":"ephemeral"}"#).unwrap()));
    (words(), marker).prop_map(|(text, cache_control)| Part { cache_control, ..Part::text(text) })
}

fn user_part() -> impl Strategy<Value = Part> {
    let png = || Source::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() };
    let pdf = || Source::Base64 { media_type: "application/pdf".to_owned(), data: "JVBERi0x".to_owned() };
    let url = || Source::Url("https://example.com/a.png".to_owned());
    let image = (prop_oneof![Just(png()), Just(url())], option::weighted(0.3, Just("low".to_owned())))
        .prop_map(|(source, detail)| Part::new(Content::Image { source, detail }));
    let document = words().prop_map(move |name| {
        let source = pdf();
        Part::new(Content::Document { source, name: Some(name), context: None, citations: None })
    });
    prop_oneof![4 => text_part(), 1 => image, 1 => document]
}

/// A turn of the assistant with some calls, and the turn that answers them.
fn exchange() -> impl Strategy<Value = Vec<Message>> {
    let result = (vec(text_part(), 0..3), prop::bool::weighted(0.2));
    let follow_up = vec(user_part(), 1..3);
    (vec(text_part(), 0..3), vec((words(), result), 0..3), follow_up).prop_map(|(said, calls, follow_up)| {
        let mut parts = said;
        let mut answers = Vec::new();
        for (at, (argument, (result, is_error))) in calls.into_iter().enumerate() {
            let arguments = serde_json::json!({"a": argument, "n": 1.0}).to_string();
            let (id, name) = (format!("call_{at}"), "tool".to_owned());
            let call = ToolCall { id: id.clone(), name, kind: ToolCallKind::Function, arguments };
            parts.push(Part::new(Content::ToolCall(call)));
            answers.push(Part::new(Content::ToolResult(ToolResult { call_id: id, parts: result, is_error })));
        }
        if parts.is_empty() {
            parts.push(Part::text("Yes".to_owned()));
        }
        answers.extend(follow_up);
        let message = |role, parts| Message { role, parts, name: None };
        vec![message(Role::Assistant, parts), message(Role::User, answers)]
    })
}

/// Numbers that decimals write exactly; the last bit of others is not what is tested.
fn in_eighths(number: f64) -> f64 {
    (number * 8.0).round() / 8.0
}

fn sampling(protocol: Protocol) -> impl Strategy<Value = Sampling> {
    let common = (option::of(0.0..1.5_f64), option::of(1..100_u64), vec(words(), 0..3), 1024..9000_u64);
    let openai_only = (option::of(any::<i64>()), option::of(-1.0..1.0_f64), option::of(1..4_u32));
    (common, openai_only).prop_map(move |((temperature, top_k, stop, limit), (seed, penalty, n))| {
        let sampling = Sampling {
            max_output_tokens: Some(limit),
            temperature: temperature.map(in_eighths),
            top_k,
            stop,
            ..Sampling::default()
        };
        match protocol {
            Protocol::OpenAiChat => {
                Sampling { seed, frequency_penalty: penalty.map(in_eighths), n, ..sampling }
            }
            Protocol::OpenAiResponses => Sampling { top_k: None, stop: Vec::new(), ..sampling },
            Protocol::AnthropicMessages
            | Protocol::Gemini
            | Protocol::BedrockConverse
            | Protocol::CohereChat => sampling,
        }
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let schema =
        Json::parse(r#"{ "type":"object", "properties":{"b":{"type":"string"},"a":{"const":1.0}} }"#);
    let tool = Tool::Function(FunctionTool {
        name: "tool".to_owned(),
        description: Some("Does it.".to_owned()),
        parameters: schema,
        strict: None,
        cache_control: None,
    });
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Named("tool".to_owned())),
    ];
    (Just(vec![tool]), option::of(choice))
}

fn output() -> impl Strategy<Value = OutputFormat> {
    let strict = r#"{"type":"object","properties":{"x":{}},"required":["x"],"additionalProperties":false}"#;
    let schema = Schema { name: None, description: None, schema: Json::parse(strict), strict: None };
    prop_oneof![3 => Just(OutputFormat::Text), 1 => Just(OutputFormat::Schema(schema))]
}

fn request(protocol: Protocol) -> impl Strategy<Value = ChatRequest> {
    let conversation = (vec(text_part(), 0..3), vec(user_part(), 1..3), vec(exchange(), 0..4));
    let options = (tools(), output(), sampling(protocol), option::of(words()), any::<bool>());
    (conversation, options).prop_map(move |((system, first, exchanges), options)| {
        let ((tools, tool_choice), output, sampling, user, stream) = options;
        let mut messages = vec![Message { role: Role::User, parts: first, name: None }];
        messages.extend(exchanges.into_iter().flatten());
        ChatRequest {
            system,
            messages,
            tools,
            tool_choice,
            output,
            sampling,
            user,
            stream,
            ..ChatRequest::new(protocol, TARGET.model.to_owned())
        }
    })
}

/// A request as it can be made in Converse: pictures have no addresses there, no document stands alone, and where no tool may
/// be called none is sent.
fn for_converse(mut request: ChatRequest) -> ChatRequest {
    request.tool_choice = request.tool_choice.filter(|choice| *choice != ToolChoice::None);
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        if let Content::Image { source, .. } = &mut part.content {
            *source = Source::Base64 { media_type: "image/png".to_owned(), data: "AAAA".to_owned() };
        }
    }
    for message in request.messages.iter_mut().filter(|message| message.role == Role::User) {
        message.parts.push(Part::text("Look.".to_owned()));
    }
    request
}

/// The same request in another protocol, and what it lost.
fn carried(request: &ChatRequest, to: Protocol) -> (ChatRequest, Vec<Warning>) {
    // Bedrock's ids tell whose a model is.
    let model = if to == Protocol::BedrockConverse { "anthropic.claude-sonnet-4-5" } else { TARGET.model };
    let encoded = to.encode_request(request, &Target { model, ..TARGET }).unwrap();
    (to.decode_request(&encoded.body).unwrap(), encoded.warnings)
}

/// What is written in two ways, written in one: neighbouring turns of a speaker are one turn, with results
/// of tools first.
fn normal(mut request: ChatRequest) -> ChatRequest {
    request.protocol = Protocol::OpenAiChat;
    request.include_usage = false;
    let mut messages: Vec<Message> = Vec::new();
    for message in request.messages {
        match messages.last_mut().filter(|last| last.role == message.role) {
            Some(last) => last.parts.extend(message.parts),
            None => messages.push(message),
        }
    }
    for message in &mut messages {
        message.parts.sort_by_key(|part| !matches!(part.content, Content::ToolResult(_)));
    }
    request.messages = messages;
    // Conversations that come from elsewhere are not stored.
    request.extra.retain(|field| field.name != "store");
    for tool in &mut request.tools {
        if let Tool::Function(tool) = tool {
            // Not to say so is the default of one protocol, and to say no that of another.
            tool.strict = tool.strict.filter(|is_strict| *is_strict);
        }
    }
    if let OutputFormat::Schema(schema) = &mut request.output {
        // A name is required in one protocol, and unknown in the other, which is always strict.
        *schema = Schema { name: None, strict: None, ..schema.clone() };
    }
    request
}

/// Takes cache markers off a part and those within it.
fn unmark(part: &mut Part) {
    part.cache_control = None;
    if let Content::ToolResult(result) = &mut part.content {
        result.parts.iter_mut().for_each(unmark);
    }
}

/// Takes out of a request what the warnings say was lost.
fn without(mut request: ChatRequest, warnings: &[Warning]) -> ChatRequest {
    let has = |feature: &str| warnings.iter().any(|warning| warning.feature == feature);
    let sampling = &mut request.sampling;
    if has("temperature") {
        sampling.temperature = None;
    }
    if has("seed") {
        sampling.seed = None;
    }
    if has("frequency_penalty") {
        sampling.frequency_penalty = None;
    }
    if has("n") {
        sampling.n = None;
    }
    if has("stop") {
        sampling.stop = Vec::new();
    }
    if has("top_k") {
        sampling.top_k = None;
    }
    let (no_detail, no_errors) = (has("image_url.detail"), has("tool_result.is_error"));
    let no_markers = has("cache_control");
    let said = request.messages.iter_mut().flat_map(|message| &mut message.parts);
    for part in request.system.iter_mut().chain(said) {
        if no_markers {
            unmark(part);
        }
        if let Content::Image { detail, .. } = &mut part.content {
            *detail = detail.take().filter(|_| !no_detail);
        } else if let Content::ToolResult(result) = &mut part.content {
            result.is_error &= !no_errors;
        }
    }
    // Asking for the default says nothing.
    request.sampling.n = request.sampling.n.filter(|n| *n != 1);
    request.sampling.frequency_penalty = request.sampling.frequency_penalty.filter(|penalty| *penalty != 0.0);
    request
}

/// What is said, line by line: without ids and markers, neighbouring texts and turns joined.
fn said(request: &ChatRequest) -> Vec<String> {
    let mut lines: Vec<String> = vec![format!("system {}", texts(&request.system))];
    for message in normal(request.clone()).messages {
        lines.push(format!("{:?}", message.role));
        let mut text = String::new();
        for part in &message.parts {
            if let Content::Text { text: more, .. } = &part.content {
                text.push_str(more);
                continue;
            }
            lines.extend((!text.is_empty()).then(|| std::mem::take(&mut text)));
            lines.extend(match &part.content {
                Content::ToolCall(call) => Some(format!("call {} {}", call.name, call.arguments)),
                Content::ToolResult(result) => {
                    Some(format!("result {} {}", result.is_error, lines_of(&result.parts)))
                }
                Content::Image { source, .. } | Content::Document { source, .. } => {
                    Some(format!("{source:?}"))
                }
                Content::Text { .. }
                | Content::Refusal(_)
                | Content::Audio { .. }
                | Content::Reasoning { .. }
                | Content::RedactedReasoning(_)
                | Content::Opaque { .. } => None,
            });
        }
        lines.push(text);
    }
    lines
}

fn texts(parts: &[Part]) -> String {
    parts.iter().filter_map(text).collect()
}

fn lines_of(parts: &[Part]) -> String {
    parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

fn text(part: &Part) -> Option<&str> {
    let Content::Text { text, .. } = &part.content else { return None };
    Some(text)
}

/// How it is to be answered.
fn asked(request: &ChatRequest) -> impl PartialEq + std::fmt::Debug + use<> {
    let request = normal(request.clone());
    let Sampling { max_output_tokens, temperature, top_k, stop, .. } = request.sampling;
    let tools = request.tools.iter().map(|tool| match tool {
        Tool::Function(tool) => (tool.name.clone(), tool.description.clone(), tool.parameters.clone()),
        Tool::Custom(_) | Tool::WebSearch(_) | Tool::Opaque { .. } => panic!("{tool:?}"),
    });
    let tools: Vec<_> = tools.collect();
    (tools, request.tool_choice, request.output, (max_output_tokens, temperature, top_k, stop))
}

/// A caller's protocol, and another one.
fn pair() -> impl Strategy<Value = (Protocol, Protocol)> {
    let all = || prop::sample::select(&Protocol::OF_CALLERS[..]);
    (all(), all()).prop_filter("two protocols", |(home, to)| home != to)
}

proptest! {
    #[test]
    fn through_any_protocol_and_back_the_same_is_said_and_asked_but_for_what_the_warnings_tell(
        ((home, to), request) in pair().prop_flat_map(|(home, to)| (Just((home, to)), request(home))),
    ) {
        let has_converse = [home, to].contains(&Protocol::BedrockConverse);
        let request = if has_converse { for_converse(request) } else { request };
        let (first, mut warnings) = carried(&request, home);
        let (there, more) = carried(&first, to);
        warnings.extend(more);
        let (back, more) = carried(&there, home);
        for carried in [&there, &back] {
            prop_assert_eq!(said(&without(carried.clone(), &warnings)), said(&without(first.clone(), &warnings)));
            prop_assert_eq!(asked(&without(carried.clone(), &warnings)), asked(&without(first.clone(), &warnings)));
            warnings.extend(more.iter().cloned());
        }
    }

    #[test]
    fn through_gemini_and_back_the_same_is_said_and_asked(
        request in prop_oneof![request(Protocol::OpenAiChat), request(Protocol::AnthropicMessages)],
    ) {
        let home = request.protocol;
        let (first, _) = carried(&request, home);
        let (there, _) = carried(&first, Protocol::Gemini);
        let (back, _) = carried(&there, home);
        for carried in [&there, &back] {
            prop_assert_eq!(said(carried), said(&first));
            prop_assert_eq!(asked(carried), asked(&first));
        }
    }

    #[test]
    fn openai_to_openai_keeps_everything(request in request(Protocol::OpenAiChat)) {
        let (again, warnings) = carried(&request, Protocol::OpenAiChat);
        prop_assert_eq!(without(normal(again), &warnings), without(normal(request), &warnings));
    }

    #[test]
    fn anthropic_to_anthropic_keeps_everything(request in request(Protocol::AnthropicMessages)) {
        let (again, warnings) = carried(&request, Protocol::AnthropicMessages);
        let expected = without(normal(request), &warnings);
        prop_assert_eq!(without(normal(again), &warnings), expected);
    }

    #[test]
    fn converse_to_converse_keeps_everything(request in request(Protocol::BedrockConverse)) {
        let (first, _) = carried(&for_converse(request), Protocol::BedrockConverse);
        let (again, warnings) = carried(&first, Protocol::BedrockConverse);
        prop_assert_eq!(without(normal(again), &warnings), without(normal(first), &warnings));
    }

    #[test]
    fn responses_to_responses_keeps_everything(request in request(Protocol::OpenAiResponses)) {
        let (again, warnings) = carried(&request, Protocol::OpenAiResponses);
        prop_assert_eq!(without(normal(again), &warnings), without(normal(request), &warnings));
    }

    #[test]
    fn through_responses_and_back_loses_what_the_warnings_tell(
        request in prop_oneof![request(Protocol::OpenAiChat), request(Protocol::AnthropicMessages)],
    ) {
        let home = request.protocol;
        let (first, mut warnings) = carried(&request, home);
        let (there, more) = carried(&first, Protocol::OpenAiResponses);
        let (back, last) = carried(&there, home);
        warnings.extend(more);
        warnings.extend(last);
        prop_assert_eq!(without(normal(back), &warnings), without(normal(first), &warnings));
    }

    #[test]
    fn there_and_back_from_responses_loses_what_the_warnings_tell(
        request in request(Protocol::OpenAiResponses),
        to in prop_oneof![Just(Protocol::OpenAiChat), Just(Protocol::AnthropicMessages)],
    ) {
        let (first, mut warnings) = carried(&request, Protocol::OpenAiResponses);
        let (there, more) = carried(&first, to);
        let (back, last) = carried(&there, Protocol::OpenAiResponses);
        warnings.extend(more);
        warnings.extend(last);
        prop_assert_eq!(without(normal(back), &warnings), without(normal(first), &warnings));
    }

    #[test]
    fn there_and_back_from_openai_loses_what_the_warnings_tell(request in request(Protocol::OpenAiChat)) {
        let (first, _) = carried(&request, Protocol::OpenAiChat);
        let (there, mut warnings) = carried(&first, Protocol::AnthropicMessages);
        let (back, more) = carried(&there, Protocol::OpenAiChat);
        warnings.extend(more);
        prop_assert_eq!(without(normal(back), &warnings), without(normal(first), &warnings));
    }

    #[test]
    fn there_and_back_from_anthropic_loses_what_the_warnings_tell(
        request in request(Protocol::AnthropicMessages),
    ) {
        let (first, mut warnings) = carried(&request, Protocol::AnthropicMessages);
        let (there, more) = carried(&first, Protocol::OpenAiChat);
        let (back, last) = carried(&there, Protocol::AnthropicMessages);
        warnings.extend(more);
        warnings.extend(last);
        prop_assert_eq!(without(normal(back), &warnings), without(normal(first), &warnings));
    }
}
