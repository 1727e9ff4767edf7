//! Long bodies: they arrive as short ones do, take no more of the process's memory than may be, and give it back.

use crate::support::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

const MIB: usize = 1024 * 1024;

/// Room for two bodies of 2 MiB, and for others of 2 MiB in all.
const NARROW: &str =
    "[limits]\nbody_bytes_max = 3000000\nbodies_bytes_max = 8388608\n[timeouts]\nqueue_seconds = 1\n";

/// Words, lines and quotes, so that nothing in them is base64.
fn prose(bytes: usize) -> String {
    r#"Say \"hi\" to J\u00fcrgen,\n\t"#.repeat(bytes / 29)
}

fn picture(bytes: usize) -> String {
    "iVBORw0KGgo/".repeat(bytes / 12)
}

/// The head of a call, and nothing of its body.
fn announce(app: &App, path: &str, header: &str) -> TcpStream {
    let mut caller = TcpStream::connect(app.address).unwrap();
    caller.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{header}\r\n\r\n");
    caller.write_all(head.as_bytes()).unwrap();
    caller
}

/// The first line of an answer.
async fn status(mut caller: TcpStream) -> String {
    let read = move || {
        let mut line = [0; 12];
        caller.read_exact(&mut line).unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[tokio::test]
async fn a_long_body_is_edited_in_passing_like_a_short_one() {
    let upstream = Upstream::always(Answer::sse(&CHAT_FRAMES), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for length in [300, 5 * MIB] {
        let (words, pixels) = (prose(length), picture(length));
        let rest = format!(
            r#""messages" : [ {{"role":"user","content":[{{"type":"text","text":"{words}"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{pixels}"}}}}]}} ],"zeta":1.50"#
        );
        let body = format!(
            r#"{{"model":"openai/m","signalbox":{{"tags":["a"]}},"max_tokens":7,{rest},"stream":true}}"#
        );
        assert_eq!(app.post("/v1/chat/completions", body).await.status, 200);
        let edited = rest.replace("\"messages\" : ", "\"messages\":");
        let expected = format!(
            r#"{{"model":"m",{edited},"stream":true,"max_completion_tokens":7,"stream_options":{{"include_usage":true}}}}"#
        );
        let call = upstream.calls().pop().unwrap();
        assert_eq!(call.header("content-length"), Some(expected.len().to_string().as_str()));
        assert!(call.text() == expected, "{length}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_long_body_over_http2_or_in_chunks_is_the_same() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 2).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let words = prose(3 * MIB);
    let body = CHAT.replace("hi", &words);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = app.request("POST", "/v1/chat/completions").body(Full::new(Bytes::from(body.clone())));
    let answer = client.request(request.unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    answer.into_body().collect().await.unwrap();

    let mut caller =
        announce(&app, "/v1/chat/completions", "transfer-encoding: chunked\r\nconnection: close");
    let chunks = body.clone();
    tokio::task::spawn_blocking(move || {
        for chunk in chunks.as_bytes().chunks(77_777) {
            write!(caller, "{:x}\r\n", chunk.len()).unwrap();
            caller.write_all(chunk).unwrap();
            caller.write_all(b"\r\n").unwrap();
        }
        caller.write_all(b"0\r\n\r\n").unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    })
    .await
    .unwrap();
    let expected = body.replace("openai/m", "m");
    for call in upstream.calls() {
        assert!(call.text() == expected);
    }
    assert_eq!(app.recorded(2).await.len(), 2);
    drop(client);
    app.finish().await;
}

#[tokio::test]
async fn a_long_body_is_translated_like_a_short_one() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER), 4).await;
    let app = App::start(&provider("openai", &upstream)).await;
    for length in [300, MIB] {
        for text in [prose(length), "short".to_owned()] {
            let pixels = picture(length);
            let body = format!(
                r#"{{"model":"openai/m","max_tokens":50,"messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{pixels}"}}}},{{"type":"text","text":"{text}"}}]}}]}}"#
            );
            assert_eq!(app.post("/v1/messages", body).await.status, 200);
            let sent = upstream.calls().pop().unwrap().json();
            let read: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            let url = format!("data:image/png;base64,{pixels}");
            let content =
                json!([{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": read}]);
            assert!(sent["messages"] == json!([{"role": "user", "content": content}]), "{length}");
            assert_eq!((&sent["model"], &sent["max_completion_tokens"]), (&json!("m"), &json!(50)));
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_document_that_must_be_read_is_read_whole() {
    let upstream = Upstream::start([Answer::json(200, MESSAGE_ANSWER)]).await;
    let app = App::start(&provider("anthropic", &upstream)).await;
    // `abc` in base64: a text document has to be decoded for its provider.
    let body = format!(
        r#"{{"model":"anthropic/m","messages":[{{"role":"user","content":[{{"type":"file","file":{{"filename":"a.txt","file_data":"data:text/plain;base64,{}"}}}}]}}]}}"#,
        "YWJj".repeat(200_000)
    );
    assert_eq!(app.post("/v1/chat/completions", body).await.status, 200);
    let sent = upstream.call().json();
    assert!(sent["messages"][0]["content"][0]["source"]["data"] == json!("abc".repeat(200_000)));
    app.finish().await;
}

#[tokio::test]
async fn a_long_body_is_sent_again_where_a_connection_was_closed_meanwhile() {
    let upstream = Upstream::always(Answer::json(200, CHAT_ANSWER).close(), 3).await;
    let app = App::start(&provider("openai", &upstream)).await;
    let body = CHAT.replace("hi", &prose(2 * MIB));
    for _ in 0..3 {
        assert_eq!(app.post("/v1/chat/completions", body.clone()).await.status, 200);
    }
    let expected = body.replace("openai/m", "m");
    assert!(upstream.calls().iter().all(|call| call.text() == expected));
    app.finish().await;
}

#[tokio::test]
async fn a_body_without_room_is_refused_before_it_is_read() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER), Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&format!("{NARROW}{}", provider("openai", &upstream))).await;
    let long = format!("content-length: {}", 2 * MIB);
    let held: Vec<_> = (0..3).map(|_| announce(&app, "/v1/chat/completions", &long)).collect();
    until_taken(&app, 6 * MIB).await;
    for (path, refused) in [("/v1/chat/completions", "HTTP/1.1 503"), ("/v1/messages", "HTTP/1.1 529")] {
        assert_eq!(status(announce(&app, path, &long)).await, refused);
    }
    // Short ones, and those of middle length, do not care.
    assert_eq!(app.chat(CHAT).await.status, 200);
    assert_eq!(app.post("/v1/chat/completions", CHAT.replace("hi", &prose(MIB / 2))).await.status, 200);
    // Nor is more read of a body of unknown length than there is room for.
    let chunked = announce(&app, "/v1/chat/completions", "transfer-encoding: chunked");
    assert_eq!(status(send_chunks(chunked, 2).await).await, "HTTP/1.1 503");
    drop(held);
    until_taken(&app, 0).await;
    let records = app.recorded(6).await;
    let outcome = |outcome: &str| records.iter().filter(|record| record["outcome"] == outcome).count();
    assert_eq!((outcome("success"), outcome("refused"), outcome("client_gone")), (2, 1, 3));
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_waits_is_read_when_there_is_room() {
    let upstream = Upstream::start([Answer::json(200, CHAT_ANSWER)]).await;
    let app = App::start(&format!("{NARROW}{}", provider("openai", &upstream))).await;
    let long = format!("content-length: {}", 2 * MIB);
    let mut held: Vec<_> = (0..3).map(|_| announce(&app, "/v1/chat/completions", &long)).collect();
    until_taken(&app, 6 * MIB).await;
    let body = CHAT.replace("hi", &prose(MIB + MIB / 2));
    let (reply, ()) = tokio::join!(app.post("/v1/chat/completions", body), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        held.pop();
    });
    assert_eq!(reply.status, 200);
    drop(held);
    until_taken(&app, 0).await;
    assert_eq!(app.recorded(4).await.len(), 4);
    app.finish().await;
}

#[tokio::test]
async fn memory_is_free_again_while_the_answer_comes() {
    let stream = Answer::stream().frames(&CHAT_FRAMES[..2]).gate().frames(&CHAT_FRAMES[2..]).end();
    let upstream = Upstream::start([stream]).await;
    let app = App::start(&format!("{NARROW}{}", provider("openai", &upstream))).await;
    let running = app.post_open("/v1/chat/completions", &CHAT_STREAM.replace("hi", &prose(2 * MIB))).await;
    assert_eq!(running.status, 200);
    until_taken(&app, 0).await;
    upstream.open_gate();
    running.whole().await;
    app.finish_one().await;
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&format!("{NARROW}{}", provider("openai", &upstream))).await;
    let chunked = announce(&app, "/v1/chat/completions", "transfer-encoding: chunked");
    assert_eq!(status(send_chunks(chunked, 1_000).await).await, "HTTP/1.1 413");
    until_taken(&app, 0).await;
    app.finish_one().await;
}

/// Sends so many chunks of 64 KiB and no end, until the other side has had enough.
async fn send_chunks(mut caller: TcpStream, count: usize) -> TcpStream {
    let send = move || {
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
        // What nobody reads any more cannot be written.
        let _ = (0..count).try_for_each(|_| caller.write_all(&chunk));
        caller
    };
    tokio::task::spawn_blocking(send).await.unwrap()
}

/// Waits until bodies take so many bytes.
async fn until_taken(app: &App, bytes: usize) {
    let line = format!("\nsignalbox_bodies_bytes {bytes}\n");
    let waiting = async {
        while !app.get("/metrics").await.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never{line}");
}
