//! Streams whose reservation grows with them: a short answer holds little, a long one never more than there is.

use crate::support::*;
use domain::{Enforcement, Limit, Money, Scope, Window};
use serde_json::{Value, json};

/// A model at ten dollars per million tokens out, of which all tokens are seen, at a provider that stops when it is left.
fn growing(upstream: &Upstream) -> String {
    format!(
        "[[providers]]\nname = \"p\"\nkind = \"openai-compatible\"\nbase_url = \"http://{}/v1\"\n\
         api_key = \"{PROVIDER_KEY}\"\nabort = \"cancel\"\n[[providers.models]]\nid = \"m\"\ninput = \"1\"\n\
         output = \"10\"\ncontext_window = 131072\nmax_output_tokens = 65536\ncapabilities = [\"tools\"]\n",
        upstream.address
    )
}

const BODY: &str = r#"{"model":"p/m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;
/// What the whole answer may cost, the prompt aside.
const WHOLE_NANO: i64 = 65_536 * 10_000;

fn frames(count: usize, bytes: usize) -> Vec<String> {
    let frame = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "x".repeat(bytes)}}]});
    vec![format!("data: {frame}\n\n"); count]
}

fn texts(frames: &[String]) -> Vec<&str> {
    frames.iter().map(String::as_str).collect()
}

async fn limit(app: &App, dollars: &str) {
    limit_in(app, Window::Month, dollars).await;
}

async fn limit_in(app: &App, window: Window, dollars: &str) {
    let (scope, amount) = (Scope::Organization(app.org), dollars.parse().unwrap());
    let limit = Limit { scope, window, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

fn cost(record: &Value) -> Money {
    record["cost"].as_str().unwrap().parse().unwrap()
}

fn held(app: &App) -> i64 {
    app.gateway().recorder.budgets.held().nano()
}

#[tokio::test]
async fn a_stream_reserves_a_part_and_more_as_it_goes_on() {
    let frames = frames(6, 1_000);
    let upstream = Upstream::start([Answer::stream()
        .frames(&texts(&frames[..1]))
        .gate()
        .frames(&texts(&frames[1..]))
        .hang()])
    .await;
    let app = App::start(&growing(&upstream)).await;
    limit(&app, "1").await;
    let mut reply = app.post_open("/v1/chat/completions", BODY).await;
    reply.read_events(1).await;
    let first = held(&app);
    assert!((4_096 * 10_000..5_500 * 10_000).contains(&first), "{first}");
    upstream.open_gate();
    reply.read_events(5).await;
    wait_until("more is reserved", || held(&app) > first).await;
    // Six thousand bytes are at most as many tokens; two thousand may be on their way.
    wait_until("enough is reserved", || held(&app) >= (6_000 + 2_048) * 10_000).await;
    assert!(held(&app) < WHOLE_NANO / 4);
    drop(reply);
    app.settled().await;
    assert_eq!(held(&app), 0);
    app.finish().await;
}

#[tokio::test]
async fn many_short_answers_fit_where_few_whole_ones_would() {
    const CALLS: usize = 12;
    let frames = frames(1, 10);
    let upstream = Upstream::always(Answer::stream().frames(&texts(&frames)).hang(), CALLS).await;
    let app = App::start(&growing(&upstream)).await;
    // One whole answer and a little.
    limit(&app, "0.7").await;
    let mut replies = Vec::new();
    for _ in 0..CALLS {
        let mut reply = app.post_open("/v1/chat/completions", BODY).await;
        assert_eq!(reply.status, 200);
        reply.read_events(1).await;
        replies.push(reply);
    }
    assert!(held(&app) < WHOLE_NANO);
    drop(replies);
    app.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_an_error_when_others_have_taken_the_rest() {
    let frames = frames(100, 1_000);
    let long = Answer::stream().frames(&texts(&frames[..1])).gate().frames(&texts(&frames[1..])).hang();
    let upstream = Upstream::start([long, Answer::silence()]).await;
    let app = App::start(&growing(&upstream)).await;
    limit_in(&app, Window::Total, "0.7").await;
    let mut reply = app.post_open("/v1/chat/completions", BODY).await;
    reply.read_events(1).await;
    // Another call, which is cut to what is left and reserved whole.
    let whole_body = BODY.replace("true", "false");
    let other = app.chat(&whole_body);
    let whole = tokio::select! {
        reply = other => panic!("answered: {reply:?}"),
        whole = async {
            upstream.called(2).await;
            assert!(held(&app) > 690_000_000, "{}", held(&app));
            upstream.open_gate();
            reply.whole().await
        } => whole,
    };
    assert!(whole.text().contains("insufficient_balance"), "the stream says why it ends");
    assert!(!whole.text().contains("[DONE]"));
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let spent: i64 = app.finish().await.iter().map(|record| cost(record).nano()).sum();
    assert!((1..700_000_000).contains(&spent), "{spent}");
}

#[tokio::test]
async fn the_whole_answer_is_reserved_while_its_caller_does_not_read() {
    let frames = frames(64, 1_000);
    let upstream = Upstream::start([Answer::stream().frames(&texts(&frames)).hang()]).await;
    let app = App::start(&growing(&upstream)).await;
    limit(&app, "1").await;
    // Nothing but the head is read.
    let reply = app.post_open("/v1/chat/completions", BODY).await;
    wait_until("everything is reserved", || held(&app) >= WHOLE_NANO).await;
    drop(reply);
    app.finish().await;
}

#[tokio::test]
async fn a_whole_answer_needs_no_more_while_its_caller_does_not_read() {
    let text = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}]});
    // Events that take much room and make few bytes of an answer.
    let padded = format!("data: {}{}\n\n", " ".repeat(900_000), text);
    let usage = json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}});
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let end = format!("data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    let stream = Answer::stream().frames(&[&padded, &padded]).gate().frames(&[&end]);
    let upstream = Upstream::start([stream.end()]).await;
    let app = App::start(&growing(&upstream)).await;
    limit(&app, "1").await;
    let reply = app.post_open("/v1/chat/completions", BODY).await;
    wait_until("all is written", || upstream.calls()[0].written > 1_800_000).await;
    upstream.open_gate();
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert!(held(&app) < WHOLE_NANO / 4, "{}", held(&app));
    assert!(reply.whole().await.text().contains("[DONE]"));
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_seen_coming_is_reserved_whole() {
    let frames = frames(1, 10);
    let hidden = [
        ("capabilities = [\"tools\"]", "capabilities = [\"tools\", \"reasoning\"]"),
        ("capabilities = [\"tools\"]", ""),
        ("abort = \"cancel\"", ""),
        ("abort = \"cancel\"", "abort = \"drain\""),
    ];
    for (from, to) in hidden {
        let upstream = Upstream::start([Answer::stream().frames(&texts(&frames)).gate().cut()]).await;
        let app = App::start(&growing(&upstream).replace(from, to)).await;
        limit(&app, "1").await;
        let mut reply = app.post_open("/v1/chat/completions", BODY).await;
        reply.read_events(1).await;
        assert!(held(&app) >= WHOLE_NANO, "{from} → {to}");
        upstream.open_gate();
        reply.whole().await;
        app.finish().await;
    }
}

#[tokio::test]
async fn a_crash_costs_what_the_last_checkpoint_held() {
    let frames = frames(8, 1_000);
    let upstream = Upstream::start([Answer::stream().frames(&texts(&frames)).hang()]).await;
    let process = Process::start(&growing(&upstream), &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let call = process.post("/v1/chat/completions", KEY, BODY);
    tokio::select! {
        status = call => panic!("answered with {status:?}"),
        () = async {
            upstream.called(1).await;
            wait_until("the answer is read", || upstream.calls()[0].written > 8_000).await;
            tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        } => {}
    }
    process.signal("KILL");
    let (_, _, folder) = process.exit().await;
    let process = Process::start_in(folder, &[]);
    let records = process.recorded(1).await;
    assert_eq!(records[0]["usage_source"], "hold_assumed");
    let cost = cost(&records[0]);
    assert!(cost.nano() >= 8_000 * 10_000 && cost.nano() < WHOLE_NANO / 2, "{cost}");
    assert!(records[0]["output_tokens"].as_i64() > Some(0), "{}", records[0]);
}
