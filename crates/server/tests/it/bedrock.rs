//! Amazon Bedrock: signed requests, its own protocol and Claude's, streams in binary frames.

use crate::support::*;
use aws_lc_rs::{digest, hmac};
use llm::amazon_events::{event, exception};
use serde_json::{Value, json};

const SECRET: &str = "made-up-secret";
const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn bedrock(upstream: &Upstream, identity: &str) -> String {
    format!(
        "[[providers]]\nname = \"b\"\nkind = \"bedrock\"\nbase_url = \"http://{}\"\n\
         places = {{ region = \"eu-west-1\" }}\n{identity}\n",
        upstream.address
    )
}

fn keys() -> String {
    format!("identity = {{ access_key_id = \"AKIAMADEUP\", secret_access_key = \"{SECRET}\" }}")
}

fn request(model: &str, more: Value) -> String {
    let mut body = json!({"model": format!("b/{model}"), "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn answer(content: Value, stop: &str) -> Answer {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop,
        "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}, "metrics": {"latencyMs": 5},
    });
    Answer::json(200, &body.to_string())
}

/// A stream of these frames, in pieces that have nothing to do with them.
fn stream(frames: &[Vec<u8>]) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let bytes = frames.concat();
    let answer = Answer::default().raw(head.as_bytes());
    bytes.chunks(37).fold(answer, Answer::piece).end()
}

fn delta(index: u32, delta: Value) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta, "p": "ab"}).to_string())
}

fn tool_frames() -> Vec<Vec<u8>> {
    let start =
        json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "song"}}});
    let usage = json!({"usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}, "metrics": {"latencyMs": 5}});
    vec![
        event("messageStart", r#"{"role":"assistant"}"#),
        delta(0, json!({"text": "Wait."})),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event("contentBlockStart", &start.to_string()),
        delta(1, json!({"toolUse": {"input": "{\"sign\":"}})),
        delta(1, json!({"toolUse": {"input": "\"WZPZ\"}"}})),
        event("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        event("messageStop", r#"{"stopReason":"tool_use"}"#),
        event("metadata", &usage.to_string()),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Signs anew what arrived, as AWS would to compare, and gives the key's id.
fn verified(line: &str, headers: &[(String, String)], body: &[u8], scope: &str, secret: &str) -> String {
    let header =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let given = header("authorization").unwrap().strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap();
    let (credential, rest) = given.split_once(", SignedHeaders=").unwrap();
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    let (id, given_scope) = credential.split_once('/').unwrap();
    let date = header("x-amz-date").unwrap();
    let scope = format!("{}/{scope}/aws4_request", &date[..8]);
    assert_eq!(given_scope, scope);
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", header(name).unwrap())).collect();
    let path = line.split(' ').nth(1).unwrap().replace('%', "%25");
    let canonical = format!("POST\n{path}\n\n{lines}\n{names}\n{}", sha256(body));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
    assert_eq!(signature, hex(expected.as_ref()), "{canonical}");
    id.to_owned()
}

#[tokio::test]
async fn a_signed_request_is_answered_whole_in_both_protocols() {
    let call = json!([{"toolUse": {"toolUseId": "tooluse_1", "name": "song", "input": {"sign": "WZPZ"}}}]);
    let upstream =
        Upstream::start([answer(json!([{"text": "Hello"}]), "end_turn"), answer(call, "tool_use")]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let reply = app.chat(&request(CLAUDE, json!({}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!(body["choices"][0]["message"]["content"], "Hello");
    // What the provider does not tell.
    assert!(body["id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(body["model"], format!("b/{CLAUDE}"));
    let tools = json!({"tools": [{"name": "song", "input_schema": {"type": "object"}}]});
    let reply = app.message(&request(NOVA, tools)).await;
    assert_eq!(reply.json()["content"][0]["input"]["sign"], "WZPZ", "{}", reply.text());
    assert_eq!(reply.json()["stop_reason"], "tool_use");
    let calls = upstream.calls();
    assert_eq!(calls[0].path(), format!("/model/{}/converse", CLAUDE.replace(':', "%3A")));
    assert_eq!(calls[0].json()["inferenceConfig"]["maxTokens"], 50);
    assert_eq!(calls[0].header("x-amz-security-token"), None);
    for call in &calls {
        let id = verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", SECRET);
        assert_eq!(id, "AKIAMADEUP");
    }
    let records = app.finish().await;
    // 100 tokens at 3.3 and 10 at 16.5 dollars a million: the profile of the EU has a price of its own.
    assert!(records.iter().any(|record| record["cost"] == "0.000495"), "{records:?}");
    for record in &records {
        assert_eq!(record["usage_source"], "provider_final");
    }
}

#[tokio::test]
async fn a_stream_in_frames_reaches_callers_of_both_protocols() {
    let upstream = Upstream::start([stream(&tool_frames()), stream(&tool_frames())]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let reply = app.chat(&request(CLAUDE, json!({"stream": true}))).await;
    let text = reply.text();
    let deltas: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .map(|chunk| chunk["choices"][0]["delta"].clone())
        .collect();
    let arguments: String =
        deltas.iter().filter_map(|delta| delta["tool_calls"][0]["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, "{\"sign\":\"WZPZ\"}", "{text}");
    assert!(text.contains("\"content\":\"Wait.\"") && text.contains("\"finish_reason\":\"tool_calls\""));
    assert!(text.contains("\"id\":\"req_") && text.ends_with("data: [DONE]\n\n"));
    let reply = app.message(&request(NOVA, json!({"stream": true}))).await;
    let text = reply.text();
    assert!(
        text.contains("\"partial_json\":\"\\\"WZPZ\\\"}\"") && text.contains("event: message_stop"),
        "{text}"
    );
    for call in upstream.calls() {
        assert!(call.path().ends_with("/converse-stream"));
        assert_eq!(call.header("accept"), Some("application/vnd.amazon.eventstream"));
        verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", SECRET);
    }
    for record in app.finish().await {
        assert_eq!(
            (&record["outcome"], &record["usage_source"]),
            (&json!("success"), &json!("provider_final"))
        );
        assert_eq!((&record["finish_reason"], &record["tool_calls"]), (&json!("tool_use"), &json!(["song"])));
        assert_ne!(record["cost"], "0");
    }
}

#[tokio::test]
async fn claude_is_asked_in_its_own_protocol_by_callers_who_speak_it() {
    let frames: Vec<Vec<u8>> = MESSAGE_FRAMES
        .iter()
        .map(|frame| {
            let data = frame.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            event("chunk", &json!({"bytes": base64(data.as_bytes()), "p": "abc"}).to_string())
        })
        .collect();
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER), stream(&frames)]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let whole = app.message(&request(CLAUDE, json!({"unknown_field": 1}))).await;
    assert_eq!(whole.json()["content"][0]["text"], "Hello world", "{}", whole.text());
    let streamed = app.message(&request(CLAUDE, json!({"stream": true}))).await;
    let text = streamed.text();
    assert!(text.starts_with("event: message_start\ndata: {\"type\":\"message_start\""), "{text}");
    assert!(
        text.contains("\"cost\":")
            && text.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
    );
    for (call, path) in upstream.calls().iter().zip(["/invoke", "/invoke-with-response-stream"]) {
        assert!(call.path().ends_with(path), "{}", call.line);
        verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", SECRET);
        let body = call.json();
        assert_eq!(body["anthropic_version"], "bedrock-2023-05-31");
        assert_eq!((&body["model"], &body["stream"]), (&Value::Null, &Value::Null));
        assert_eq!(call.header("anthropic-version"), None);
    }
    for record in app.finish().await {
        assert_eq!(record["usage_source"], "provider_final");
    }
}

#[tokio::test]
async fn openais_models_are_asked_in_openais_protocol_and_in_converse() {
    let upstream =
        Upstream::start([Answer::sse(&CHAT_FRAMES), answer(json!([{"text": "Hello"}]), "end_turn")]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let model = "openai.gpt-oss-120b-1:0";
    let reply = app.chat(&request(model, json!({"stream": true}))).await;
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    let reply = app.message(&request(model, json!({}))).await;
    assert_eq!(reply.json()["content"][0]["text"], "Hello", "{}", reply.text());
    let calls = upstream.calls();
    assert_eq!(
        (calls[0].path(), calls[0].header("accept")),
        ("/v1/chat/completions", Some("text/event-stream"))
    );
    assert_eq!(
        (&calls[0].json()["model"], &calls[0].json()["max_completion_tokens"]),
        (&json!(model), &json!(50))
    );
    assert!(calls[1].path().ends_with("/converse"));
    for call in &calls {
        verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", SECRET);
    }
    app.finish().await;
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let number =
            three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letter = |at: usize| match at <= three.len() {
            true => char::from(LETTERS[(number >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[tokio::test]
async fn a_role_is_taken_on_once_and_its_keys_sign() {
    let given = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>\
        <SecretAccessKey>of-the-role</SecretAccessKey><SessionToken>made-up-token</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let sts = Upstream::start([Answer::whole(200, &[("content-type", "text/xml")], given.as_bytes())]).await;
    let upstream = Upstream::always(answer(json!([{"text": "Hello"}]), "end_turn"), 2).await;
    let identity = format!(
        "identity = {{ access_key_id = \"AKIAMADEUP\", secret_access_key = \"{SECRET}\", \
         role_arn = \"arn:aws:iam::1:role/r\", external_id = \"x\", authority = \"http://{}\" }}",
        sts.address
    );
    let app = App::start(&bedrock(&upstream, &identity)).await;
    for _ in 0..2 {
        assert_eq!(app.chat(&request(NOVA, json!({}))).await.status, 200);
    }
    for call in upstream.calls() {
        assert_eq!(call.header("x-amz-security-token"), Some("made-up-token"));
        let id = verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", "of-the-role");
        assert_eq!(id, "ASIAROLE");
    }
    let asked = sts.call();
    assert_eq!(
        asked.text(),
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=signalbox\
         &DurationSeconds=3600&ExternalId=x"
    );
    verified(&asked.line, &asked.headers, &asked.body, "eu-west-1/sts", SECRET);
    app.finish().await;
}

#[tokio::test]
async fn a_role_that_is_refused_is_a_fault_of_ours_and_nothing_is_sent() {
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let sts =
        Upstream::start([Answer::whole(403, &[("content-type", "text/xml")], refused.as_bytes())]).await;
    let upstream = Upstream::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "made-up-jwt\n").unwrap();
    let identity = format!(
        "identity = {{ federated_token_file = \"{}\", role_arn = \"arn:aws:iam::1:role/r\", authority = \"http://{}\" }}",
        token.display(),
        sts.address
    );
    let app = App::start(&bedrock(&upstream, &identity)).await;
    let reply = app.chat(&request(NOVA, json!({}))).await;
    let code = reply.json()["error"]["code"].clone();
    assert_eq!((reply.status, code), (502, json!("provider_refused_credential")), "{}", reply.text());
    let asked = sts.call();
    assert!(asked.text().starts_with("Action=AssumeRoleWithWebIdentity&"));
    assert!(asked.text().ends_with("&WebIdentityToken=made-up-jwt"), "{}", asked.text());
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(app.finish_one().await["cost"], "0");
}

#[tokio::test]
async fn a_key_of_bedrocks_own_is_sent_as_it_is() {
    let upstream = Upstream::start([answer(json!([{"text": "Hello"}]), "end_turn")]).await;
    let app = App::start(&bedrock(&upstream, &format!("api_key = \"{PROVIDER_KEY}\""))).await;
    assert_eq!(app.chat(&request(NOVA, json!({}))).await.status, 200);
    let call = upstream.call();
    assert_eq!(call.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    assert_eq!(call.header("x-amz-date"), None);
    app.finish().await;
}

#[tokio::test]
async fn refusals_have_the_status_that_callers_can_act_on() {
    let table = [
        (400, 400, "provider_refused_request"),
        (403, 502, "provider_refused_credential"),
        (404, 404, "provider_model_not_found"),
        (424, 502, "provider_unavailable"),
        (429, 429, "provider_rate_limited"),
        (503, 503, "provider_unavailable"),
    ];
    let answers = table.map(|(status, ..)| Answer::json(status, r#"{"message":"as AWS says it"}"#));
    let upstream = Upstream::start(answers).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    for (status, expected, code) in table {
        let reply = app.chat(&request(NOVA, json!({}))).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (expected, &json!(code)), "{status}");
    }
    for record in app.finish().await {
        assert_eq!(record["cost"], "0");
    }
}

#[tokio::test]
async fn an_exception_in_a_stream_is_told_before_it_begins_and_within_it() {
    let slow_down = exception("throttlingException", r#"{"message":"slow down"}"#);
    let begun = [
        event("messageStart", r#"{"role":"assistant"}"#),
        delta(0, json!({"text": "Hel"})),
        exception("modelStreamErrorException", r#"{"message":"it failed"}"#),
    ];
    let torn =
        [event("messageStart", r#"{"role":"assistant"}"#), delta(0, json!({"text": "Hel"})), vec![1; 64]];
    let upstream = Upstream::start([stream(&[slow_down]), stream(&begun), stream(&torn)]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let body = request(NOVA, json!({"stream": true}));
    let reply = app.chat(&body).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["message"]),
        (429, &json!("slow down")),
        "{}",
        reply.text()
    );
    for message in ["it failed", "checksum"] {
        let reply = app.chat(&body).await;
        let text = reply.text();
        assert_eq!(reply.status, 200);
        assert!(text.contains("\"content\":\"Hel\"") && text.contains(message), "{text}");
        assert!(!text.contains("[DONE]"));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_picture_by_address_is_refused_before_anything_is_sent() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let picture = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let reply = app.chat(&request(NOVA, json!({"messages": [{"role": "user", "content": [picture]}]}))).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("image") && reply.text().contains("url"), "{}", reply.text());
    app.finish().await;
}

#[tokio::test]
async fn a_request_for_vectors_is_signed_too() {
    let vectors = json!({"embedding": [1, 2], "inputTextTokenCount": 3});
    let denied = json!({"message": "Malformed input request: #: extraneous key [x] is not permitted"});
    let upstream =
        Upstream::start([Answer::json(200, &vectors.to_string()), Answer::json(400, &denied.to_string())])
            .await;
    let app = App::start(&bedrock(&upstream, &keys())).await;
    let body = json!({"model": "b/amazon.titan-embed-text-v2:0", "input": "a"}).to_string();
    let reply = app.post("/v1/embeddings", body.clone()).await;
    assert_eq!(reply.json()["data"][0]["embedding"], json!([1, 2]), "{}", reply.text());
    let refused = app.post("/v1/embeddings", body).await;
    assert_eq!((refused.status, &refused.json()["error"]["message"]), (400, &denied["message"]));
    for call in &upstream.calls() {
        let id = verified(&call.line, &call.headers, &call.body, "eu-west-1/bedrock", SECRET);
        assert_eq!(id, "AKIAMADEUP");
        assert_eq!(call.path(), "/model/amazon.titan-embed-text-v2%3A0/invoke");
    }
    // Three tokens at 0.02 dollars per million, as the catalogue has it.
    assert_eq!(app.finish().await[1]["cost"], "0.00000006");
}
