//! Pictures that a provider makes after it has answered: looked after, fetched, bounded and charged, whatever happens on
//! the way. Bodies are as <https://docs.bfl.ml/api_integration/errors> has them.

use crate::media::{cost, limit, post_form};
use crate::support::*;
use gateway::Limits;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0picture";
/// The same in base64.
const PNG_TEXT: &str = "iVBORw0KGgoAcGljdHVyZQ==";

pub fn soon(limits: &mut Limits) {
    limits.job_pause = Duration::from_millis(5);
}

async fn app(upstream: &Upstream) -> App {
    App::with(&provider_at("black-forest-labs", &format!("http://{}", upstream.address)), soon).await
}

fn submitted(address: SocketAddr) -> Answer {
    let url = format!("http://{address}/v1/get_result?id=7");
    Answer::json(200, &json!({"id": "7", "polling_url": url, "cost": 4.0}).to_string())
}

fn looked(status: &str, result: &Value) -> Answer {
    Answer::json(200, &json!({"id": "7", "status": status, "result": result, "progress": null}).to_string())
}

fn pending() -> Answer {
    looked("Pending", &Value::Null)
}

fn ready(address: SocketAddr) -> Answer {
    looked("Ready", &json!({"sample": format!("http://{address}/results/sample.png?sig=x"), "seed": 1}))
}

fn picture() -> Answer {
    Answer::whole(200, &[("content-type", "image/png")], PNG)
}

fn ask(more: &Value) -> String {
    let mut body = json!({"model": "black-forest-labs/flux-pro-1.1", "prompt": "a cat"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

async fn draw(app: &App) -> Reply {
    app.post("/v1/images/generations", ask(&json!({}))).await
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap().to_owned()
}

/// One record, of a job that was left after it had been taken on.
fn assert_assumed(record: &Value) {
    assert_eq!((cost(record), &record["usage_source"]), ("0.04", &json!("hold_assumed")), "{record}");
}

#[tokio::test]
async fn a_picture_is_looked_after_until_it_is_there_and_charged_once() {
    let busy = Answer::json(503, r#"{"detail":"try again"}"#);
    let upstream = Upstream::telling(|address| {
        vec![submitted(address), pending(), busy, pending(), ready(address), picture()]
    })
    .await;
    let app = app(&upstream).await;
    let reply = app.post("/v1/images/generations", ask(&json!({"size": "1024x1024"}))).await;
    assert_eq!(
        (reply.status, &reply.json()["data"]),
        (200, &json!([{"b64_json": PNG_TEXT}])),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("x-signalbox-warnings"), "");
    let calls = upstream.calls();
    let lines: Vec<&str> = calls.iter().map(|call| call.line.trim_end_matches(" HTTP/1.1")).collect();
    let look = "GET /v1/get_result?id=7";
    assert_eq!(lines, ["POST /v1/flux-pro-1.1", look, look, look, look, "GET /results/sample.png?sig=x"]);
    let body = json!({"prompt": "a cat", "width": 1024, "height": 1024, "output_format": "png"});
    assert_eq!(calls[0].json(), body);
    assert!(calls[..5].iter().all(
        |call| call.header("x-key") == Some(PROVIDER_KEY) && call.header("x-client-request-id").is_some()
    ));
    assert!(calls[1..].iter().all(|call| call.body.is_empty() && call.header("transfer-encoding").is_none()));
    // Who has the picture's address needs no key, so none is shown.
    assert!(
        !calls[5].everything().contains(PROVIDER_KEY) && calls[5].header("x-client-request-id").is_none()
    );
    let record = app.finish_one().await;
    assert_eq!((cost(&record), &record["usage_source"]), ("0.04", &json!("provider_final")));
    assert_eq!(record["attempts"], Value::Null, "one attempt, as good as the call: {record}");
}

#[tokio::test]
async fn an_address_is_handed_out_where_that_is_asked_for() {
    let upstream = Upstream::telling(|address| vec![submitted(address), ready(address)]).await;
    let app = app(&upstream).await;
    let reply = app.post("/v1/images/generations", ask(&json!({"response_format": "url"}))).await;
    let url = format!("http://{}/results/sample.png?sig=x", upstream.address);
    assert_eq!((reply.status, &reply.json()["data"]), (200, &json!([{"url": url}])), "{}", reply.text());
    assert_eq!(cost(&app.finish_one().await), "0.04");
}

#[tokio::test]
async fn what_was_refused_or_moderated_costs_nothing_and_other_failures_do() {
    let details =
        json!({"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]});
    for (answers, status, told, charged) in [
        (vec![Answer::json(422, &details.to_string())], 422, "Field required", "0"),
        (vec![Answer::json(402, r#"{"detail":"Insufficient credits"}"#)], 502, "has no credit left", "0"),
        (vec![looked("Request Moderated", &Value::Null)], 424, "no picture was made: Request Moderated", "0"),
        (vec![pending(), looked("Content Moderated", &Value::Null)], 424, "Content Moderated", "0"),
        (vec![looked("Error", &Value::Null)], 424, "no picture was made: Error", "0.04"),
        (vec![Answer::json(403, r#"{"detail":"Not authenticated"}"#)], 502, "own credential", "0.04"),
        (vec![Answer::json(503, "{}"); 10], 503, "503", "0.04"),
        (vec![Answer::json(200, "[")], 424, "cannot be read", "0.04"),
    ] {
        let is_refused = charged == "0" && status != 424;
        let upstream = Upstream::telling(|address| {
            let first = if is_refused { Vec::new() } else { vec![submitted(address)] };
            first.into_iter().chain(answers).collect()
        })
        .await;
        let app = app(&upstream).await;
        let reply = draw(&app).await;
        assert!(
            reply.status == status && message(&reply).contains(told),
            "{} {}",
            reply.status,
            reply.text()
        );
        if status == 424 {
            assert_eq!(reply.json()["error"]["code"], "invalid_provider_response");
        }
        let record = app.finish_one().await;
        assert_eq!(cost(&record), charged, "{record}");
    }
}

#[tokio::test]
async fn addresses_of_others_are_not_followed() {
    // Nobody may come here, with or without a key.
    let stranger = Upstream::start([]).await;
    let elsewhere = stranger.address;
    let hostile = |url: &str| Answer::json(200, &json!({"id": "7", "polling_url": url}).to_string());
    for url in [
        format!("http://{elsewhere}/v1/get_result?id=7"),
        format!("http://localhost:{}/", elsewhere.port()),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://api.us2.bfl.ai/v1/get_result?id=7".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let upstream = Upstream::start([hostile(&url)]).await;
        let app = app(&upstream).await;
        let reply = draw(&app).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (424, &json!("invalid_provider_response"))
        );
        assert!(message(&reply).contains("not the provider's own") && !reply.text().contains("169.254"));
        assert_assumed(&app.finish_one().await);
    }
    let sample = looked("Ready", &json!({"sample": format!("http://{elsewhere}/sample.png")}));
    let moved = Answer::whole(302, &[("location", &format!("http://{elsewhere}/sample.png"))], b"");
    let no_picture = Answer::whole(200, &[("content-type", "text/html")], b"<html>expired</html>");
    for (ends, told) in [
        (vec![sample], "not the provider's own"),
        (vec![moved], "could not be fetched: status 302"),
        (vec![no_picture], "no picture"),
    ] {
        let upstream = Upstream::telling(|address| {
            let is_fetched = !told.starts_with("not");
            let ready = is_fetched.then(|| ready(address));
            [submitted(address)].into_iter().chain(ready).chain(ends).collect()
        })
        .await;
        let app = app(&upstream).await;
        let reply = draw(&app).await;
        assert!(reply.status == 424 && message(&reply).contains(told), "{}", reply.text());
        assert_assumed(&app.finish_one().await);
    }
}

#[tokio::test]
async fn a_picture_that_is_too_long_is_not_read_to_its_end() {
    let long = Answer::whole(200, &[("content-type", "image/png")], &[PNG, &[0; 200_000]].concat());
    let upstream = Upstream::telling(|address| vec![submitted(address), ready(address), long]).await;
    let base = format!("http://{}", upstream.address);
    let app = App::with(&provider_at("black-forest-labs", &base), |limits| {
        soon(limits);
        limits.answer_bytes_max = 100_000;
    })
    .await;
    let reply = draw(&app).await;
    assert!(reply.status == 424 && message(&reply).contains("longer than 100000 bytes"), "{}", reply.text());
    assert_assumed(&app.finish_one().await);
}

/// Asks for a picture and leaves once the provider was asked so often.
async fn leave(app: &App, upstream: &Upstream, times: usize) {
    let body = ask(&json!({}));
    let call = app.post_open("/v1/images/generations", &body);
    tokio::select! {
        _ = call => panic!("nobody answers"),
        () = upstream.called(times) => {}
    }
}

#[tokio::test]
async fn who_leaves_ends_no_work_that_is_billed() {
    let upstream = Upstream::telling(|address| {
        vec![submitted(address), Answer::default().gate().then(ready(address)), picture()]
    })
    .await;
    let app = app(&upstream).await;
    leave(&app, &upstream, 2).await;
    wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
    upstream.open_gate();
    app.settled().await;
    let record = app.finish_one().await;
    assert_eq!((&record["outcome"], &record["status"]), (&json!("client_gone"), &json!(499)));
    assert_eq!((cost(&record), &record["usage_source"]), ("0.04", &json!("provider_final")));
}

#[tokio::test]
async fn work_that_is_left_as_it_is_costs_what_was_held() {
    for how in ["no place", "time", "drain"] {
        let upstream = Upstream::telling(|address| vec![submitted(address), Answer::silence()]).await;
        let base = format!("http://{}", upstream.address);
        let none = if how == "no place" { "[limits]\nabandoned_calls_max = 0\n" } else { "" };
        let app = App::with(&format!("{none}{}", provider_at("black-forest-labs", &base)), |limits| {
            soon(limits);
            if how == "time" {
                limits.total = Duration::from_secs(1);
            }
        })
        .await;
        if how == "time" {
            let reply = draw(&app).await;
            assert_eq!(
                (reply.status, &reply.json()["error"]["code"]),
                (503, &json!("provider_timeout")),
                "{}",
                reply.text()
            );
        } else {
            leave(&app, &upstream, 2).await;
        }
        if how == "drain" {
            wait_until("the caller is missed", || app.gateway().abandoned.len() == 1).await;
            app.gateway().end_calls();
        }
        assert_eq!(upstream.ended().await, Ended::Cancelled);
        assert_assumed(&app.finish_one().await);
    }
}

#[tokio::test]
async fn work_that_is_never_done_ends_with_the_time_of_the_call() {
    let upstream = Upstream::telling(|address| vec![submitted(address), pending()]).await;
    let base = format!("http://{}", upstream.address);
    let app = App::with(&provider_at("black-forest-labs", &base), |limits| {
        // One look; the next would be after two and a half.
        limits.job_pause = Duration::from_secs(1);
        limits.total = Duration::from_secs(2);
    })
    .await;
    assert_eq!(draw(&app).await.status, 503);
    assert_assumed(&app.finish_one().await);
}

#[tokio::test]
async fn a_look_that_hangs_is_repeated() {
    let upstream = Upstream::telling(|address| {
        vec![submitted(address), Answer::silence(), ready(address), Answer::silence(), picture()]
    })
    .await;
    let base = format!("http://{}", upstream.address);
    let app = App::with(&provider_at("black-forest-labs", &base), |limits| {
        soon(limits);
        limits.job_look = Duration::from_millis(500);
        limits.total = Duration::from_secs(20);
    })
    .await;
    let reply = draw(&app).await;
    assert_eq!(
        (reply.status, &reply.json()["data"][0]["b64_json"]),
        (200, &json!(PNG_TEXT)),
        "{}",
        reply.text()
    );
    assert_eq!(cost(&app.finish_one().await), "0.04");
}

#[tokio::test]
async fn what_cannot_be_paid_for_or_drawn_is_not_asked_for() {
    let upstream = Upstream::start([]).await;
    let app = app(&upstream).await;
    for (more, code) in [
        (json!({"n": 2}), "invalid_request"),
        (json!({"response_format": "png"}), "invalid_request"),
        (json!({"model": "black-forest-labs/flux-pro-1.0-fill"}), "wrong_endpoint"),
        (json!({"size": "16x16", "signalbox": {"strict": true}}), "translation_loss"),
    ] {
        let reply = app.post("/v1/images/generations", ask(&more)).await;
        assert_eq!(
            (reply.status / 100, &reply.json()["error"]["code"]),
            (4, &json!(code)),
            "{}",
            reply.text()
        );
    }
    limit(&app, "0.03").await;
    let reply = draw(&app).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (412, &json!("spend_limit_exceeded")));
    app.finish().await;
}

/// A form with a picture, and another file where one is named.
fn edit(model: &str, picture: &[u8], other: Option<&str>) -> Vec<u8> {
    let text = |name: &str, text: &str| {
        format!("--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").into_bytes()
    };
    let file = |name: &str, content: &[u8]| {
        let head = format!(
            "--b0\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
        );
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let other = other.map(|name| file(name, PNG)).unwrap_or_default();
    let model = format!("black-forest-labs/{model}");
    [
        text("model", &model),
        text("prompt", "a dog"),
        text("n", "1"),
        file("image", picture),
        other,
        b"--b0--\r\n".to_vec(),
    ]
    .concat()
}

#[tokio::test]
async fn a_picture_is_made_of_another() {
    // Longer than what is read on the same core.
    let long = [PNG, &[7; 400_000]].concat();
    let upstream = Upstream::telling(|address| {
        let answer = Answer::whole(200, &[("content-type", "image/png")], &[PNG, &[0; 400_000]].concat());
        vec![submitted(address), ready(address), answer]
    })
    .await;
    let app = app(&upstream).await;
    let reply = post_form(&app, "/v1/images/edits", edit("flux-kontext-pro", &long, None)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json()["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgoAcGljdHVyZQAA"));
    let call = &upstream.calls()[0];
    assert_eq!(
        (call.path(), call.header("content-type")),
        ("/v1/flux-kontext-pro", Some("application/json"))
    );
    let body = call.json();
    assert_eq!(
        (&body["prompt"], &body["output_format"], &body["aspect_ratio"]),
        (&json!("a dog"), &json!("png"), &Value::Null)
    );
    let sent = body["input_image"].as_str().unwrap();
    assert!(sent.len() == long.len().div_ceil(3) * 4 && sent.starts_with("iVBORw0KGgoAcGljdHVyZQcHBw"));
    for (model, other, code) in [
        ("flux-kontext-pro", Some("mask"), "invalid_request"),
        ("flux-kontext-pro", Some("image"), "invalid_request"),
        ("flux-pro-1.1", None, "wrong_endpoint"),
    ] {
        let reply = post_form(&app, "/v1/images/edits", edit(model, PNG, other)).await;
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (400, &json!(code)), "{model} {other:?}");
    }
    app.settled().await;
    let charged: Vec<Value> = app.finish().await.into_iter().filter(|record| cost(record) != "0").collect();
    assert_eq!((charged.len(), cost(&charged[0])), (1, "0.04"));
}
