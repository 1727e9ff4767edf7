//! The management API: keys.

use crate::support::*;
use bytes::Bytes;
use domain::{Access, KeyId, NewKey, Permissions, Timestamp};
use http_body_util::Full;
use serde_json::{Value, json};
use server::bootstrap;

const ECHO: &str = r#"{"model":"demo/echo","messages":[{"role":"user","content":"hi"}]}"#;

/// Calls the management API with any key.
pub async fn call(app: &App, key: &str, method: &str, path: &str, body: &str) -> Reply {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://{}/v1/manage/{path}", app.address))
        .header("x-api-key", key);
    app.send(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
}

/// Makes a key with the test's key: its id and its secret, which works already.
pub async fn create(app: &App, body: Value) -> (String, String) {
    let reply = call(app, KEY, "POST", "apikey", &body.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    app.read_configuration().await;
    let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
    (text("api_key_id"), text("api_key"))
}

async fn shown(app: &App, id: &str) -> Value {
    let reply = call(app, KEY, "GET", &format!("apikey/{id}"), "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn assert_problem(reply: &Reply, status: u16, code: &str) {
    let error = &reply.json()["error"];
    assert_eq!((reply.status, error["code"].as_str()), (status, Some(code)), "{}", reply.text());
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_end() {
    let app = App::start("").await;
    let (id, secret) = create(&app, json!({"name": "team a"})).await;
    assert!(id.starts_with("key_") && secret.starts_with("sbx_"));
    assert_eq!(call(&app, &secret, "GET", "apikey/self", "").await.json()["id"], id.as_str());
    let chat = app.request("POST", "/v1/chat/completions").header("x-unused", "1");
    let mut chat = chat.body(Full::new(Bytes::from(ECHO))).unwrap();
    chat.headers_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    assert_eq!(app.send(chat).await.status, 200);
    let list = call(&app, KEY, "GET", "apikey", "").await;
    assert!(!list.text().contains(&secret), "the secret is told once");
    let names: Vec<Value> =
        list.json()["keys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["bootstrap", "team a"]);
    assert_eq!(list.header("cache-control"), "private, no-store");
    let deleted = call(&app, KEY, "DELETE", &format!("apikey/{id}"), "").await;
    assert_eq!((deleted.status, deleted.text()), (204, ""));
    app.read_configuration().await;
    assert_problem(&call(&app, KEY, "GET", &format!("apikey/{id}"), "").await, 404, "key_not_found");
    assert_problem(&call(&app, KEY, "DELETE", &format!("apikey/{id}"), "").await, 404, "key_not_found");
    assert_problem(&call(&app, &secret, "GET", "apikey/self", "").await, 401, "invalid_api_key");
    app.finish().await;
}

#[tokio::test]
async fn everything_asked_of_a_new_key_is_shown() {
    let app = App::start("").await;
    let asked = json!({
        "name": " all ", "monthly_limit": "12.50", "window": "month", "enforcement": "soft",
        "permissions": {"manage": "read", "completions": "none"}, "labels": {"team": "a"},
        "expires_at": "2999-01-01T00:00:00+01:00",
    });
    let (id, _) = create(&app, asked).await;
    let key = shown(&app, &id).await;
    assert_eq!(key["name"], "all");
    assert_eq!((&key["monthly_limit"], &key["monthly_spend"]), (&json!(12.5), &json!(0)));
    assert_eq!(key["permissions"], json!({"manage": "read", "completions": "none"}));
    assert_eq!((&key["labels"], &key["created_by"]), (&json!({"team": "a"}), &Value::Null));
    assert_eq!(key["expires_at"], "2998-12-31T23:00:00Z");
    assert_eq!(key["limits"], json!([{"amount": 12.5, "window": "month", "enforcement": "soft"}]));
    let uuid = &id["key_".len()..];
    assert_eq!(shown(&app, uuid).await["id"], id.as_str());
    app.finish().await;
}

#[tokio::test]
async fn limits_labels_and_rates_are_set_and_removed() {
    let app = App::start("").await;
    let (id, _) = create(&app, json!({"name": "x", "monthly_limit": 1e-9, "labels": {"a": "b"}})).await;
    assert_eq!(
        call(&app, KEY, "GET", &format!("apikey/{id}"), "").await.json()["monthly_limit"],
        json!(1e-9)
    );
    let set = async |path: &str, body: &str| {
        let reply = call(&app, KEY, "POST", &format!("apikey/{id}/{path}"), body).await;
        assert_eq!((reply.status, reply.text()), (204, ""), "{body}");
        shown(&app, &id).await
    };
    assert_eq!(set("limit", r#"{"monthly_limit":50}"#).await["monthly_limit"], json!(50));
    let both = set("limit", r#"{"limit":"0.3","window":"day","enforcement":"soft"}"#).await["limits"].clone();
    let hard = json!({"amount": 50, "window": "month", "enforcement": "hard"});
    assert_eq!(both, json!([{"amount": 0.3, "window": "day", "enforcement": "soft"}, hard]));
    let rest = set("limit", r#"{"monthly_limit":0}"#).await;
    assert_eq!((&rest["monthly_limit"], rest["limits"].as_array().unwrap().len()), (&json!(0), 1));
    assert_eq!(set("label", r#"{"labels":{"c":"d"}}"#).await["labels"], json!({"c": "d"}));
    assert_eq!(set("label", r#"{"labels":{}}"#).await["labels"], json!({}));
    let rate =
        set("rate", r#"{"requests_per_minute":60,"tokens_per_minute":5000000000}"#).await["rate"].clone();
    let none = Value::Null;
    assert_eq!(
        rate,
        json!({"requests_per_minute": 60, "tokens_per_minute": 5_000_000_000_u64, "concurrent": none})
    );
    let rate = set("rate", r#"{"requests_per_minute":null,"concurrent":2}"#).await["rate"].clone();
    assert_eq!(
        rate,
        json!({"requests_per_minute": none, "tokens_per_minute": 5_000_000_000_u64, "concurrent": 2})
    );
    let patched = call(&app, KEY, "PATCH", &format!("apikey/{id}/limit"), r#"{"monthly_limit":"7"}"#).await;
    assert_eq!(patched.status, 204);
    app.finish().await;
}

#[tokio::test]
async fn a_key_may_do_what_its_permissions_say() {
    let app = App::start("").await;
    let (plain_id, plain) = create(&app, json!({"name": "plain"})).await;
    let (_, reader) = create(&app, json!({"name": "reader", "permissions": {"manage": "read"}})).await;
    let missing = "key_00000000000000000000000000000000";
    // Path, method, body; statuses for a plain key, a reader, a writer.
    let table = [
        ("GET", "apikey/self", "", [200, 200, 200]),
        ("GET", "apikey/self/usage?start=2026-01-01", "", [200, 200, 200]),
        ("GET", "apikey", "", [403, 200, 200]),
        ("GET", "org", "", [403, 200, 200]),
        ("GET", "org/usage?start=2026-01-01", "", [403, 200, 200]),
        ("GET", &format!("apikey/{missing}"), "", [403, 404, 404]),
        ("GET", "apikey/nonsense", "", [403, 404, 404]),
        ("GET", "apikey/%ff", "", [403, 404, 404]),
        ("POST", "apikey", r#"{"name":""}"#, [403, 403, 400]),
        ("POST", &format!("apikey/{missing}/limit"), r#"{"monthly_limit":1}"#, [403, 403, 404]),
        ("POST", "apikey/self/limit", r#"{"monthly_limit":1}"#, [403, 403, 204]),
        ("POST", "apikey/self/label", r#"{"labels":{}}"#, [403, 403, 204]),
        ("POST", "apikey/self/expiry", "{}", [403, 403, 204]),
        ("POST", "apikey/self/rate", "{}", [403, 403, 204]),
        ("DELETE", &format!("apikey/{missing}"), "", [403, 403, 404]),
    ];
    for (method, path, body, statuses) in table {
        for (key, status) in [plain.as_str(), &reader, KEY].into_iter().zip(statuses) {
            let reply = call(&app, key, method, path, body).await;
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        }
        for (key, code) in [("", "missing_api_key"), ("sbx_wrong", "invalid_api_key")] {
            let reply = call(&app, key, method, path, body).await;
            assert_problem(&reply, 401, code);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
    }
    let own = call(&app, &plain, "GET", &format!("apikey/{plain_id}"), "").await;
    assert_eq!(own.status, 200, "a key's own id is as good as `self`");
    app.finish().await;
}

#[tokio::test]
async fn another_organizations_key_is_as_unknown_as_none() {
    let app = App::start("").await;
    let clock = domain::SystemClock;
    let other = app.other_organization().await;
    let new = NewKey {
        permissions: Permissions { manage: Access::Write, completions: Access::Write },
        ..NewKey::named(other, "theirs")
    };
    let (key, secret) = bootstrap::create_key(&app.db, new, &clock).await.unwrap();
    app.read_configuration().await;
    for (method, path, body) in [
        ("GET", "", ""),
        ("GET", "/usage?start=2026-01-01", ""),
        ("DELETE", "", ""),
        ("POST", "/limit", r#"{"monthly_limit":1}"#),
        ("POST", "/label", r#"{"labels":{}}"#),
        ("POST", "/expiry", "{}"),
        ("POST", "/rate", "{}"),
    ] {
        let reply = call(&app, KEY, method, &format!("apikey/{}{path}", key.id), body).await;
        assert_problem(&reply, 404, "key_not_found");
    }
    let theirs = call(&app, &secret, "GET", "apikey", "").await.json();
    assert_eq!(theirs["keys"].as_array().unwrap().len(), 1);
    let ours = call(&app, KEY, "GET", "apikey", "").await;
    assert!(!ours.text().contains(&key.id.to_string()));
    app.finish().await;
}

#[tokio::test]
async fn no_key_is_given_more_than_its_creator_has() {
    let app = App::start("").await;
    let permissions = json!({"manage": "write", "completions": "none"});
    let end = "2999-01-01T00:00:00Z";
    let asked = json!({"name": "limited", "permissions": permissions, "expires_at": end});
    let (_, limited) = create(&app, asked).await;
    let post = async |body: &str| call(&app, &limited, "POST", "apikey", body).await;
    assert_problem(&post(r#"{"name":"x","permissions":{"completions":"read"}}"#).await, 403, "not_permitted");
    assert_problem(&post(r#"{"name":"x","expires_at":"2999-01-01T00:00:01Z"}"#).await, 403, "not_permitted");
    let made = post(r#"{"name":"x"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let key = shown(&app, made.json()["api_key_id"].as_str().unwrap()).await;
    assert_eq!(key["permissions"], json!({"manage": "none", "completions": "none"}));
    assert_eq!(key["expires_at"], end);
    let longer = call(&app, &limited, "POST", "apikey/self/expiry", "{}").await;
    assert_problem(&longer, 403, "not_permitted");
    app.finish().await;
}

#[tokio::test]
async fn what_a_keys_spending_counts_against_is_handed_on() {
    let app = App::start("").await;
    let group = domain::Scope::Group(domain::GroupId::from_parts(Timestamp::from_unix_ms(1), [4; 10]));
    let new = NewKey {
        permissions: Permissions { manage: Access::Write, completions: Access::Write },
        scopes: vec![group],
        ..NewKey::named(app.org, "in a group")
    };
    let (_, secret) = bootstrap::create_key(&app.db, new, &domain::SystemClock).await.unwrap();
    app.read_configuration().await;
    let made = call(&app, &secret, "POST", "apikey", r#"{"name":"x"}"#).await.json();
    let id: KeyId = made["api_key_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(app.db.key(app.org, id).await.unwrap().unwrap().scopes, [group]);
    assert_eq!(shown(&app, &id.to_string()).await["group"], json!({"id": group.to_string()}));
    app.finish().await;
}

#[tokio::test]
async fn an_end_that_has_come_is_final() {
    let app = App::start("").await;
    let (id, secret) = create(&app, json!({"name": "x", "expires_at": "2999-01-01T00:00:00Z"})).await;
    let expiry = async |body: &str| call(&app, KEY, "POST", &format!("apikey/{id}/expiry"), body).await;
    assert_eq!(expiry(r#"{"expires_at":null}"#).await.status, 204);
    assert_eq!(shown(&app, &id).await["expires_at"], Value::Null);
    assert_eq!(expiry(r#"{"expires_at":"2001-01-01T00:00:00Z"}"#).await.status, 204);
    app.read_configuration().await;
    assert_problem(&call(&app, &secret, "GET", "apikey/self", "").await, 401, "invalid_api_key");
    assert_problem(&expiry("{}").await, 409, "key_expired");
    assert_problem(&expiry(r#"{"expires_at":"2999-01-01T00:00:00Z"}"#).await, 409, "key_expired");
    app.finish().await;
}

#[tokio::test]
async fn bad_input_is_told_by_its_name_and_changes_nothing() {
    let app = App::start("").await;
    let (id, _) = create(&app, json!({"name": "x"})).await;
    let before = shown(&app, &id).await;
    let own = |path: &str| format!("apikey/{id}/{path}");
    let labels: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!(""))).collect();
    let many = json!({"labels": labels}).to_string();
    let table = [
        ("apikey", "", "JSON object"),
        ("apikey", "[]", "JSON object"),
        ("apikey", "{", "EOF"),
        ("apikey", "{}", "name"),
        ("apikey", r#"{"name":"x"} x"#, "trailing"),
        ("apikey", r#"{"name":7}"#, "name"),
        ("apikey", r#"{"name":"x","org_id":"org_1"}"#, "org_id"),
        ("apikey", r#"{"name":"x","hash":"1"}"#, "hash"),
        ("apikey", r#"{"name":"x","scopes":[]}"#, "scopes"),
        ("apikey", r#"{"name":"x","name":"y"}"#, "name"),
        ("apikey", r#"{"name":"x","permissions":{"manage":"all"}}"#, "permissions.manage"),
        ("apikey", r#"{"name":"x","permissions":{"admin":"write"}}"#, "admin"),
        ("apikey", r#"{"name":"x","monthly_limit":-1}"#, "monthly_limit"),
        ("apikey", r#"{"name":"x","monthly_limit":"much"}"#, "monthly_limit"),
        ("apikey", r#"{"name":"x","expires_at":"2001-01-01T00:00:00Z"}"#, "expires_at"),
        ("apikey", r#"{"name":"x","window":"year"}"#, "window"),
        (&own("limit"), "{}", "monthly_limit"),
        (&own("limit"), r#"{"monthly_limit":null}"#, "monthly_limit"),
        (&own("limit"), r#"{"monthly_limit":1e300}"#, "monthly_limit"),
        (&own("limit"), r#"{"monthly_limit":1,"enforcement":"mild"}"#, "enforcement"),
        (&own("limit"), r#"{"monthly_limit":1,"scope":"org_1"}"#, "scope"),
        (&own("label"), "{}", "labels"),
        (&own("label"), r#"{"labels":{"a":1}}"#, "labels.a"),
        (&own("label"), r#"{"labels":{"":"x"}}"#, "labels"),
        (&own("label"), &many, "labels"),
        (&own("expiry"), r#"{"expires_at":"soon"}"#, "expires_at"),
        (&own("expiry"), r#"{"expires":"2999-01-01T00:00:00Z"}"#, "expires"),
        (&own("rate"), r#"{"requests_per_minute":0}"#, "requests_per_minute"),
        (&own("rate"), r#"{"tokens_per_minute":-5}"#, "tokens_per_minute"),
        (&own("rate"), r#"{"requests":5}"#, "requests"),
    ];
    for (path, body, named) in table {
        let reply = call(&app, KEY, "POST", path, body).await;
        assert_problem(&reply, 400, "invalid_request");
        assert!(reply.text().contains(named), "{path} {body}: {}", reply.text());
    }
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(65_536));
    assert_problem(&call(&app, KEY, "POST", "apikey", &long).await, 413, "body_too_large");
    assert_problem(&call(&app, KEY, "POST", "apikey/self/usage", "").await, 405, "method_not_allowed");
    assert_problem(&call(&app, KEY, "GET", "nowhere", "").await, 404, "no_such_endpoint");
    assert_eq!(shown(&app, &id).await, before);
    assert_eq!(call(&app, KEY, "GET", "apikey", "").await.json()["keys"].as_array().unwrap().len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_key_made_over_http_works_within_two_seconds() {
    let process = Process::start("", &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let (status, made) = process.manage("POST", "apikey", KEY, r#"{"name":"x"}"#).await;
    assert_eq!(status, 201, "{made}");
    let key = serde_json::from_str::<Value>(&made).unwrap()["api_key"].as_str().unwrap().to_owned();
    let started = std::time::Instant::now();
    while process.post("/v1/chat/completions", &key, ECHO).await.0 != 200 {
        assert!(started.elapsed().as_secs() < 5, "the new key is not heard of");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(process.manage("GET", "apikey/self", &key, "").await.0, 200);
}
