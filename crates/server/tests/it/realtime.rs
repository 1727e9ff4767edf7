//! Realtime sessions: relayed as they are, metered exactly, ended before a limit is passed.

use crate::support::*;
use domain::{Enforcement, Limit, Money, Scope, Window};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

/// OpenAI's own kind, with its catalogue, at a provider that a test plays.
pub fn openai(provider: &Provider) -> String {
    let base_url = format!("http://{}/v1", provider.address);
    format!("[[providers]]\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key = \"{PROVIDER_KEY}\"\n")
}

pub const QUERY: &str = "?model=openai/gpt-realtime";

pub const CREATED: &str = r#"{"type":"session.created","event_id":"event_1","session":{"type":"realtime","object":"realtime.session","id":"sess_1","model":"gpt-realtime","instructions":"Be kind.","max_output_tokens":"inf","audio":{"input":{"turn_detection":{"type":"server_vad","create_response":true},"transcription":null}}}}"#;
pub const SAY: &str = r#"{"type":"conversation.item.create", "item":{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}}"#;
pub const CREATE: &str = r#"{"type":"response.create"}"#;
pub const SOUND: &str = r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#;

pub fn started(id: &str) -> String {
    json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}}).to_string()
}

/// 132 tokens in, of which 64 come from the cache, and 121 out. At the prices of gpt-realtime: 50 × 4 + 40 × 0.4 +
/// 10 × 32 + 20 × 0.4 + 8 × 5 + 4 × 0.5 + 30 × 16 + 91 × 64 millionths.
pub const USAGE: &str = r#"{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":90,"audio_tokens":30,"image_tokens":12,"cached_tokens":64,"cached_tokens_details":{"text_tokens":40,"audio_tokens":20,"image_tokens":4}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}"#;
pub const COST_NANO: i64 = 6_890_000;

pub fn done(id: &str, status: &str) -> String {
    format!(r#"{{"type":"response.done","response":{{"id":"{id}","status":"{status}","usage":{USAGE}}}}}"#)
}

pub async fn limit(app: &App, dollars: &str) {
    let (scope, amount) = (Scope::Organization(app.org), dollars.parse().unwrap());
    let limit = Limit { scope, window: Window::Month, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

pub fn nano(record: &Value) -> i64 {
    record["cost"].as_str().unwrap().parse::<Money>().unwrap().nano()
}

/// A gateway, the provider's side and the caller's side of a session.
pub async fn session() -> (App, Provider, Caller, Caller) {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    let caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let side = provider.session().await;
    (app, provider, caller, side)
}

/// Asks for an answer and lets it begin.
pub async fn begin<S: Stream>(caller: &mut Caller<S>, side: &mut Caller, id: &str) {
    caller.send(CREATE).await;
    assert_eq!(side.event().await["type"], "response.create");
    side.send(&started(id)).await;
    assert_eq!(caller.event().await["type"], "response.created");
}

#[tokio::test]
async fn a_session_is_relayed_as_it_is_and_costs_what_its_answers_do() {
    let (app, provider, mut caller, mut side) = session().await;
    let request = provider.request();
    assert_eq!(request.uri().path_and_query().unwrap(), "/v1/realtime?model=gpt-realtime");
    assert_eq!(request.headers()["authorization"], format!("Bearer {PROVIDER_KEY}"));
    assert!(!format!("{request:?}").contains(KEY), "the caller's key reached the provider");
    assert!(caller.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    side.send(CREATED).await;
    assert_eq!(caller.text().await, CREATED);
    caller.send(SAY).await;
    assert_eq!(side.text().await, SAY);
    let delta = r#"{ "type":"response.output_text.delta", "delta":"é" }"#;
    for id in ["resp_1", "resp_2"] {
        begin(&mut caller, &mut side, id).await;
        side.send(delta).await;
        assert_eq!(caller.text().await, delta);
        side.send(&done(id, "completed")).await;
        assert_eq!(caller.text().await, done(id, "completed"));
    }
    caller.send_message(Message::Ping("still there?".into())).await;
    assert_eq!(caller.pong().await, "still there?");
    caller.close(1000).await;
    assert_eq!(side.closed().await, Some(1000));
    let record = app.finish_one().await;
    assert_eq!(nano(&record), 2 * COST_NANO);
    let told = |field: &str| record[field].clone();
    assert_eq!(
        ["operation", "outcome", "status", "model_used", "usage_source", "response_id"].map(told),
        [
            json!("realtime"),
            json!("success"),
            json!(101),
            json!("gpt-realtime"),
            json!("provider_final"),
            json!("sess_1")
        ]
    );
    assert_eq!(
        ["input_tokens", "cache_read_tokens", "output_tokens", "other_usage"].map(told),
        [
            json!(100),
            json!(80),
            json!(60),
            json!({"audio_input": 20, "audio_output": 182, "image_input": 16, "audio_cache_read": 40, "image_cache_read": 8})
        ]
    );
}

#[tokio::test]
async fn what_is_written_down_of_speech_is_charged_at_its_own_models_price() {
    let (app, _provider, mut caller, mut side) = session().await;
    caller.send(r#"{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"whisper-1"}}}}}"#).await;
    side.event().await;
    caller.send(SOUND).await;
    assert_eq!(side.text().await, SOUND);
    let completed = r#"{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"hi","usage":{"type":"duration","seconds":30}}"#;
    for event in [r#"{"type":"input_audio_buffer.committed","item_id":"i"}"#, completed] {
        side.send(event).await;
        caller.event().await;
    }
    begin(&mut caller, &mut side, "resp_1").await;
    side.send(&done("resp_1", "completed")).await;
    caller.event().await;
    caller.close(1000).await;
    let record = app.finish_one().await;
    // Half a minute at six thousandths of a dollar a minute.
    assert_eq!(nano(&record), COST_NANO + 3_000_000);
    let attempts = record["attempts"].as_array().unwrap();
    let models: Vec<&str> = attempts.iter().map(|attempt| attempt["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["whisper-1", "gpt-realtime"]);
    assert_eq!(attempts[0]["cost"], "0.003");
    assert_eq!(record["model_used"], "gpt-realtime");
}

#[tokio::test]
async fn the_session_ends_before_a_limit_is_passed() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    // An answer of gpt-realtime may cost 4,096 × 64 millionths and what it reads.
    limit(&app, "0.35").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    let held = app.gateway().recorder.budgets.held().nano();
    assert!((4_096 * 64_000..350_000_000).contains(&held), "{held}");
    let usage =
        json!({"input_tokens": 10, "output_tokens": 1_500, "output_token_details": {"audio_tokens": 1_500}});
    let event =
        json!({"type": "response.done", "response": {"id": "resp_1", "status": "completed", "usage": usage}});
    side.send(&event.to_string()).await;
    caller.event().await;
    caller.send(CREATE).await;
    let error = caller.event().await;
    assert_eq!((&error["type"], &error["error"]["code"]), (&json!("error"), &json!("spend_limit_exceeded")));
    assert_eq!(caller.closed().await, Some(1008));
    assert_eq!(side.closed().await, Some(1000), "the second answer was never asked for");
    let record = app.finish_one().await;
    assert_eq!(nano(&record), 96_040_000);
    assert_eq!(
        (&record["outcome"], &record["error_code"]),
        (&json!("refused"), &json!("spend_limit_exceeded"))
    );
}

#[tokio::test]
async fn an_answer_that_begins_by_itself_is_covered_before_it_can() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    limit(&app, "0.5").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    let held = || app.gateway().recorder.budgets.held().nano();
    assert!(held() < 100_000_000, "nothing can be answered yet: {}", held());
    caller.send(SOUND).await;
    assert_eq!(side.text().await, SOUND);
    assert!(held() > 4_096 * 64_000, "{}", held());
    // It answers, and may answer once more: there is not enough for both.
    side.send(&started("resp_1")).await;
    assert_eq!(caller.event().await["type"], "response.created");
    assert_eq!(caller.event().await["error"]["code"], "spend_limit_exceeded");
    assert_eq!(side.event().await, json!({"type": "response.cancel", "response_id": "resp_1"}));
    side.send(&done("resp_1", "cancelled")).await;
    assert_eq!(caller.closed().await, Some(1008));
    let record = app.finish_one().await;
    assert_eq!((nano(&record), &record["usage_source"]), (COST_NANO, &json!("provider_final")));
}

#[tokio::test]
async fn a_shorter_answer_needs_less() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    limit(&app, "0.2").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    caller.send(r#"{"type":"response.create","response":{"max_output_tokens":200}}"#).await;
    assert_eq!(side.event().await["response"]["max_output_tokens"], 200);
    side.send(&started("resp_1")).await;
    caller.event().await;
    side.send(&done("resp_1", "completed")).await;
    caller.event().await;
    // What a session is set to counts when the provider has confirmed it.
    caller.send(r#"{"type":"session.update","session":{"type":"realtime","max_output_tokens":300}}"#).await;
    side.event().await;
    side.send(&CREATED.replace("session.created", "session.updated").replace("\"inf\"", "300")).await;
    caller.event().await;
    begin(&mut caller, &mut side, "resp_2").await;
    side.send(&done("resp_2", "completed")).await;
    caller.event().await;
    caller.close(1000).await;
    assert_eq!(nano(&app.finish_one().await), 2 * COST_NANO);
}

#[tokio::test]
async fn no_session_is_opened_without_money_or_a_bound() {
    let provider = Provider::start().await;
    let unpriced = "[[providers.models]]\nid = \"free\"\nmode = \"realtime\"\n[[providers.models]]\nid = \"open\"\n\
         mode = \"realtime\"\ninput = \"1\"\noutput = \"2\"\n";
    let app = App::start(&(openai(&provider) + unpriced)).await;
    limit(&app, "0.01").await;
    for (query, code) in [
        (QUERY, "spend_limit_exceeded"),
        ("?model=openai/free", "cost_unbounded"),
        ("?model=openai/open", "cost_unbounded"),
    ] {
        let refused = open_socket(app.address, query, &[]).await.err().unwrap();
        assert_eq!((refused.status, &refused.body["error"]["code"]), (412, &json!(code)));
    }
    assert_eq!(provider.asked(), 0);
    assert_eq!(app.finish().await.len(), 3);
}

#[tokio::test]
async fn strangers_and_other_models_are_refused_with_ordinary_answers() {
    let provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    for (query, status, code) in [
        ("?model=openai/gpt-9", 404, "model_not_found"),
        ("?model=nobody/gpt-realtime", 404, "model_not_found"),
        ("?model=openai/gpt-4o", 400, "wrong_endpoint"),
        ("", 400, "invalid_request"),
        ("?model=openai/gpt-realtime&intent=transcription", 400, "invalid_request"),
    ] {
        let refused = open_socket(app.address, query, &[]).await.err().unwrap();
        assert_eq!((refused.status, &refused.body["error"]["code"]), (status, &json!(code)), "{query}");
    }
    for headers in [("x-api-key", "sbx_wrong"), ("origin", "https://example.com")] {
        let refused = open_socket(app.address, QUERY, &[headers]).await.err().unwrap();
        assert_eq!(refused.status, 401);
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    // Not a WebSocket at all.
    let path = format!("/v1/realtime{QUERY}");
    assert_openai_error(&app.get(&path).await, 400, "invalid_request");
    let posted = app.send(app.request("POST", &path).body(Full::default()).unwrap()).await;
    assert_openai_error(&posted, 405, "method_not_allowed");
    app.leaves_no_record(&posted);
    assert_eq!(provider.asked(), 0);
    assert_eq!(app.finish().await.len(), 6);
}

#[tokio::test]
async fn a_browser_shows_its_key_among_the_protocols() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    let named = format!("realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1");
    let mut caller = open_socket(app.address, QUERY, &[("sec-websocket-protocol", &named)]).await.unwrap();
    assert_eq!(caller.headers["sec-websocket-protocol"], "realtime");
    provider.session().await;
    assert_eq!(provider.request().headers()["openai-beta"], "realtime=v1");
    assert!(!format!("{:?}", provider.request()).contains(KEY));
    assert_eq!(caller.event().await["type"], "error");
    drop(caller);
    app.finish_one().await;
}

#[tokio::test]
async fn a_provider_that_opens_no_session_is_told_of_as_of_any_failure() {
    let refusal = |status, message: &str| {
        Answer::whole(
            status,
            &[("content-type", "application/json"), ("retry-after", "7")],
            json!({"error": {"message": message, "code": "x"}}).to_string().as_bytes(),
        )
    };
    for (status, expected, code) in [
        (401, 502, "provider_refused_credential"),
        (429, 429, "x"),
        (503, 503, "provider_unavailable"),
        (200, 424, "invalid_provider_response"),
    ] {
        let upstream = Upstream::start([refusal(status, "no").close()]).await;
        let base = format!("http://{}/v1", upstream.address);
        let app = App::start(&format!(
            "[[providers]]\nkind = \"openai\"\nbase_url = \"{base}\"\napi_key = \"{PROVIDER_KEY}\"\n"
        ))
        .await;
        let refused = open_socket(app.address, QUERY, &[]).await.err().unwrap();
        assert_eq!((refused.status, &refused.body["error"]["code"]), (expected, &json!(code)), "{status}");
        if status == 429 {
            assert_eq!(refused.headers["retry-after"], "7");
        }
        let record = app.finish_one().await;
        assert_eq!((nano(&record), &record["outcome"]), (0, &json!("provider_error")));
        assert_eq!(record["attempts"][0]["status"], status);
    }
}

#[tokio::test]
async fn a_provider_that_dies_ends_the_session_with_an_error() {
    let (app, _provider, mut caller, mut side) = session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    drop(side);
    let error = caller.event().await;
    assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!("server_error")));
    assert_eq!(error["error"]["code"], "broken_provider_stream");
    assert_eq!(caller.closed().await, Some(1011));
    let record = app.finish_one().await;
    assert_eq!(
        (&record["outcome"], &record["usage_source"]),
        (&json!("provider_error"), &json!("hold_assumed"))
    );
    // Nobody knows what the answer had come to: it is taken for the longest.
    assert!(nano(&record) > 4_096 * 64_000, "{}", record["cost"]);
}

#[tokio::test]
async fn a_provider_that_closes_is_passed_on() {
    for (code, outcome, seen) in [(1000, "success", None), (1013, "provider_error", Some("error"))] {
        let (app, _provider, mut caller, mut side) = session().await;
        side.close(code).await;
        if let Some(seen) = seen {
            assert_eq!(caller.event().await["type"], seen);
        }
        assert_eq!(caller.closed().await, Some(code));
        let record = app.finish_one().await;
        assert_eq!((nano(&record), &record["outcome"]), (0, &json!(outcome)));
    }
}

#[tokio::test]
async fn a_caller_who_vanishes_ends_its_answer_and_pays_what_that_has_come_to() {
    let (app, _provider, mut caller, mut side) = session().await;
    begin(&mut caller, &mut side, "resp_1").await;
    drop(caller);
    assert_eq!(side.event().await, json!({"type": "response.cancel", "response_id": "resp_1"}));
    side.send(&done("resp_1", "cancelled")).await;
    assert_eq!(side.closed().await, Some(1000));
    let record = app.finish_one().await;
    assert_eq!((nano(&record), &record["outcome"]), (COST_NANO, &json!("client_gone")));
    assert_eq!(record["usage_source"], "provider_final");
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_session() {
    let mut provider = Provider::start().await;
    let config = openai(&provider) + "[realtime]\nmessage_bytes_max = 10000\n";
    let app = App::start(&config).await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    let fits = SOUND.replace("AAAA", &"A".repeat(9_000));
    caller.send(&fits).await;
    assert_eq!(side.text().await, fits);
    caller.send(&SOUND.replace("AAAA", &"A".repeat(10_000))).await;
    assert_eq!(caller.event().await["error"]["code"], "message_too_large");
    assert_eq!(caller.closed().await, Some(1009));
    assert_eq!(side.closed().await, Some(1000));
    assert_eq!(app.finish_one().await["error_code"], "message_too_large");
}

#[tokio::test]
async fn what_cannot_be_read_or_counted_is_answered_and_not_relayed() {
    let (app, _provider, mut caller, mut side) = session().await;
    let other = r#"{"type":"session.update","event_id":"mine","session":{"model":"gpt-realtime-2"}}"#;
    let written = r#"{"type":"session.update","session":{"type":"transcription"}}"#;
    for event in ["not json", r#"{"type":"response.make"}"#, other, written] {
        caller.send(event).await;
        let error = caller.event().await;
        assert_eq!(
            (&error["type"], &error["error"]["code"]),
            (&json!("error"), &json!("invalid_request")),
            "{event}"
        );
        let named = if event == other { json!("mine") } else { Value::Null };
        assert_eq!(error["error"]["event_id"], named);
    }
    caller.send_message(Message::Binary(vec![0].into())).await;
    assert_eq!(caller.event().await["type"], "error");
    // The name callers use becomes the provider's.
    caller.send(r#"{"type":"session.update","session":{"model":"openai/gpt-realtime"}}"#).await;
    assert_eq!(side.event().await["session"]["model"], "gpt-realtime");
    caller.close(1000).await;
    app.finish_one().await;
}

#[tokio::test]
async fn an_answer_that_is_refused_frees_what_was_held_for_it() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    // Enough for two answers.
    limit(&app, "0.8").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    for _ in 0..5 {
        caller.send(r#"{"type":"response.create","event_id":"mine"}"#).await;
        let named = side.event().await["event_id"].clone();
        assert_ne!(named, "mine", "another event of the caller's may have that name");
        let error = json!({"type": "error", "error": {"type": "x", "message": "busy", "event_id": named}});
        side.send(&error.to_string()).await;
        assert_eq!(caller.event().await["error"]["event_id"], "mine");
    }
    caller.close(1000).await;
    let record = app.finish_one().await;
    assert_eq!((nano(&record), &record["usage_source"]), (0, &json!("none")));
}

#[tokio::test]
async fn an_answer_that_a_nameless_error_refused_costs_nothing() {
    let (app, _provider, mut caller, mut side) = session().await;
    caller.send(CREATE).await;
    side.event().await;
    let error = r#"{"type":"error","error":{"type":"x","message":"busy"}}"#;
    side.send(error).await;
    assert_eq!(caller.text().await, error);
    caller.close(1000).await;
    let record = app.finish_one().await;
    assert_eq!((nano(&record), &record["usage_source"]), (0, &json!("none")));
}

#[tokio::test]
async fn a_change_that_is_refused_is_told_under_its_callers_name() {
    let (app, _provider, mut caller, mut side) = session().await;
    caller.send(r#"{"type":"session.update","event_id":"mine","session":{"instructions":"Hi"}}"#).await;
    let relayed = side.event().await;
    assert_eq!(relayed["session"], json!({"instructions": "Hi"}));
    let named = relayed["event_id"].clone();
    assert_ne!(named, "mine", "another event of the caller's may have that name");
    let error = json!({"type": "error", "error": {"type": "x", "message": "no", "event_id": named}});
    side.send(&error.to_string()).await;
    assert_eq!(caller.event().await["error"]["event_id"], "mine");
    let long = "x".repeat(513);
    caller.send(&json!({"type": "response.create", "event_id": long}).to_string()).await;
    let error = caller.event().await["error"].clone();
    assert_eq!((&error["code"], &error["param"]), (&json!("invalid_request"), &json!("event_id")));
    caller.close(1000).await;
    app.finish_one().await;
}

#[tokio::test]
async fn the_gateways_own_key_is_told_to_nobody() {
    for is_closed in [false, true] {
        let (app, _provider, mut caller, mut side) = session().await;
        let error = |code: &str| {
            let message = format!("Incorrect API key provided: {PROVIDER_KEY}");
            json!({"type": "error", "error": {"type": "x", "code": code, "message": message}}).to_string()
        };
        side.send(&error("other")).await;
        let told = caller.text().await;
        assert!(told.contains("[secret]") && !told.contains(PROVIDER_KEY), "{told}");
        if is_closed {
            let reason = "invalid_request_error.invalid_api_key".into();
            let frame = CloseFrame { code: CloseCode::from(3000), reason };
            side.send_message(Message::Close(Some(frame))).await;
        } else {
            side.send(&error("invalid_api_key")).await;
        }
        // It is not the caller's key that is wrong.
        let told = caller.event().await["error"].clone();
        assert_eq!(told["code"], "provider_refused_credential");
        assert!(!told.to_string().contains(PROVIDER_KEY), "{told}");
        assert_eq!(caller.closed().await, Some(1011));
        assert_eq!(app.finish_one().await["error_code"], "provider_refused_credential");
    }
}

#[tokio::test]
async fn tools_that_a_stored_prompt_brings_end_a_limited_session() {
    let mut provider = Provider::start().await;
    let app = App::start(&openai(&provider)).await;
    limit(&app, "5").await;
    let mut caller = open_socket(app.address, QUERY, &[]).await.unwrap();
    let mut side = provider.session().await;
    let tools = json!([{"type": "mcp", "server_label": "x"}]);
    side.send(&json!({"type": "session.updated", "session": {"tools": tools}}).to_string()).await;
    assert_eq!(caller.event().await["error"]["code"], "cost_unbounded");
    assert_eq!(caller.closed().await, Some(1008));
    assert_eq!(side.closed().await, Some(1000));
    app.finish_one().await;
}

#[tokio::test]
async fn a_limit_that_comes_later_ends_a_session_that_nothing_bounds() {
    let mut provider = Provider::start().await;
    let open = "[[providers.models]]\nid = \"open\"\nmode = \"realtime\"\ninput = \"1\"\noutput = \"2\"\n";
    let app = App::start(&(openai(&provider) + open)).await;
    let mut caller = open_socket(app.address, "?model=openai/open", &[]).await.unwrap();
    let mut side = provider.session().await;
    limit(&app, "5").await;
    assert_eq!(caller.event().await["error"]["code"], "cost_unbounded");
    assert_eq!(caller.closed().await, Some(1008));
    assert_eq!(side.closed().await, Some(1000));
    assert_eq!(app.finish_one().await["error_code"], "cost_unbounded");
}
