//! The management API: usage and the organization.

use crate::manage::{call, create};
use crate::support::*;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

async fn chat(app: &App, key: &str, user: &str) {
    let body = format!(
        r#"{{"model":"demo/echo","requesty":{{"user_id":"{user}","extra":{{"team":"t-{user}"}}}},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let mut request = app.request("POST", "/v1/chat/completions").body(Full::new(Bytes::from(body))).unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    assert_eq!(app.send(request).await.status, 200);
}

/// The only period of a report.
fn only(report: &Value) -> (&str, &Value) {
    let usage = report["usage"].as_object().unwrap();
    assert_eq!(usage.len(), 1, "{report}");
    let (period, entry) = usage.iter().next().unwrap();
    (period, entry)
}

#[tokio::test]
async fn calls_are_reported_by_user_and_by_what_callers_tell() {
    let app = App::start("").await;
    let (id, key) = create(&app, json!({"name": "x"})).await;
    for (key, user) in [(KEY, "ann"), (&*key, "ann"), (&*key, "bob"), (&*key, "bob")] {
        chat(&app, key, user).await;
    }
    app.recorded(4).await;
    // A month, so that the test may run at midnight.
    let now = domain::Clock::now(&domain::SystemClock);
    let start = jiff::Timestamp::from_millisecond(now.unix_ms() - 86_400_000).unwrap();
    let end = jiff::Timestamp::from_millisecond(now.unix_ms() + 86_400_000).unwrap();
    let range = format!("start={start}&end={end}&resolution=month");
    let org = call(&app, KEY, "GET", &format!("org/usage?{range}&group_by=user_id"), "").await.json();
    let sum = |report: &Value, name: &str| -> u64 {
        report["usage"].as_object().unwrap().values().map(|entry| entry[name].as_u64().unwrap()).sum()
    };
    assert_eq!((sum(&org, "total_requests"), sum(&org, "completions_requests")), (4, 4));
    let path = format!("apikey/{id}/usage?{range}&group_by=user_id,extra.team");
    let own = call(&app, KEY, "GET", &path, "").await.json();
    assert_eq!(sum(&own, "total_requests"), 3);
    let (period, entry) = only(&own);
    assert!(period.ends_with("-01T00:00:00Z"), "{period}");
    let groups: Vec<(&Value, &Value)> = entry["grouped_data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["group_by_values"], &group["total_requests"]))
        .collect();
    let told = |user: &str| json!({"user_id": user, "extra.team": format!("t-{user}")});
    assert_eq!(groups, [(&told("ann"), &json!(1)), (&told("bob"), &json!(2))]);
    assert_eq!(
        entry["total_tokens"].as_u64(),
        Some(entry["input_tokens"].as_u64().unwrap() + entry["output_tokens"].as_u64().unwrap())
    );
    assert!(entry["spend"].is_number() && entry["input_tokens"].as_u64() > Some(0), "{entry}");
    // A key reads its own, with the parameters in a body.
    let body = json!({"start": start.to_string(), "end": end.to_string(), "group_by": ["user_id"], "resolution": "hour"});
    let path = "apikey/self/usage?resolution=month";
    let same = call(&app, &key, "GET", path, &body.to_string()).await.json();
    assert_eq!(only(&same).1["total_requests"], 3);
    app.finish().await;
}

#[tokio::test]
async fn a_time_without_calls_has_no_periods() {
    let app = App::start("").await;
    let reply = call(&app, KEY, "GET", "org/usage?start=2001-01-01T00:00:00Z", "").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"usage": {}})));
    for (query, named) in [("", "start"), ("?start=2001-01-01&end=2002-01-01", "end"), ("?start=x", "start")]
    {
        let reply = call(&app, KEY, "GET", &format!("org/usage{query}"), "").await;
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error"]["message"].as_str().unwrap().starts_with(named), "{}", reply.text());
    }
    app.finish().await;
}

#[tokio::test]
async fn the_organization_has_what_is_left_of_its_money() {
    let app = App::start("").await;
    let org = call(&app, KEY, "GET", "org", "").await.json();
    assert_eq!(org["id"], app.org.to_string());
    assert_eq!((&org["name"], &org["balance"]), (&json!("default"), &Value::Null));
    let limit = domain::Limit {
        scope: domain::Scope::Organization(app.org),
        window: domain::Window::Total,
        amount: "42.5".parse().unwrap(),
        enforcement: domain::Enforcement::Hard,
    };
    app.db.set_limit(app.org, limit).await.unwrap();
    assert_eq!(call(&app, KEY, "GET", "org", "").await.json()["balance"], json!(42.5));
    app.finish().await;
}

#[tokio::test]
async fn what_calls_cost_is_told_of_the_key_and_of_the_organization() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for _ in 0..2 {
        assert_eq!(app.chat(CHAT).await.status, 200);
    }
    app.recorded(2).await;
    let spend = json!(0.0000328);
    assert_eq!(call(&app, KEY, "GET", "apikey/self", "").await.json()["monthly_spend"], spend);
    assert_eq!(call(&app, KEY, "GET", "apikey", "").await.json()["keys"][0]["monthly_spend"], spend);
    assert_eq!(call(&app, KEY, "GET", "org", "").await.json()["monthly_spend"], spend);
    let now = jiff::Timestamp::from_millisecond(domain::Clock::now(&domain::SystemClock).unix_ms()).unwrap();
    let path = format!("org/usage?start={now}&resolution=month&group_by=model_used");
    let report = call(&app, KEY, "GET", &path, "").await.json();
    let (_, entry) = only(&report);
    assert_eq!((&entry["spend"], &entry["total_tokens"]), (&spend, &json!(30)));
    assert_eq!(entry["grouped_data"][0]["group_by_values"], json!({"model_used": "m"}));
    app.finish().await;
}
