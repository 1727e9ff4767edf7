//! Spending limits, end to end: what is refused, what is made to fit, and what is charged.

use crate::support::*;
use domain::{Enforcement, KeyId, Limit, Money, Scope, Window};
use serde_json::{Value, json};

/// A model at a dollar per million tokens in, ten out.
fn priced(upstream: &Upstream, extra: &str) -> String {
    format!(
        "[[providers]]\nname = \"p\"\nkind = \"openai-compatible\"\nbase_url = \"http://{}/v1\"\n\
         api_key = \"{PROVIDER_KEY}\"\n{extra}[[providers.models]]\nid = \"m\"\ninput = \"1\"\noutput = \"10\"\n\
         context_window = 32768\nmax_output_tokens = 8192\n",
        upstream.address
    )
}

fn answer(input: u64, output: u64) -> Answer {
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let message = json!({"role": "assistant", "content": "Hello"});
    let body = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    });
    Answer::json(200, &body.to_string())
}

fn chat(extra: &str) -> String {
    format!(r#"{{"model":"p/m","messages":[{{"role":"user","content":"Hi"}}]{extra}}}"#)
}

async fn key(app: &App) -> KeyId {
    app.db.keys().await.unwrap()[0].id
}

/// Sets a limit and waits until the gateway has heard of it.
async fn limit(app: &App, scope: Scope, dollars: &str, enforcement: Enforcement) {
    let amount: Money = dollars.parse().unwrap();
    let limit = Limit { scope, window: Window::Month, amount, enforcement };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
}

#[tokio::test]
async fn a_call_that_may_cost_too_much_is_refused_with_exact_figures() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&priced(&upstream, "")).await;
    limit(&app, Scope::Key(key(&app).await), "0.001", Enforcement::Hard).await;
    let reply = app.chat(&chat(r#","max_tokens":50"#)).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("Reached monthly spend limit for API key: the limit is $0.001, $0 are spent")
    );
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], &record["cost"]), (&json!("refused"), &json!("0")));
}

#[tokio::test]
async fn an_organization_that_has_used_up_its_balance_is_told_so() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&priced(&upstream, "")).await;
    limit(&app, Scope::Organization(app.org), "1", Enforcement::Hard).await;
    let amount = "0.001".parse().unwrap();
    let total = |scope| Limit { scope, window: Window::Total, amount, enforcement: Enforcement::Hard };
    app.db.set_limit(app.org, total(Scope::Organization(app.org))).await.unwrap();
    app.read_configuration().await;
    let reply = app.chat(&chat(r#","max_tokens":50"#)).await;
    let error = reply.json()["error"].clone();
    assert_eq!((reply.status, &error["code"]), (402, &json!("insufficient_balance")));
    assert_eq!((&error["type"], &error["origin"]), (&json!("insufficient_quota"), &json!("router")));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Insufficient balance: the limit is $0.001, $0 are spent"), "{message}");
    let reply = app.message(&chat(r#","max_tokens":50"#)).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (402, &json!("billing_error")));
    // What only a key may spend in all time is no balance.
    app.db.remove_limit(app.org, Scope::Organization(app.org), Window::Total).await.unwrap();
    app.db.set_limit(app.org, total(Scope::Key(key(&app).await))).await.unwrap();
    app.read_configuration().await;
    assert_eq!(app.chat(&chat(r#","max_tokens":50"#)).await.status, 412);
    let records = app.finish().await;
    assert!(records.iter().all(|record| record["outcome"] == "refused"));
}

#[tokio::test]
async fn an_answer_is_cut_to_what_the_limit_affords() {
    let upstream = Upstream::start([answer(10, 20)]).await;
    let app = App::start(&priced(&upstream, "")).await;
    limit(&app, Scope::Organization(app.org), "0.02", Enforcement::Hard).await;
    let reply = app.chat(&chat(r#","max_tokens":8000"#)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let clamped: u64 = reply.header("x-signalbox-clamped").parse().unwrap();
    assert_eq!(upstream.call().json()["max_tokens"], clamped);
    // Twenty thousand micro-dollars, less the prompt, at ten micro-dollars a token.
    assert!((1_800..1_900).contains(&clamped), "{clamped}");
    assert_eq!(app.finish_one().await["cost"], "0.00021");
}

#[tokio::test]
async fn what_is_spent_counts_and_what_was_only_held_does_not() {
    let upstream = Upstream::always(answer(100, 100), 3).await;
    let app = App::start(&priced(&upstream, "")).await;
    // Each call may cost about 4.2 thousandths and costs 1.1.
    limit(&app, Scope::Key(key(&app).await), "0.0065", Enforcement::Hard).await;
    for status in [200, 200, 200, 412] {
        assert_eq!(app.chat(&chat(r#","max_tokens":300"#)).await.status, status);
        app.settled().await;
    }
    let spent: Vec<Value> = app.finish().await.iter().map(|record| record["cost"].clone()).collect();
    assert_eq!(spent.iter().filter(|cost| **cost == "0.0011").count(), 3);
}

#[tokio::test]
async fn a_soft_limit_warns_and_lets_through() {
    let upstream = Upstream::start([answer(10, 20)]).await;
    let app = App::start(&priced(&upstream, "")).await;
    limit(&app, Scope::Key(key(&app).await), "0.0001", Enforcement::Soft).await;
    let reply = app.chat(&chat("")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("x-signalbox-warnings").contains("the soft monthly limit of $0.0001 is passed"));
    app.finish().await;
}

#[tokio::test]
async fn what_has_no_price_is_refused_where_a_hard_limit_applies() {
    let upstream = Upstream::start([answer(10, 20)]).await;
    let config = priced(&upstream, "allow_unknown_models = true\n");
    let app = App::start(&config).await;
    let body = chat("").replace("p/m", "p/unknown");
    assert_eq!(app.chat(&body).await.status, 200);
    limit(&app, Scope::Key(key(&app).await), "1", Enforcement::Hard).await;
    let reply = app.chat(&body).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("cost_unbounded")));
    app.finish().await;
}

#[tokio::test]
async fn a_provider_that_ignores_the_limit_is_stopped_when_the_money_is_used_up() {
    let text = "x".repeat(2_000);
    let frame = json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let frame = format!("data: {frame}\n\n");
    let frames: Vec<&str> = std::iter::repeat_n(frame.as_str(), 200).collect();
    let upstream = Upstream::start([Answer::stream().frames(&frames).hang()]).await;
    let app = App::start(&priced(&upstream, "")).await;
    limit(&app, Scope::Key(key(&app).await), "0.05", Enforcement::Hard).await;
    let reply = app.chat(&chat(r#","max_tokens":300,"stream":true"#)).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("spend_limit_exceeded"), "the stream says why it ends");
    assert!(!reply.text().contains("[DONE]"));
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let record = app.finish_one().await;
    let cost: Money = record["cost"].as_str().unwrap().parse().unwrap();
    assert!(cost <= "0.05".parse().unwrap() && cost > "0.02".parse().unwrap(), "{record}");
}

#[tokio::test]
async fn every_attempt_is_told_to_the_provider_by_our_name() {
    let upstream = Upstream::start([answer(10, 20)]).await;
    let app = App::start(&priced(&upstream, "")).await;
    let reply = app.chat(&chat("")).await;
    let expected = format!("{}-1", reply.header("x-request-id"));
    assert_eq!(upstream.call().header("x-client-request-id"), Some(expected.as_str()));
    app.finish().await;
}

#[tokio::test]
async fn a_crashed_call_is_found_and_costs_what_was_held() {
    let upstream = Upstream::start([Answer::silence()]).await;
    let config = priced(&upstream, "");
    let process = Process::start(&config, &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let body = chat(r#","max_tokens":100"#);
    tokio::select! {
        status = process.try_post("/v1/chat/completions", KEY, &body) => panic!("answered with {status:?}"),
        () = upstream.called(1) => {}
    }
    process.signal("KILL");
    let (_, _, folder) = process.exit().await;
    let process = Process::start_in(folder, &[]);
    let records = process.recorded(1).await;
    assert_eq!(
        (&records[0]["outcome"], &records[0]["usage_source"]),
        (&json!("crashed"), &json!("hold_assumed"))
    );
    let cost: Money = records[0]["cost"].as_str().unwrap().parse().unwrap();
    assert!(cost >= "0.001".parse().unwrap(), "a hundred tokens at ten micro-dollars: {cost}");
    let verified = process.run(&["ledger", "verify"]);
    assert!(verified.status.success());
    assert!(String::from_utf8(verified.stdout).unwrap().contains("entries=1 "));
}
