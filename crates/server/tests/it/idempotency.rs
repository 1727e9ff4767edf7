//! `Idempotency-Key`: however often a call is sent, it is made once and charged once.

use crate::support::*;
use domain::{Enforcement, KeyHash, KeyId, Limit, Scope, Window};
use futures_util::future::join_all;
use serde_json::json;

const CHAT_PATH: &str = "/v1/chat/completions";
const MESSAGE_PATH: &str = "/v1/messages";

/// A whole answer that waits for the gate.
fn gated(body: &str) -> Answer {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    Answer::default().gate().raw(whole.as_bytes())
}

/// A stream that waits for the gate after its second event.
fn gated_stream(frames: &[&str]) -> Answer {
    Answer::stream().frames(&frames[..2]).gate().frames(&frames[2..]).end()
}

/// That one answer is another one's, told again.
fn assert_replayed(again: &Reply, first: &Reply) {
    assert_eq!((again.status, again.text()), (first.status, first.text()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("idempotent-replayed"), "");
    for name in ["x-request-id", "request-id", "content-type", "x-requesty-provider", "cache-control"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
}

#[tokio::test]
async fn fifty_duplicates_at_once_are_one_call() {
    let upstream = Upstream::start([gated(CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let calls = join_all((0..50).map(|_| app.keyed(CHAT_PATH, "a", CHAT)));
    let (replies, ()) = tokio::join!(calls, async {
        upstream.called(1).await;
        upstream.open_gate();
    });
    let (first, others): (Vec<&Reply>, Vec<&Reply>) =
        replies.iter().partition(|reply| reply.header("idempotent-replayed").is_empty());
    assert_eq!((first.len(), first[0].status), (1, 200));
    others.into_iter().for_each(|other| assert_replayed(other, first[0]));
    assert_eq!(app.finish_one().await["cost"], CHAT_COST);
}

#[tokio::test]
async fn who_attaches_to_a_stream_gets_the_same_bytes() {
    let translated = MESSAGE_STREAM.replace("anthropic/m", "openai/m");
    for (kind, path, body, frames) in [
        ("openai", CHAT_PATH, CHAT_STREAM, &CHAT_FRAMES[..]),
        ("anthropic", MESSAGE_PATH, MESSAGE_STREAM, &MESSAGE_FRAMES[..]),
        ("openai", MESSAGE_PATH, &translated, &CHAT_FRAMES[..]),
    ] {
        let upstream = Upstream::start([gated_stream(frames)]).await;
        let app = App::start(&provider(kind, &upstream)).await;
        let mut first = app.keyed_open(path, "a", body).await;
        first.read_events(1).await;
        let mut second = app.keyed_open(path, "a", body).await;
        second.read_events(1).await;
        upstream.open_gate();
        let (first, second) = tokio::join!(first.whole(), second.whole());
        assert!(!first.is_cut && first.text().contains("world"), "{}", first.text());
        assert_replayed(&second, &first);
        assert_replayed(&app.keyed(path, "a", body).await, &first);
        app.finish_one().await;
    }
}

#[tokio::test]
async fn a_finished_call_is_answered_again_from_the_store() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    let first = app.keyed(MESSAGE_PATH, "a", MESSAGE).await;
    assert_eq!(first.status, 200);
    app.settled().await;
    for path in [MESSAGE_PATH, "/anthropic/v1/messages"] {
        assert_replayed(&app.keyed(path, "a", MESSAGE).await, &first);
        app.settled().await;
    }
    assert_eq!(app.finish_one().await["cost"], MESSAGE_COST);
}

#[tokio::test]
async fn embeddings_have_keys_too() {
    let answer = json!({"object": "list", "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3},
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]});
    let upstream = Upstream::start([Answer::json(200, &answer.to_string())]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let body = r#"{"model":"openai/e","input":"hi"}"#;
    let first = app.keyed("/v1/embeddings", "a", body).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_replayed(&app.keyed("/v1/embeddings", "a", body).await, &first);
    app.finish_one().await;
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let upstream = Upstream::start([gated(CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let other = CHAT.replace("hi", "ho");
    let (first, ()) = tokio::join!(app.keyed(CHAT_PATH, "a", CHAT), async {
        upstream.called(1).await;
        assert_openai_error(&app.keyed(CHAT_PATH, "a", &other).await, 422, "idempotency_key_reused");
        upstream.open_gate();
    });
    app.settled().await;
    let refused = app.keyed(CHAT_PATH, "a", &other).await;
    assert_openai_error(&refused, 422, "idempotency_key_reused");
    assert!(refused.text().contains(first.header("x-request-id")), "the message names the first call");
    let refused = app.finish().await.into_iter().filter(|record| record["outcome"] == "refused");
    assert_eq!(refused.count(), 2, "what is refused is on record");
}

#[tokio::test]
async fn what_differs_is_refused_in_anthropics_protocol_too() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    app.keyed(MESSAGE_PATH, "a", MESSAGE).await;
    let other = app.keyed(MESSAGE_PATH, "a", &MESSAGE.replace("hi", "ho")).await;
    assert_anthropic_error(&other, 422, "invalid_request_error");
    let request = app.request("POST", MESSAGE_PATH).header("idempotency-key", "a");
    let request = request.header("anthropic-beta", "other").body(MESSAGE.to_owned().into()).unwrap();
    assert_anthropic_error(&app.send(request).await, 422, "invalid_request_error");
    app.finish().await;
}

#[tokio::test]
async fn a_key_belongs_to_its_api_key_and_its_endpoint() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 3).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let mut other = app.db.keys().await.unwrap().remove(0);
    other.id = KeyId::from_parts(other.created_at, [9; 10]);
    other.hash = KeyHash::of(b"another");
    app.db.insert_key(&other).await.unwrap();
    app.read_configuration().await;
    let mut ids = vec![app.keyed(CHAT_PATH, "a", CHAT).await.header("x-request-id").to_owned()];
    let request = app.request("POST", CHAT_PATH).header("idempotency-key", "a");
    let mut request = request.body(CHAT.to_owned().into()).unwrap();
    request.headers_mut().insert("authorization", "Bearer another".parse().unwrap());
    ids.push(app.send(request).await.header("x-request-id").to_owned());
    let message = MESSAGE.replace("anthropic/m", "openai/m");
    ids.push(app.keyed(MESSAGE_PATH, "a", &message).await.header("x-request-id").to_owned());
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), app.finish().await.len()), (3, 3));
}

#[tokio::test]
async fn who_has_left_gets_the_answer_when_asking_again() {
    let streamed = gated_stream(&CHAT_FRAMES);
    for (answer, body) in [(gated(CHAT_ANSWER), CHAT), (streamed, CHAT_STREAM)] {
        let upstream = Upstream::start([answer]).await;
        let app = App::start(&provider("openai", &upstream)).await;
        tokio::select! {
            _ = async { app.keyed(CHAT_PATH, "a", body).await } => panic!("the gate is closed"),
            () = upstream.called(1) => {}
        }
        upstream.open_gate();
        let reply = app.keyed(CHAT_PATH, "a", body).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, "true"));
        assert!(reply.text().contains("world"), "{}", reply.text());
        assert_eq!(upstream.ended().await, Ended::Answered, "the call went on to its end");
        let record = app.finish_one().await;
        assert_eq!((&record["outcome"], &record["cost"]), (&json!("success"), &json!(CHAT_COST)));
    }
}

#[tokio::test]
async fn what_was_refused_before_anything_was_billed_frees_its_key() {
    let answers = [Answer::json(500, "{}"), Answer::json(429, "{}"), Answer::json(200, CHAT_ANSWER)];
    let upstream = Upstream::start(answers).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let unknown = CHAT.replace("openai/m", "nobody/m");
    for (body, status) in [(&*unknown, 404), (&unknown, 404), ("{", 400), (CHAT, 502), (CHAT, 429)] {
        let reply = app.keyed(CHAT_PATH, "a", body).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (status, ""), "{}", reply.text());
    }
    assert_eq!(app.keyed(CHAT_PATH, "a", CHAT).await.status, 200);
    assert_eq!(app.finish().await.len(), 6);
}

#[tokio::test]
async fn a_call_that_could_not_be_paid_may_be_made_later() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let limit = |amount: &str| Limit {
        scope: Scope::Organization(app.org),
        window: Window::Month,
        amount: amount.parse().unwrap(),
        enforcement: Enforcement::Hard,
    };
    for (amount, status) in [("0.000001", 412), ("1", 200)] {
        app.db.set_limit(app.org, limit(amount)).await.unwrap();
        app.read_configuration().await;
        assert_eq!(app.keyed(CHAT_PATH, "a", CHAT).await.status, status);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_failure_that_was_billed_stays_the_answer() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{\"id\":";
    let upstream = Upstream::start([Answer::default().raw(head).close()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let first = app.keyed(CHAT_PATH, "a", CHAT).await;
    assert_eq!(first.status, 502, "{}", first.text());
    let again = app.keyed(CHAT_PATH, "a", CHAT).await;
    assert_replayed(&again, &first);
    assert_eq!(again.header("x-should-retry"), "false");
    assert_eq!(app.finish_one().await["usage_source"], "estimate");
}

#[tokio::test]
async fn a_stream_that_broke_is_told_again_as_it_broke() {
    let upstream = Upstream::start([Answer::stream().frames(&CHAT_FRAMES[..3]).close()]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let first = app.keyed(CHAT_PATH, "a", CHAT_STREAM).await;
    assert!(first.text().contains("broken_provider_stream"), "{}", first.text());
    assert_replayed(&app.keyed(CHAT_PATH, "a", CHAT_STREAM).await, &first);
    app.finish_one().await;
}

#[tokio::test]
async fn an_answer_too_large_to_keep_is_not_asked_for_again() {
    let streamed = gated_stream(&CHAT_FRAMES);
    for (answer, body) in [(gated(CHAT_ANSWER), CHAT), (streamed, CHAT_STREAM)] {
        let upstream = Upstream::start([answer]).await;
        let config = format!("[idempotency]\nanswer_bytes_max = 250\n{}", provider("openai", &upstream));
        let app = App::start(&config).await;
        let (first, attached) = tokio::join!(app.keyed(CHAT_PATH, "a", body), async {
            upstream.called(1).await;
            let attached = app.keyed(CHAT_PATH, "a", body);
            upstream.open_gate();
            attached.await
        });
        assert!(first.text().contains("world") && !first.is_cut, "{}", first.text());
        assert!(attached.text().contains("idempotent_answer_too_large"), "{}", attached.text());
        app.settled().await;
        let again = app.keyed(CHAT_PATH, "a", body).await;
        assert_openai_error(&again, 409, "idempotent_answer_too_large");
        assert_eq!(again.header("x-should-retry"), "false");
        app.finish().await;
    }
}

#[tokio::test]
async fn the_room_for_kept_answers_is_bounded() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let room = CHAT_ANSWER.len() * 3 / 2;
    let config = format!("[idempotency]\nstored_bytes_max = {room}\n{}", provider("openai", &upstream));
    let app = App::start(&config).await;
    for (key, status) in [("a", 200), ("b", 409)] {
        assert_eq!(app.keyed(CHAT_PATH, key, CHAT).await.status, 200);
        app.settled().await;
        assert_eq!(app.keyed(CHAT_PATH, key, CHAT).await.status, status);
    }
    app.finish().await;
}

#[tokio::test]
async fn who_reads_nothing_holds_nobody_up() {
    // More than all buffers between the gateway and a caller hold together.
    let text = "x".repeat(60_000);
    let frame = format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}));
    let mut frames = vec![CHAT_FRAMES[0]];
    frames.extend(std::iter::repeat_n(frame.as_str(), 400));
    frames.extend(&CHAT_FRAMES[3..]);
    let upstream = Upstream::start([Answer::sse(&frames)]).await;
    let config = format!("[idempotency]\nanswer_bytes_max = 60000000\n{}", provider("openai", &upstream));
    let app = App::with(&config, |limits| limits.write_stall = std::time::Duration::from_secs(4)).await;
    let first = app.keyed_open(CHAT_PATH, "a", CHAT_STREAM).await;
    let second = app.keyed(CHAT_PATH, "a", CHAT_STREAM).await;
    assert!(second.text().ends_with("data: [DONE]\n\n") && !second.is_cut);
    let first = first.whole().await;
    assert!(first.is_cut && second.text().starts_with(first.text()), "who did not read was given up");
    assert_eq!(app.finish_one().await["outcome"], "success");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for key in ["", "a b", "\u{e9}", &"x".repeat(256)] {
        let reply = app.keyed(CHAT_PATH, key, CHAT).await;
        assert_openai_error(&reply, 400, "invalid_request");
        assert_eq!(reply.json()["error"]["param"], "Idempotency-Key");
        assert_anthropic_error(&app.keyed(MESSAGE_PATH, key, MESSAGE).await, 400, "invalid_request_error");
    }
    let request =
        app.request("POST", CHAT_PATH).header("idempotency-key", "a").header("idempotency-key", "b");
    let reply = app.send(request.body(CHAT.to_owned().into()).unwrap()).await;
    assert_openai_error(&reply, 400, "invalid_request");
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_was_revoked_gets_no_kept_answer() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&provider("openai", &upstream)).await;
    assert_eq!(app.keyed(CHAT_PATH, "a", CHAT).await.status, 200);
    let key = app.db.keys().await.unwrap().remove(0);
    app.db.delete_key(key.id, key.created_at).await.unwrap();
    app.read_configuration().await;
    assert_eq!(app.keyed(CHAT_PATH, "a", CHAT).await.status, 401);
    app.finish_one().await;
}

#[tokio::test]
async fn where_it_is_switched_off_the_header_means_nothing_and_nothing_is_kept() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let config = format!("[idempotency]\nenabled = false\n{}", provider("openai", &upstream));
    let app = App::start(&config).await;
    for _ in 0..2 {
        let reply = app.keyed(CHAT_PATH, "a", CHAT).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, ""));
    }
    assert_eq!(app.db.idempotent_bytes().await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn counting_tokens_has_no_keys() {
    let upstream = Upstream::always(Answer::json(200, r#"{"input_tokens":3}"#), 2).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    for _ in 0..2 {
        let reply = app.keyed("/v1/messages/count_tokens", "a", MESSAGE).await;
        assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, ""), "{}", reply.text());
    }
    app.finish().await;
}

fn process(upstream: &Upstream, failpoint: &str) -> Process {
    let variables = [("SIGNALBOX_BOOTSTRAP_KEY", KEY), ("SIGNALBOX_FAILPOINT", failpoint)];
    Process::start(&provider("openai", upstream), &variables)
}

/// What the ledger says after all, and how many entries it has.
fn assert_entries(process: &Process, count: usize) {
    let verified = process.run(&["ledger", "verify"]);
    let text = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && text.contains(&format!("entries={count} ")), "{text}");
}

#[tokio::test]
async fn an_answer_outlives_the_process() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::sse(&CHAT_FRAMES)]).await;
    let running = process(&upstream, "");
    let whole = running.keyed(CHAT_PATH, KEY, "a", CHAT).await.unwrap();
    let streamed = running.keyed(CHAT_PATH, KEY, "b", CHAT_STREAM).await.unwrap();
    running.signal("TERM");
    let (code, log, folder) = running.exit().await;
    assert_eq!(code, Some(0), "{log}");
    let running = Process::start_in(folder, &[]);
    assert_replayed(&running.keyed(CHAT_PATH, KEY, "a", CHAT).await.unwrap(), &whole);
    assert_replayed(&running.keyed(CHAT_PATH, KEY, "b", CHAT_STREAM).await.unwrap(), &streamed);
    assert_entries(&running, 2);
}

#[tokio::test]
async fn a_drain_waits_for_a_call_whose_caller_has_left() {
    let upstream = Upstream::start([gated(CHAT_ANSWER)]).await;
    let running = process(&upstream, "");
    tokio::select! {
        reply = running.keyed(CHAT_PATH, KEY, "a", CHAT) => panic!("answered: {reply:?}"),
        () = upstream.called(1) => {}
    }
    running.signal("TERM");
    upstream.open_gate();
    let (code, log, folder) = running.exit().await;
    assert_eq!(code, Some(0), "{log}");
    let running = Process::start_in(folder, &[]);
    let reply = running.keyed(CHAT_PATH, KEY, "a", CHAT).await.unwrap();
    assert_eq!((reply.status, reply.header("idempotent-replayed")), (200, "true"));
    assert_entries(&running, 1);
}

#[tokio::test]
async fn a_call_that_died_with_the_process_is_not_made_again() {
    let upstream = Upstream::start([Answer::silence(), Answer::json(200, CHAT_ANSWER)]).await;
    let running = process(&upstream, "");
    tokio::select! {
        reply = running.keyed(CHAT_PATH, KEY, "a", CHAT) => panic!("answered: {reply:?}"),
        () = upstream.called(1) => {}
    }
    running.signal("KILL");
    let (_, _, folder) = running.exit().await;
    let running = Process::start_in(folder, &[]);
    let records = running.recorded(1).await;
    for _ in 0..2 {
        let reply = running.keyed(CHAT_PATH, KEY, "a", CHAT).await.unwrap();
        assert_openai_error(&reply, 409, "idempotent_outcome_unknown");
        assert!(reply.text().contains(records[0]["id"].as_str().unwrap()), "{}", reply.text());
        assert_eq!(reply.header("x-should-retry"), "false");
    }
    let other = running.keyed(CHAT_PATH, KEY, "a", CHAT_STREAM).await.unwrap();
    assert_openai_error(&other, 422, "idempotency_key_reused");
    assert_eq!(running.keyed(CHAT_PATH, KEY, "b", CHAT).await.unwrap().status, 200);
    running.recorded(5).await;
    assert_entries(&running, 2);
}

#[tokio::test]
async fn a_death_at_any_place_never_leads_to_a_second_charge() {
    for (place, calls) in [("after_claim", 0), ("after_intent", 0), ("after_head", 1), ("before_keep", 1)] {
        let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), calls).await;
        let running = process(&upstream, place);
        let _ = running.keyed(CHAT_PATH, KEY, "a", CHAT).await;
        let (code, _, folder) = running.exit().await;
        assert_eq!(code, None, "it did not die {place}");
        let running = Process::start_in(folder, &[]);
        let reply = running.keyed(CHAT_PATH, KEY, "a", CHAT).await.unwrap();
        assert_openai_error(&reply, 409, "idempotent_outcome_unknown");
        assert_entries(&running, usize::from(place != "after_claim"));
    }
}
