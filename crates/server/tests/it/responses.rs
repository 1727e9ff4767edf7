//! OpenAI's Responses: passed through, translated both ways, bounded, and what is kept nowhere here.

use crate::support::*;
use domain::{Enforcement, Limit, Money, Scope, Window};
use serde_json::{Value, json};

/// Traffic as the vendors document it: see the `source.md` beside each.
macro_rules! traffic {
    ($path:literal) => {
        include_str!(concat!("../../../llm/fixtures/", $path))
    };
}

const ASK: &str = r#"{"model":"openai/m","input":"hi"}"#;
const TOOL_ANSWER: &str = traffic!("openai-responses/tool_call/upstream.response.json");
const TOOL_STREAM: &str = traffic!("openai-responses/tool_call_stream/upstream.response.sse");
/// What both cost at the prices of [`provider`]: 291 × 1 + 23 × 2 millionths.
const TOOL_COST: &str = "0.000337";

async fn ask(app: &App, body: &str) -> Reply {
    app.post("/v1/responses", body.to_owned()).await
}

fn events(reply: &Reply) -> Vec<Value> {
    reply.events().iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// Whether events are numbered one after the other, and the last one is this.
fn assert_in_order(events: &[Value], last: &str) {
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    assert_eq!(events.last().unwrap()["type"], last);
}

/// Sets a hard limit for everybody and waits until the gateway has heard of it.
async fn limit(app: &App, dollars: &str) {
    let amount: Money = dollars.parse().unwrap();
    let scope = Scope::Organization(app.org);
    let limit = Limit { scope, window: Window::Month, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

#[tokio::test]
async fn a_provider_of_the_protocol_gets_and_gives_the_bytes_as_they_are() {
    let upstream = Upstream::start([Answer::json(200, TOOL_ANSWER), Answer::sse(&[TOOL_STREAM])]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let body = r#"{"zeta":1.50,"model":"openai/m","input":[ {"type":"item_of_next_year","x":12345678901234567890123} ],"previous_response_id":"resp_1","requesty":{"tags":["a"]}}"#;
    let whole = ask(&app, body).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let sent = upstream.call();
    assert_eq!(sent.line, "POST /v1/responses HTTP/1.1");
    assert_eq!(sent.text(), body.replace("openai/m", "m").replace(r#","requesty":{"tags":["a"]}"#, ""));
    let with_cost = |text: &str| {
        text.replacen("\"total_tokens\": 314\n  ", "\"total_tokens\": 314\n  ,\"cost\":0.000337", 1)
    };
    assert_eq!(whole.text(), with_cost(TOOL_ANSWER));
    let stream = ask(&app, r#"{"model":"openai/m","input":"hi","stream":true}"#).await;
    let expected =
        TOOL_STREAM.replacen("\"total_tokens\":314}", "\"total_tokens\":314,\"cost\":0.000337}", 1);
    assert_eq!(stream.text(), expected);
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["operation"]), (&json!(TOOL_COST), &json!("responses")));
        assert_eq!((&record["input_tokens"], &record["output_tokens"]), (&json!(291), &json!(23)));
        assert_eq!((&record["finish_reason"], &record["outcome"]), (&json!("completed"), &json!("success")));
        assert_eq!(record["tool_calls"].as_array().map(Vec::len), Some(1), "{record}");
    }
}

#[tokio::test]
async fn a_chat_provider_answers_in_a_translation_that_repeats_the_request() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai-compatible", &upstream)).await;
    let body = r#"{"model":"openai-compatible/m","instructions":"Be brief.","input":"hi","max_output_tokens":50,"metadata":{"a":"b"},"store":true}"#;
    let reply = ask(&app, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (sent, answer) = (upstream.call().json(), reply.json());
    assert_eq!(upstream.call().line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!((&sent["messages"][0]["content"], &sent["max_tokens"]), (&json!("Be brief."), &json!(50)));
    assert_eq!((&answer["id"], &answer["status"]), (&json!("resp_chatcmpl-1"), &json!("completed")));
    assert_eq!(answer["output"][0]["content"][0]["text"], "Hello world");
    assert_eq!((&answer["instructions"], &answer["metadata"]), (&json!("Be brief."), &json!({"a": "b"})));
    assert_eq!((&answer["max_output_tokens"], &answer["store"]), (&json!(50), &json!(false)));
    assert_eq!(answer["usage"]["input_tokens_details"]["cached_tokens"], 4);
    assert_eq!(answer["usage"]["cost"], json!(0.0000164));
    assert!(reply.header("x-signalbox-warnings").contains("store"), "{:?}", reply.headers);
    assert_eq!(app.finish_one().await["cost"], CHAT_COST);
}

#[tokio::test]
async fn an_anthropic_provider_answers_in_a_translation() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER), Answer::sse(&MESSAGE_FRAMES)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let body = ASK.replace("openai/m", "anthropic/m");
    let whole = ask(&app, &body).await;
    assert_eq!(upstream.call().line, "POST /v1/messages HTTP/1.1");
    assert_eq!(whole.json()["output"][0]["content"][0]["text"], "Hello world");
    assert!(whole.json()["created_at"].as_i64() > Some(1_700_000_000), "{}", whole.text());
    let stream = ask(&app, &body.replace(r#""hi""#, r#""hi","stream":true"#)).await;
    let events = events(&stream);
    assert_in_order(&events, "response.completed");
    let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, "Hello world");
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        (&last["output"][0]["content"][0]["text"], &last["usage"]["cost"]),
        (&json!("Hello world"), &json!(0.0000229))
    );
    for record in app.finish().await {
        assert_eq!(record["cost"], MESSAGE_COST);
    }
}

#[tokio::test]
async fn streams_of_other_protocols_bring_their_calls_of_tools() {
    let chat =
        Upstream::start([Answer::sse(&[traffic!("openai/tool_call_stream/upstream.response.sse")])]).await;
    let messages =
        Upstream::start([Answer::sse(&[traffic!("anthropic/tool_call_stream/upstream.response.sse")])]).await;
    let config = provider("openai-compatible", &chat) + &provider("anthropic", &messages);
    let app = App::start(&config).await;
    for model in ["openai-compatible/m", "anthropic/m"] {
        let tool = r#"{"type":"function","name":"get_weather","parameters":{"type":"object"},"strict":null}"#;
        let body = format!(r#"{{"model":"{model}","input":"hi","stream":true,"tools":[{tool}]}}"#);
        let reply = ask(&app, &body).await;
        let events = events(&reply);
        assert_in_order(&events, "response.completed");
        let types = types(&events);
        assert_eq!(&types[..2], ["response.created", "response.in_progress"]);
        assert!(types.contains(&"response.function_call_arguments.done"), "{types:?}");
        let last = &events.last().unwrap()["response"];
        let items = last["output"].as_array().unwrap();
        let call = items.iter().find(|item| item["type"] == "function_call").unwrap();
        assert_eq!(call["name"], "get_weather");
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert!(arguments["location"].is_string(), "{call}");
        assert_eq!(last["tools"], serde_json::from_str::<Value>(&format!("[{tool}]")).unwrap());
    }
    for record in app.finish().await {
        assert_eq!(record["tool_calls"], json!(["get_weather"]), "{record}");
    }
}

#[tokio::test]
async fn callers_of_the_other_protocols_reach_a_provider_of_responses() {
    let answers = [
        Answer::json(200, TOOL_ANSWER),
        Answer::json(200, TOOL_ANSWER),
        Answer::sse(&[TOOL_STREAM]),
        Answer::sse(&[TOOL_STREAM]),
    ];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&provider("openai-responses", &upstream)).await;
    let chat = app.chat(&CHAT.replace("openai/m", "openai-responses/m")).await;
    let message = app.message(&MESSAGE.replace("anthropic/m", "openai-responses/m")).await;
    let chat_stream = app.chat(&CHAT_STREAM.replace("openai/m", "openai-responses/m")).await;
    let message_stream = app.message(&MESSAGE_STREAM.replace("anthropic/m", "openai-responses/m")).await;
    for call in upstream.calls() {
        assert_eq!(call.line, "POST /v1/responses HTTP/1.1");
        assert_eq!((&call.json()["model"], &call.json()["store"]), (&json!("m"), &json!(false)));
        assert_eq!(call.json()["input"][0]["content"][0], json!({"type": "input_text", "text": "hi"}));
    }
    let called = &chat.json()["choices"][0];
    assert_eq!(called["finish_reason"], "tool_calls");
    assert_eq!(called["message"]["tool_calls"][0]["function"]["name"], "get_current_weather");
    assert_eq!(chat.json()["usage"]["cost"], json!(0.000337));
    assert_eq!(message.json()["stop_reason"], "tool_use");
    assert_eq!(message.json()["content"][0]["input"]["location"], "Boston, MA");
    assert!(chat_stream.text().contains(r#""finish_reason":"tool_calls""#), "{}", chat_stream.text());
    assert!(chat_stream.text().ends_with("data: [DONE]\n\n"));
    assert!(message_stream.text().contains(r#""stop_reason":"tool_use""#), "{}", message_stream.text());
    for record in app.finish().await {
        assert_eq!((&record["cost"], &record["outcome"]), (&json!(TOOL_COST), &json!("success")));
    }
}

#[tokio::test]
async fn a_model_that_has_the_api_alone_is_reached_from_every_protocol() {
    let upstream = Upstream::start([Answer::json(200, TOOL_ANSWER)]).await;
    let config = provider("openai", &upstream);
    let app = App::start(config.split("[[providers.models]]").next().unwrap()).await;
    assert_eq!(app.chat(&CHAT.replace("openai/m", "openai/gpt-5-pro")).await.status, 200);
    assert_eq!(upstream.call().line, "POST /v1/responses HTTP/1.1");
    assert_eq!(app.get("/v1/models/openai/gpt-5-pro").await.status, 200);
    app.finish().await;
}

#[tokio::test]
async fn what_a_provider_keeps_is_asked_of_nobody_else() {
    let upstream = Upstream::start([]).await;
    let app =
        App::start(&(provider("openai-compatible", &upstream) + &provider("anthropic", &upstream))).await;
    for (field, param) in [
        (r#""previous_response_id":"resp_1""#, "previous_response_id"),
        (r#""conversation":{"id":"conv_1"}"#, "conversation"),
        (r#""background":true"#, "background"),
        (r#""prompt":{"id":"pmpt_1"}"#, "prompt"),
        (r#""input":[{"type":"item_reference","id":"msg_1"}]"#, "input"),
        (r#""input":[{"id":"msg_1"}]"#, "input"),
    ] {
        for model in ["openai-compatible/m", "anthropic/m"] {
            let reply = ask(&app, &format!(r#"{{"model":"{model}",{field}}}"#)).await;
            assert_openai_error(&reply, 400, "invalid_request");
            assert_eq!(reply.json()["error"]["param"], param);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn stored_answers_are_the_providers() {
    let app = App::start("").await;
    for (method, path) in [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("POST", "/v1/responses/resp_1/cancel"),
    ] {
        let reply = app.send(app.request(method, path).body(http_body_util::Full::default()).unwrap()).await;
        assert_openai_error(&reply, 404, "stored_by_provider");
        app.leaves_no_record(&reply);
    }
    assert_openai_error(&app.get("/v1/responses").await, 405, "method_not_allowed");
    assert_openai_error(&app.get("/v1/responses/elsewhere").await, 404, "no_such_endpoint");
    app.finish().await;
}

#[tokio::test]
async fn an_answer_is_cut_to_what_a_limit_affords() {
    let upstream = Upstream::always(Answer::json(200, TOOL_ANSWER), 2).await;
    let config = provider("openai", &upstream)
        .replace("max_output_tokens = 100", "max_output_tokens = 8192")
        .replace("output = \"2\"", "output = \"10\"");
    let app = App::start(&config).await;
    limit(&app, "0.02").await;
    for body in [ASK.to_owned(), ASK.replace("\"hi\"", "\"hi\",\"max_output_tokens\":8000,\"max_tokens\":7")]
    {
        let reply = ask(&app, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let clamped: u64 = reply.header("x-signalbox-clamped").parse().unwrap();
        let sent = upstream.calls().last().unwrap().json();
        assert_eq!((&sent["max_output_tokens"], clamped > 1_700), (&json!(clamped), true), "{clamped}");
        app.settled().await;
    }
    app.finish().await;
}

#[tokio::test]
async fn tools_of_the_provider_are_limited_or_refused_under_a_hard_limit() {
    let upstream = Upstream::always(Answer::json(200, TOOL_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let with = |rest: &str| ASK.replace("\"hi\"", &format!("\"hi\",{rest}"));
    let interpreter = with(r#""tools":[{"type":"code_interpreter","container":{"type":"auto"}}]"#);
    assert_eq!(ask(&app, &interpreter).await.status, 200);
    limit(&app, "1").await;
    let search = ask(&app, &with(r#""tools":[{"type":"web_search"}]"#)).await;
    assert_eq!(search.status, 200, "{}", search.text());
    assert_eq!(upstream.calls().last().unwrap().json()["max_tool_calls"], 5);
    assert!(search.header("x-signalbox-warnings").contains("limited to 5"), "{:?}", search.headers);
    for body in [&interpreter, &with(r#""tools":[{"type":"image_generation"}]"#)] {
        assert_openai_error(&ask(&app, body).await, 412, "cost_unbounded");
    }
    app.settled().await;
    // A window of a thousand tokens, all of which might be written to the cache, and a hundred of the answer.
    limit(&app, "0.0014").await;
    let conversation = ask(&app, &with(r#""max_output_tokens":100,"previous_response_id":"resp_1""#)).await;
    assert_openai_error(&conversation, 412, "spend_limit_exceeded");
    let message = conversation.json()["error"]["message"].to_string();
    assert!(message.contains("this call may cost $0.00145"), "{message}");
    app.finish().await;
}

#[tokio::test]
async fn thoughts_of_another_vendor_are_not_sent_to_one_that_would_refuse_them() {
    let upstream = Upstream::start([Answer::json(200, TOOL_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let input = json!([
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "anthropic_messages:c2ln"},
        {"role": "assistant", "content": "Ho"},
        {"role": "user", "content": "Go on"},
    ]);
    let reply = ask(&app, &json!({"model": "openai/m", "input": input, "zeta": 1}).to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.call().json();
    assert_eq!((&sent["instructions"], &sent["zeta"]), (&json!("Be brief."), &json!(1)));
    assert_eq!(sent["input"].as_array().map(Vec::len), Some(3), "{sent}");
    assert!(!sent.to_string().contains("anthropic_messages"));
    assert!(reply.header("x-signalbox-warnings").contains("thinking"), "{:?}", reply.headers);
    app.finish().await;
}

#[tokio::test]
async fn failures_within_a_stream_are_events_of_the_protocol() {
    let failing = traffic!("openai-responses/mid_stream_error/upstream.response.sse");
    let failed = traffic!("openai-responses/mid_stream_failed/upstream.response.sse");
    // In two pieces, so that the failure does not come with the beginning.
    let split = |text: &'static str| {
        let (begin, end) = text.split_once("event: response.content_part.added").unwrap();
        let end = format!("event: response.content_part.added{end}");
        Answer::stream().frames(&[begin]).gate().frames(&[end.as_str()]).end()
    };
    let upstream = Upstream::start([split(failing), split(failed)]).await;
    let chat = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..3]).end()]).await;
    let app = App::start(&(provider("openai", &upstream) + &provider("openai-compatible", &chat))).await;
    let body = ASK.replace("\"hi\"", "\"hi\",\"stream\":true");
    let mut replies = Vec::new();
    for _ in 0..2 {
        let open = app.post_open("/v1/responses", &body).await;
        upstream.open_gate();
        replies.push(open.whole().await);
    }
    replies.push(ask(&app, &body.replace("openai/m", "openai-compatible/m")).await);
    for (reply, id) in replies.iter().zip(["resp_0", "resp_0", "resp_chatcmpl-1"]) {
        let events = events(reply);
        assert_in_order(&events, "response.failed");
        let [.., error, failed] = &events[..] else { panic!("two events at least: {}", reply.text()) };
        assert_eq!((&error["type"], &error["error"]["message"]), (&json!("error"), &error["message"]));
        assert_eq!(failed["response"]["status"], "failed");
        assert_eq!(failed["response"]["error"]["message"], error["message"]);
        assert!(failed["response"]["id"].as_str().unwrap().starts_with(id), "{failed}");
    }
    for record in app.finish().await {
        assert_eq!(record["outcome"], "provider_error", "{record}");
    }
}

#[tokio::test]
async fn failures_before_an_answer_have_their_status() {
    let limited = traffic!("openai-responses/error_429/upstream.response.json");
    let failed = r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"},"output":[]}"#;
    let first = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"Slow down\",\"param\":null,\"sequence_number\":0}\n\n";
    let answers = [Answer::json(429, limited), Answer::json(200, failed), Answer::sse(&[first])];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let stream = ASK.replace("\"hi\"", "\"hi\",\"stream\":true");
    for body in [ASK, ASK, &stream] {
        assert_openai_error(&ask(&app, body).await, 429, "rate_limit_exceeded");
    }
    assert_openai_error(&ask(&app, r#"{"input":"hi"}"#).await, 400, "invalid_request");
    assert_openai_error(&ask(&app, r#"{"model":"openai/nope","input":"hi"}"#).await, 404, "model_not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_same_call_twice_is_made_once() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai-compatible", &upstream)).await;
    let body = ASK.replace("openai/m", "openai-compatible/m");
    let first = app.keyed("/v1/responses", "one", &body).await;
    app.settled().await;
    let second = app.keyed("/v1/responses", "one", &body).await;
    assert_eq!((first.status, second.status), (200, 200), "{}", second.text());
    assert_eq!(first.text(), second.text());
    assert_eq!(upstream.calls().len(), 1);
    app.leaves_no_record(&second);
    app.finish_one().await;
}

#[tokio::test]
async fn input_tokens_are_counted_by_the_provider_or_estimated() {
    let counted = r#"{"object":"response.input_tokens","input_tokens":17}"#;
    let upstream = Upstream::start([Answer::json(200, counted)]).await;
    let config = format!("{}{}", provider("openai", &upstream), provider("groq", &upstream));
    let app = App::start(&config).await;
    let ask = |model: &str, more: &str| format!(r#"{{"model":"{model}","input":"Tell me a joke."{more}}}"#);
    let path = "/v1/responses/input_tokens";
    let reply = app.post(path, ask("openai/m", r#","previous_response_id":"resp_1""#)).await;
    assert_eq!(reply.text(), counted);
    assert!(upstream.call().path().ends_with("/responses/input_tokens"));
    let reply = app.post(path, ask("groq/m", "")).await;
    let body = reply.json();
    assert_eq!(body["object"], "response.input_tokens");
    assert!((3..10).contains(&body["input_tokens"].as_u64().unwrap()), "{body}");
    assert!(reply.header("x-signalbox-warnings").contains("estimated"));
    let reply = app.post(path, ask("groq/m", r#","previous_response_id":"resp_1""#)).await;
    assert_openai_error(&reply, 400, "invalid_request");
    for record in app.finish().await {
        assert_eq!((&record["operation"], &record["cost"]), (&json!("count_input_tokens"), &json!("0")));
    }
}
