//! How much a model is told to think, by model, effort and limit.

use llm::Protocol::{AnthropicMessages, OpenAiChat};
use llm::protocol::Target;
use llm::provider::OutputLimit;
use serde_json::{Value, json};

/// A question in OpenAI's protocol with these fields, as Anthropic is sent it, and the warnings.
fn to_anthropic(model: &str, limit: u64, fields: Value) -> (Value, Vec<String>) {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Why?"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = OpenAiChat.decode_request(body.to_string().as_bytes()).unwrap();
    let target = Target {
        model,
        max_output_tokens: limit,
        output_limit: OutputLimit::MaxTokens,
        takes_stream_options: true,
        takes_cache_control: true,
        takes_unsigned_thoughts: true,
        takes_custom_tools: true,
        searches_in_chat: true,
        takes_schema: true,
    };
    let encoded = AnthropicMessages.encode_request(&request, &target).unwrap();
    let features = encoded.warnings.iter().map(|warning| warning.feature.to_owned()).collect();
    (serde_json::from_slice(&encoded.body).unwrap(), features)
}

/// A question in Anthropic's protocol with these fields: the effort OpenAI is sent.
fn to_openai(fields: Value) -> Value {
    let mut body =
        json!({"model": "m", "max_tokens": 64000, "messages": [{"role": "user", "content": "Why?"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = AnthropicMessages.decode_request(body.to_string().as_bytes()).unwrap();
    let target = Target {
        model: "gpt-5",
        max_output_tokens: 0,
        output_limit: OutputLimit::MaxCompletionTokens,
        takes_stream_options: true,
        takes_cache_control: true,
        takes_unsigned_thoughts: true,
        takes_custom_tools: true,
        searches_in_chat: true,
        takes_schema: true,
    };
    let encoded = OpenAiChat.encode_request(&request, &target).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    body["reasoning_effort"].clone()
}

#[test]
fn efforts_become_the_budgets_of_the_table() {
    let table = [
        ("none", 1024),
        ("min", 1024),
        ("low", 1024),
        ("medium", 8192),
        ("high", 16_384),
        ("max", 63_999),
        ("10000", 10_000),
        ("90000", 63_999),
    ];
    for (effort, budget) in table {
        let (body, _) = to_anthropic("claude-sonnet-4-5", 64_000, json!({"reasoning_effort": effort}));
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": budget}), "{effort}");
        assert_eq!(body["max_tokens"], 64_000, "{effort}");
        assert_eq!(body["output_config"], Value::Null, "{effort}");
    }
}

#[test]
fn newer_models_think_adaptively() {
    let table = [("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "xhigh"), ("max", "max")];
    for (asked, sent) in table {
        let (body, warnings) = to_anthropic("claude-opus-4-7", 128_000, json!({"reasoning_effort": asked}));
        assert_eq!(body["thinking"], json!({"type": "adaptive", "display": "summarized"}));
        assert_eq!(body["output_config"], json!({"effort": sent}));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let (body, warnings) = to_anthropic("claude-opus-4-8", 128_000, json!({"reasoning_effort": "9000"}));
    assert_eq!(body["output_config"], json!({"effort": "high"}));
    assert_eq!(warnings, ["thinking.budget_tokens"]);
}

#[test]
fn all_ways_to_ask_are_understood() {
    let asked = [
        json!({"thinking": {"type": "enabled", "budget_tokens": 5000}}),
        json!({"reasoning": {"max_tokens": 5000}}),
        json!({"reasoning_effort": "5000"}),
        json!({"reasoning_effort": 5000}),
        json!({"reasoning": {"effort": "5000"}}),
    ];
    for fields in asked {
        let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, fields.clone());
        assert_eq!(body["thinking"]["budget_tokens"], 5000, "{fields}");
        assert!(warnings.is_empty(), "{fields} {warnings:?}");
    }
    let (body, _) = to_anthropic("claude-sonnet-4-5", 64_000, json!({"thinking": {"type": "disabled"}}));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
}

#[test]
fn the_budget_stays_below_the_limit() {
    // The caller's limit is kept, the budget gives way.
    let fields = json!({"reasoning_effort": "high", "max_tokens": 4000});
    let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, fields);
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(4000), &json!(3999)));
    assert_eq!(warnings, ["thinking.budget_tokens"]);
    // No limit: one is made that leaves room for the answer.
    let (body, _) = to_anthropic("deepseek-reasoner", 0, json!({"reasoning_effort": "high"}));
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(20_480), &json!(16_384)));
    // Or the name tells.
    let (body, _) = to_anthropic("claude-sonnet-4-5", 0, json!({"reasoning_effort": "high"}));
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(64_000), &json!(16_384)));
    // No room at all.
    let fields = json!({"reasoning_effort": "high", "max_tokens": 1024});
    let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, fields);
    assert_eq!(body["thinking"], Value::Null);
    assert_eq!(warnings, ["thinking"]);
}

#[test]
fn sampling_and_forced_tools_give_way_to_thinking() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let fields = json!({
        "reasoning_effort": "low", "temperature": 0.5, "top_k": 5, "top_p": 0.5,
        "tools": [tool], "tool_choice": "required",
    });
    let (body, mut warnings) = to_anthropic("claude-sonnet-4-5", 64_000, fields);
    assert_eq!(body["tool_choice"], json!({"type": "auto"}));
    for field in ["temperature", "top_k", "top_p"] {
        assert_eq!(body[field], Value::Null, "{field}");
    }
    warnings.sort();
    assert_eq!(warnings, ["temperature", "tool_choice", "top_k", "top_p"]);
}

#[test]
fn a_tool_turn_without_its_thoughts_is_continued_without_thinking() {
    let turn = |extra: Value| {
        let mut call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        call.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"reasoning_effort": "low", "messages": [
            {"role": "user", "content": "Go."}, call,
            {"role": "tool", "tool_call_id": "c", "content": "done"}]})
    };
    let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, turn(json!({})));
    assert_eq!((&body["thinking"], warnings.as_slice()), (&Value::Null, &["thinking".to_owned()][..]));
    let signed = json!({"reasoning_content": "Hm.", "reasoning_signature": "c2ln"});
    let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, turn(signed));
    assert_eq!(body["thinking"]["budget_tokens"], 1024);
    let block = json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"});
    assert_eq!(body["messages"][1]["content"][0], block);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn unsigned_thoughts_are_never_sent_to_anthropic() {
    let messages = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "Hm."},
        {"role": "user", "content": "c"},
    ]);
    let (body, warnings) = to_anthropic("claude-sonnet-4-5", 64_000, json!({"messages": messages}));
    assert_eq!(body["messages"][1]["content"], json!([{"type": "text", "text": "b"}]));
    assert_eq!(warnings, ["reasoning_content"]);
}

#[test]
fn budgets_and_efforts_become_openai_s_words() {
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    for (tokens, word) in [(1024, "low"), (8192, "medium"), (8193, "high"), (60_000, "high")] {
        assert_eq!(to_openai(budget(tokens)), word, "{tokens}");
    }
    let effort = |word: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}});
    for (asked, sent) in [("low", "low"), ("high", "high"), ("xhigh", "high"), ("max", "high")] {
        assert_eq!(to_openai(effort(asked)), sent, "{asked}");
    }
    assert_eq!(to_openai(json!({"thinking": {"type": "disabled"}})), Value::Null);
    assert_eq!(to_openai(json!({})), Value::Null);
}
