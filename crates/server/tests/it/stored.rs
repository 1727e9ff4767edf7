//! Answers that OpenAI stores: made in the background and paid for when they are over, read and deleted by whose they are.

use crate::jobs::soon;
use crate::media::limit;
use crate::support::*;
use domain::{NewKey, OrgId};
use http_body_util::Full;
use serde_json::{Value, json};

const ASK: &str = r#"{"model":"openai/m","input":"hi","background":true,"max_output_tokens":50}"#;
/// What an answer costs that tells its usage.
const COST: &str = "0.00012";

/// An answer in this state; 100 tokens in and 10 out cost 120 millionths.
fn answer(status: &str, usage: &Value) -> Answer {
    let error = (status == "failed").then(|| json!({"code": "server_error", "message": "no"}));
    let body = json!({
        "id": "resp_7", "object": "response", "created_at": 1, "model": "m-2025", "status": status, "background": true,
        "error": error, "incomplete_details": null, "output": [], "usage": usage,
    });
    Answer::json(200, &body.to_string())
}

fn done() -> Answer {
    answer("completed", &json!({"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}))
}

async fn start(upstream: &Upstream) -> App {
    App::with(&provider("openai", upstream), soon).await
}

async fn asked(app: &App, method: &str, path: &str) -> Reply {
    let reply = app.send(app.request(method, path).body(Full::default()).unwrap()).await;
    app.leaves_no_record(&reply);
    reply
}

fn lines(upstream: &Upstream) -> Vec<String> {
    upstream.calls().iter().map(|call| call.line.replace(" HTTP/1.1", "")).collect()
}

#[tokio::test]
async fn what_is_made_in_the_background_is_paid_for_when_it_is_over() {
    let begun = || answer("in_progress", &Value::Null);
    let answers = [answer("queued", &Value::Null), begun(), Answer::json(500, "{}"), begun(), done()];
    let upstream = Upstream::start(answers).await;
    let app = start(&upstream).await;
    // It is bounded as every answer is, so a limit does not stand against it.
    limit(&app, "1").await;
    let reply = app.post("/v1/responses", ASK).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("queued")), "{}", reply.text());
    let record = app.finish_one().await;
    assert_eq!((&record["cost"], &record["usage_source"]), (&json!(COST), &json!("provider_final")));
    assert_eq!((&record["input_tokens"], &record["response_id"]), (&json!(100), &json!("resp_7")));
    let lines = lines(&upstream);
    assert_eq!(lines[0], "POST /v1/responses");
    assert!(
        lines.len() == 5 && lines[1..].iter().all(|line| line == "GET /v1/responses/resp_7"),
        "{lines:?}"
    );
    assert_eq!(upstream.calls()[4].header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
}

/// A request with a new key of an organization.
async fn with_another_key(app: &App, org: OrgId, (method, path): (&str, &str), body: &str) -> Reply {
    let new = NewKey::named(org, "other");
    let (_, secret) = server::bootstrap::create_key(&app.db, new, &domain::SystemClock).await.unwrap();
    app.read_configuration().await;
    let mut request = app.request(method, path).body(body.to_owned().into()).unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    app.send(request).await
}

/// The same request with another key of the same organization.
async fn asked_by_another(app: &App, path: &str) -> Reply {
    with_another_key(app, app.org, ("GET", path), "").await
}

#[tokio::test]
async fn nobody_goes_on_from_another_organizations_answer() {
    let upstream = Upstream::start([done(), done(), done(), done()]).await;
    let app = start(&upstream).await;
    let other = app.other_organization().await;
    let post = ("POST", "/v1/responses");
    let on =
        |id: &str| format!(r#"{{"model":"openai/m","input":"and then?","previous_response_id":"{id}"}}"#);
    assert_eq!(app.post("/v1/responses", r#"{"model":"openai/m","input":"hi"}"#).await.status, 200);
    let refused = with_another_key(&app, other, post, &on("resp_7")).await;
    assert_openai_error(&refused, 400, "previous_response_not_found");
    assert_eq!(refused.json()["error"]["param"], "previous_response_id");
    assert_eq!(upstream.calls().len(), 1, "the provider does not hear of it");
    let colleague = with_another_key(&app, app.org, post, &on("resp_7")).await;
    assert_eq!((colleague.status, app.post("/v1/responses", on("resp_7")).await.status), (200, 200));
    // What was never asked for here is between its holder and the provider.
    assert_eq!(with_another_key(&app, other, post, &on("resp_of_elsewhere")).await.status, 200);
    // The records know it too, for when this process does not remember.
    app.recorded(3).await;
    let later = gateway::stored::StoredAnswers::new(app.db.clone());
    for (id, org, may) in
        [("resp_7", app.org, true), ("resp_7", OrgId::from_bytes([7; 16]), false), ("resp_8", other, true)]
    {
        assert_eq!(later.may_go_on(id, org).await.unwrap(), may, "{id}");
    }
    app.finish().await;
}

#[tokio::test]
async fn whoever_has_an_answer_may_ask_for_it_while_it_is_made_and_later() {
    const PATH: &str = "/v1/responses/resp_7";
    let list = r#"{"object":"list","data":[],"has_more":false}"#;
    let deleted = r#"{"id":"resp_7","object":"response","deleted":true}"#;
    let gone = r#"{"error":{"message":"Response with id 'resp_7' not found.","type":"invalid_request_error","param":"id","code":null}}"#;
    let answers = [
        answer("in_progress", &Value::Null),
        Answer::default().gate().then(done()),
        answer("in_progress", &Value::Null),
        done(),
        Answer::json(200, list),
        answer("cancelled", &Value::Null),
        Answer::json(200, deleted),
        Answer::json(404, gone),
    ];
    let upstream = Upstream::start(answers).await;
    let app = start(&upstream).await;
    assert_eq!(app.post("/v1/responses", ASK).await.status, 200);
    upstream.called(2).await;
    assert_eq!(asked(&app, "GET", PATH).await.json()["status"], "in_progress");
    assert_openai_error(&asked_by_another(&app, PATH).await, 404, "stored_by_provider");
    upstream.open_gate();
    app.recorded(1).await;
    let whole = asked(&app, "GET", &format!("{PATH}?include%5B%5D=reasoning.encrypted_content")).await;
    assert_eq!((whole.status, whole.header("content-type")), (200, "application/json"));
    assert_eq!(whole.json()["usage"]["input_tokens"], 100);
    assert_eq!(asked(&app, "GET", &format!("{PATH}/input_items?limit=1")).await.text(), list);
    assert_eq!(asked(&app, "POST", &format!("{PATH}/cancel")).await.json()["status"], "cancelled");
    assert_eq!(asked(&app, "DELETE", PATH).await.text(), deleted);
    let missing = asked(&app, "GET", PATH).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("not found"), "{}", missing.text());
    assert_openai_error(&asked_by_another(&app, PATH).await, 404, "stored_by_provider");
    for stream in ["stream=true", "stream=1", "%73tream=True"] {
        let reply = asked(&app, "GET", &format!("{PATH}?{stream}")).await;
        assert_openai_error(&reply, 400, "invalid_request");
    }
    assert_eq!(
        lines(&upstream)[3..7],
        [
            "GET /v1/responses/resp_7?include%5B%5D=reasoning.encrypted_content",
            "GET /v1/responses/resp_7/input_items?limit=1",
            "POST /v1/responses/resp_7/cancel",
            "DELETE /v1/responses/resp_7",
        ]
    );
    assert_eq!(app.finish_one().await["cost"], COST);
}

#[tokio::test]
async fn a_record_of_an_earlier_process_leads_to_its_answer() {
    let upstream = Upstream::start([done(), done()]).await;
    let app = start(&upstream).await;
    // Not in the background, so only the record knows of it.
    let body = ASK.replace(r#","background":true"#, "");
    assert_eq!(app.post("/v1/responses", body).await.status, 200);
    app.recorded(1).await;
    assert_eq!(asked(&app, "GET", "/v1/responses/resp_7").await.json()["id"], "resp_7");
    assert_openai_error(&asked(&app, "GET", "/v1/responses/resp_8").await, 404, "stored_by_provider");
    assert_openai_error(
        &asked(&app, "GET", "/v1/responses/resp_%2E%2E%2Ffiles").await,
        404,
        "stored_by_provider",
    );
    app.finish_one().await;
}

#[tokio::test]
async fn no_more_are_looked_after_than_there_are_places() {
    let upstream =
        Upstream::start([answer("queued", &Value::Null), Answer::default().gate().then(done())]).await;
    let config = "[limits]\nbackground_answers_max = 1\n".to_owned() + &provider("openai", &upstream);
    let app = App::with(&config, soon).await;
    assert_eq!(app.post("/v1/responses", ASK).await.status, 200);
    assert_openai_error(&app.post("/v1/responses", ASK).await, 503, "overloaded");
    upstream.called(2).await;
    upstream.open_gate();
    let records = app.finish().await;
    let costs: Vec<&Value> = records.iter().map(|record| &record["cost"]).collect();
    assert_eq!(costs, [&json!("0"), &json!(COST)]);
}

#[tokio::test]
async fn what_failed_costs_nothing_and_what_is_lost_costs_what_was_held() {
    let begun = || answer("in_progress", &Value::Null);
    for (last, source, is_free) in [
        (answer("failed", &Value::Null), "none", true),
        (answer("cancelled", &Value::Null), "hold_assumed", false),
        (Answer::json(404, "{}"), "hold_assumed", false),
    ] {
        let upstream = Upstream::start([begun(), last]).await;
        let app = start(&upstream).await;
        assert_eq!(app.post("/v1/responses", ASK).await.status, 200);
        let record = app.finish_one().await;
        assert_eq!(record["usage_source"], source, "{record}");
        assert_eq!(record["cost"] == "0", is_free, "{record}");
    }
}

const CREATED: &str = r#"data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_7","status":"queued","output":[],"usage":null}}"#;

fn stream(frames: &[&str]) -> Answer {
    let frames: Vec<String> = frames.iter().map(|frame| format!("{frame}\n\n")).collect();
    Answer::stream().frames(&frames.iter().map(String::as_str).collect::<Vec<_>>())
}

fn streamed() -> String {
    ASK.replace("50}", "50,\"stream\":true}")
}

#[tokio::test]
async fn a_stream_of_an_answer_in_the_background_is_read_to_its_end() {
    let completed = r#"data: {"type":"response.completed","sequence_number":1,"response":{"id":"resp_7","status":"completed","output":[],"usage":{"input_tokens":100,"output_tokens":10,"total_tokens":110}}}"#;
    let answer = stream(&[CREATED]).gate().frames(&[&format!("{completed}\n\n")]).end();
    let upstream = Upstream::start([answer, done()]).await;
    let app = App::start(&aborting("cancel", &provider("openai", &upstream))).await;
    let mut caller = app.post_open("/v1/responses", &streamed()).await;
    caller.read_events(1).await;
    // It may be asked for, and cancelled, as soon as its id is known.
    assert_eq!(asked(&app, "POST", "/v1/responses/resp_7/cancel").await.status, 200);
    drop(caller);
    upstream.open_gate();
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], &record["cost"]), (&json!("client_gone"), &json!(COST)), "{record}");
}

#[tokio::test]
async fn a_stream_that_breaks_or_fails_leaves_an_answer_that_tells_its_cost() {
    let failed = r#"data: {"type":"response.failed","sequence_number":1,"response":{"id":"resp_7","status":"failed","error":{"code":"server_error","message":"no"},"output":[],"usage":null}}"#;
    for (answer, end, cost) in [
        (stream(&[CREATED]).cut(), done(), COST),
        (stream(&[CREATED, failed]).end(), answer("failed", &Value::Null), "0"),
    ] {
        let upstream = Upstream::start([answer, Answer::json(429, "{}"), Answer::json(200, "{}"), end]).await;
        let app = start(&upstream).await;
        let reply = app.post("/v1/responses", streamed()).await;
        assert!(reply.text().contains("response.failed"), "{}", reply.text());
        let record = app.finish_one().await;
        assert_eq!(record["cost"], cost, "{record}");
        assert_eq!(upstream.calls().len(), 4);
    }
}
