//! Every provider's facts, driven through the encoder that its first chat route needs.

use llm::Protocol;
use llm::protocol::Target;
use llm::provider::{ALL, OutputLimit, ProviderSpec, Route, RouteKind};
use serde_json::Value;

const REQUEST: &[u8] =
    br#"{"model":"x/y","max_tokens":7,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn sent(spec: &ProviderSpec, protocol: Protocol) -> Value {
    let request = Protocol::OpenAiChat.decode_request(REQUEST).unwrap();
    let target = Target {
        model: "y",
        max_output_tokens: 0,
        output_limit: spec.output_limit,
        takes_stream_options: spec.takes_stream_options,
        takes_cache_control: spec.takes_cache_control,
        takes_unsigned_thoughts: spec.takes_unsigned_thoughts,
        takes_custom_tools: spec.takes_custom_tools,
        takes_schema: spec.takes_schema,
        searches_in_chat: spec.chat_search.is_of("y"),
    };
    serde_json::from_slice(&protocol.encode_request(&request, &target).unwrap().body).unwrap()
}

#[test]
fn every_provider_gets_what_its_facts_say() {
    for spec in ALL {
        let of_chat = |route: &&Route| route.kind == RouteKind::Chat;
        let Some(route) = spec.routes.iter().find(of_chat) else { continue };
        let body = sent(spec, route.protocol);
        if route.protocol == Protocol::Gemini {
            // Both stand in the address.
            assert_eq!(body["generationConfig"]["maxOutputTokens"], 7, "{}", spec.kind);
            assert_eq!((&body["model"], &body["stream"]), (&Value::Null, &Value::Null), "{}", spec.kind);
            continue;
        }
        if route.protocol == Protocol::BedrockConverse {
            // Both stand in the path.
            assert!(route.has_model_in_path() && route.stream_path.is_some());
            assert_eq!(
                (&body["inferenceConfig"]["maxTokens"], &body["model"]),
                (&Value::from(7), &Value::Null)
            );
            continue;
        }
        assert_eq!(body["model"], "y", "{}", spec.kind);
        assert_eq!(body["stream"], true, "{}", spec.kind);
        if route.protocol == Protocol::OpenAiChat {
            let (limit, other) = match spec.output_limit {
                OutputLimit::MaxTokens => ("max_tokens", "max_completion_tokens"),
                OutputLimit::MaxCompletionTokens => ("max_completion_tokens", "max_tokens"),
            };
            assert_eq!((&body[limit], &body[other]), (&Value::from(7), &Value::Null), "{}", spec.kind);
            let asks = body["stream_options"]["include_usage"] == true;
            assert_eq!(asks, spec.takes_stream_options, "{}", spec.kind);
        }
    }
}

#[test]
fn every_provider_says_where_it_is_and_what_it_wants() {
    for spec in ALL {
        let is_address = |url: &str| url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
        let has_address = spec.base_url.is_none_or(|url| is_address(url) || url == "demo:");
        assert!(has_address, "{}", spec.kind);
        assert!(!spec.routes.is_empty() && !spec.name.is_empty(), "{}", spec.kind);
    }
}
