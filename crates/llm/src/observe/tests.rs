//! What the observers must notice.

use super::*;
use domain::{Money, Tier};

fn with_cost(body: &[u8], at: Range<usize>, cost: Money) -> Vec<u8> {
    edit::edited(body, vec![edit::cost(body, at, cost)])
}

fn observe(protocol: Protocol, events: &[&str]) -> (Observed, Vec<Note>) {
    let mut observer = StreamObserver::new(protocol);
    let notes = events.iter().map(|event| observer.push(event.as_bytes())).collect();
    (observer.observed, notes)
}

#[test]
fn an_openai_stream_is_followed_to_its_end() {
    let (observed, notes) = observe(
        Protocol::OpenAiChat,
        &[
            r#"{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"Hello"}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"look","arguments":"{}"}}]}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#,
            "[DONE]",
        ],
    );
    assert_eq!(observed.response_id, "c1");
    assert_eq!(observed.finish_reason.as_deref(), Some("tool_calls"));
    assert_eq!(observed.tool_calls, ["look"]);
    assert_eq!(observed.output_bytes, 7);
    assert_eq!((observed.usage.input, observed.usage.output), (9, 4));
    assert!(observed.is_complete && observed.has_usage);
    assert_eq!((&notes[0], &notes[1]), (&Note::Plain, &Note::Content));
    assert!(matches!(notes[4], Note::Usage { is_only_usage: true, .. }));
}

#[test]
fn an_anthropic_stream_is_followed_to_its_end() {
    let (observed, notes) = observe(
        Protocol::AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"look","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":12}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    );
    assert_eq!((observed.usage.input, observed.usage.cache_read, observed.usage.output), (5, 7, 12));
    assert_eq!(observed.finish_reason.as_deref(), Some("tool_use"));
    assert!(observed.is_complete);
    assert_eq!(notes[0], Note::Plain);
    assert!(matches!(notes[3], Note::Usage { is_only_usage: false, .. }));
}

#[test]
fn a_message_is_named_in_place() {
    let start = r#"{"type":"message_start","message":{"usage":{},"model":"m\u0031" ,"id":"msg_1"}}"#;
    let (_, notes) = observe(Protocol::AnthropicMessages, &[start]);
    let Note::Named(at) = &notes[0] else { panic!("{notes:?}") };
    let named = edit::edited(start.as_bytes(), vec![edit::name(at.clone(), "a\"b")]);
    assert_eq!(String::from_utf8(named).unwrap(), start.replace(r#""m\u0031""#, r#""a\"b""#));
    let whole = r#"{"usage":{"output_tokens":1},"model":"m","content":[]}"#;
    let answer = answer(Protocol::AnthropicMessages, whole.as_bytes()).unwrap();
    let edits = vec![
        edit::name(answer.model_at.unwrap(), "p/m"),
        edit::cost(whole.as_bytes(), answer.usage_at.unwrap(), Money::from_nano(1_500)),
    ];
    let expected = r#"{"usage":{"output_tokens":1,"cost":0.0000015},"model":"p/m","content":[]}"#;
    assert_eq!(String::from_utf8(edit::edited(whole.as_bytes(), edits)).unwrap(), expected);
}

#[test]
fn a_stream_of_responses_is_followed_to_its_end() {
    let (observed, notes) = observe(
        Protocol::OpenAiResponses,
        &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","output":[],"usage":null}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"function_call","call_id":"c","name":"look","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","sequence_number":2,"delta":"{\"a\"","obfuscation":"xyz"}"#,
            r#"{"type":"response.incomplete","sequence_number":3,"response":{"id":"resp_1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"service_tier":"flex","output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call","action":{"type":"open_page"}}],"usage":{"input_tokens":9,"output_tokens":4}}}"#,
        ],
    );
    assert_eq!((observed.response_id.as_str(), observed.next_sequence), ("resp_1", 4));
    assert_eq!(observed.finish_reason.as_deref(), Some("max_output_tokens"));
    assert_eq!((observed.tool_calls, observed.output_bytes), (vec!["look".to_owned()], 6));
    assert_eq!((observed.usage.input, observed.usage.output, observed.usage.web_searches), (9, 4, 1));
    assert_eq!(observed.told.tier, Some(Tier::Flex));
    assert!(observed.is_complete && observed.has_usage);
    assert_eq!((&notes[0], &notes[2]), (&Note::Plain, &Note::Content));
    assert!(matches!(notes[3], Note::Usage { is_only_usage: false, .. }));
    for failure in
        [r#"{"type":"error","code":"x","message":"y"}"#, r#"{"type":"response.failed","response":{}}"#]
    {
        assert_eq!(observe(Protocol::OpenAiResponses, &[failure]).1, [Note::Error]);
    }
}

#[test]
fn a_whole_answer_of_responses_tells_its_calls_and_its_text() {
    let body = r#"{"id":"resp_1","status":"completed","error":null,"output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]},
        {"type":"message","content":[{"type":"output_text","text":"Hello"},{"type":"refusal","refusal":"No"}]},
        {"type":"custom_tool_call","name":"sql","input":"SELECT"}],
        "tool_usage":{"web_search":{"num_requests":3}},"usage":{"input_tokens":1,"output_tokens":2}}"#;
    let told = answer(Protocol::OpenAiResponses, body.as_bytes()).unwrap();
    assert_eq!((told.observed.output_bytes, told.observed.usage.web_searches), (15, 3));
    assert_eq!((told.observed.tool_calls, told.is_error), (vec!["sql".to_owned()], false));
    assert_eq!(&body[told.usage_at.unwrap()], r#"{"input_tokens":1,"output_tokens":2}"#);
    let failed =
        br#"{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"x"},"output":[]}"#;
    assert!(answer(Protocol::OpenAiResponses, failed).unwrap().is_error);
}

#[test]
fn a_stream_of_gemini_is_followed_to_its_end() {
    let (observed, notes) = observe(
        Protocol::Gemini,
        &[
            r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"gemini-2.5-flash","responseId":"r1"}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":{"a":1}},"thoughtSignature":"S"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"thoughtsTokenCount":2,"totalTokenCount":15,"serviceTier":"flex"},"modelVersion":"gemini-2.5-flash","responseId":"r1"}"#,
        ],
    );
    assert_eq!((observed.response_id.as_str(), observed.finish_reason.as_deref()), ("r1", Some("STOP")));
    assert_eq!((observed.tool_calls, observed.output_bytes), (vec!["look".to_owned()], 10));
    assert_eq!((observed.usage.input, observed.usage.output, observed.usage.reasoning), (9, 4, 2));
    assert_eq!((observed.usage.web_searches, observed.told.tier), (1, Some(Tier::Flex)));
    assert!(observed.is_complete && observed.has_usage);
    assert_eq!(notes[0], Note::Content);
    assert!(matches!(notes[1], Note::Usage { is_only_usage: false, .. }));
    let failure = r#"{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}"#;
    assert_eq!(observe(Protocol::Gemini, &[failure]).1, [Note::Error]);
    let blocked = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#;
    assert!(observe(Protocol::Gemini, &[blocked]).0.is_complete);
}

#[test]
fn a_stream_of_converse_is_followed_to_its_end() {
    let (observed, notes) = observe(
        Protocol::BedrockConverse,
        &[
            r#"{"role":"assistant","p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#,
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#,
            r#"{"contentBlockIndex":1,"delta":{"text":"Hello"}}"#,
            r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"look"}}}"#,
            r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#,
            r#"{"contentBlockIndex":2}"#,
            r#"{"stopReason":"tool_use"}"#,
            r#"{"usage":{"inputTokens":9,"outputTokens":6,"totalTokens":18,"cacheReadInputTokens":3},"serviceTier":{"type":"flex"}}"#,
        ],
    );
    assert_eq!((observed.tool_calls, observed.output_bytes), (vec!["look".to_owned()], 9));
    assert_eq!((observed.usage.input, observed.usage.cache_read, observed.usage.output), (9, 3, 6));
    assert_eq!((observed.finish_reason.as_deref(), observed.told.tier), (Some("tool_use"), Some(Tier::Flex)));
    assert!(observed.is_complete && observed.has_usage);
    assert_eq!((&notes[0], &notes[1], &notes[2]), (&Note::Plain, &Note::Content, &Note::Plain));
    assert!(matches!(notes[8], Note::Usage { .. }));
}

#[test]
fn failures_inside_a_stream_are_noticed() {
    let (_, notes) = observe(Protocol::OpenAiChat, &[r#"{"error":{"message":"overloaded"}}"#]);
    assert_eq!(notes, [Note::Error]);
    let (observed, notes) =
        observe(Protocol::AnthropicMessages, &[r#"{"type":"error","error":{"type":"x"}}"#]);
    assert_eq!(notes, [Note::Error]);
    assert!(!observed.is_complete);
}

#[test]
fn a_cost_is_written_into_the_usage_and_nowhere_else() {
    let body = r#"{"usage": { "prompt_tokens": 1 } , "id":"x"}"#;
    let at = answer(Protocol::OpenAiChat, body.as_bytes()).unwrap().usage_at.unwrap();
    let out = String::from_utf8(with_cost(body.as_bytes(), at, Money::from_nano(1_500))).unwrap();
    assert_eq!(out, r#"{"usage": { "prompt_tokens": 1 ,"cost":0.0000015} , "id":"x"}"#);
}

#[test]
fn a_cost_of_the_provider_is_replaced_by_ours() {
    let body = r#"{"usage":{"cost":9,"prompt_tokens":1}}"#;
    let at = answer(Protocol::OpenAiChat, body.as_bytes()).unwrap().usage_at.unwrap();
    let out = String::from_utf8(with_cost(body.as_bytes(), at, Money::ZERO)).unwrap();
    assert_eq!(out, r#"{"usage":{"cost":0,"prompt_tokens":1}}"#);
}

#[test]
fn a_whole_anthropic_answer_is_read() {
    let body = r#"{"id":"msg_1","type":"message","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"look","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":2}}"#;
    let answer = answer(Protocol::AnthropicMessages, body.as_bytes()).unwrap();
    assert_eq!(answer.observed.tool_calls, ["look"]);
    assert_eq!(answer.observed.finish_reason.as_deref(), Some("tool_use"));
    assert_eq!(answer.observed.usage.output, 2);
}

#[test]
fn plain_chunks_are_told_apart_without_parsing() {
    let bytes = |data: &str| plain::CHUNK.content_bytes(data.as_bytes());
    let chunk = |delta: &str| {
        format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":null}}"#)
    };
    assert_eq!(bytes(&chunk(r#"{"content":"say \"hi\""}"#)), Some(10));
    assert_eq!(bytes(&chunk(r#"{"reasoning_content":"hm"}"#)), Some(2));
    // Everything that must be noticed, or could be misread, is parsed.
    for delta in [
        r#"{"content":null}"#,
        r#"{"content": "x"}"#,
        r#"{"tool_calls":[]}"#,
        r#"{"content":"a","reasoning_content":"b"}"#,
    ] {
        assert_eq!(bytes(&chunk(delta)), None, "{delta}");
    }
    assert_eq!(bytes(r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#), None);
    assert_eq!(bytes(r#"{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}}"#), None);
    assert_eq!(bytes(r#"{"error":{"message":"x","content":"y"}}"#), None);
    assert_eq!(bytes(r#"{"choices":[{"delta":{"content":"cut"#), None);
}

#[test]
fn a_plain_chunk_counts_as_its_parsed_twin() {
    let plain = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a\nb"}}]}"#;
    let spaced = r#"{"id": "c", "choices": [{"index": 0, "delta": {"content": "a\nb"}}]}"#;
    let (a, _) = observe(Protocol::OpenAiChat, &[plain, plain]);
    let (b, _) = observe(Protocol::OpenAiChat, &[spaced, spaced]);
    assert_eq!(a, b);
}

#[test]
fn usage_within_a_choice_is_found() {
    let (observed, notes) = observe(
        Protocol::OpenAiChat,
        &[
            r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":3,"completion_tokens":2}}]}"#,
        ],
    );
    assert_eq!((observed.usage.input, observed.usage.output), (3, 2));
    assert!(matches!(notes[0], Note::Usage { is_only_usage: false, .. }));
}

#[test]
fn the_terms_that_an_answer_tells_are_noticed() {
    let (observed, _) = observe(
        Protocol::OpenAiChat,
        &[
            r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"a"}}],"service_tier":"priority"}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"b"}}],"service_tier":"priority"}"#,
            r#"{"id":"c1","choices":[],"service_tier":"default","usage":{"prompt_tokens":9,"completion_tokens":4}}"#,
        ],
    );
    assert_eq!(observed.told.tier, Some(Tier::Standard));
    let (observed, _) = observe(
        Protocol::AnthropicMessages,
        &[
            r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":5,"inference_geo":"us","speed":"fast"}}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}"#,
        ],
    );
    let expected = Told { tier: None, is_fast: Some(true), is_regional: Some(true) };
    assert_eq!(observed.told, expected);
    let whole = answer(Protocol::OpenAiChat, br#"{"id":"c","choices":[],"service_tier":"flex"}"#);
    assert_eq!(whole.unwrap().observed.told.tier, Some(Tier::Flex));
}

#[test]
fn what_was_read_to_be_translated_tells_the_same_or_leaves_it_to_the_body() {
    let body = |more: &str| {
        format!(
            r#"{{"id":"c1","service_tier":"priority","choices":[{{"index":0,"finish_reason":"stop","message":{{"content":"hi"}}}},
            {{"index":1,"finish_reason":"tool_calls","message":{{"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":"{{}}"}}}},
            {{"id":"b","type":"custom","custom":{{"name":"g","input":"x"}}}}]}}}}]{more}}}"#
        )
    };
    let seen = |body: &str| read_answer(&Protocol::OpenAiChat.decode_response(body.as_bytes()).unwrap());
    let whole = body(r#","usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}"#);
    let told = answer(Protocol::OpenAiChat, whole.as_bytes()).unwrap();
    assert_eq!(seen(&whole), Some(Observed { output_bytes: 0, ..told.observed }));
    for more in ["", r#","usage":{}"#, r#","error":{"message":"no"},"usage":{"prompt_tokens":7}"#] {
        assert_eq!(seen(&body(more)), None, "{more}");
    }
    assert!(seen(&body(r#","error":null,"usage":{"prompt_tokens":7}"#)).is_some());
}
