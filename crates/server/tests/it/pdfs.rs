//! PDFs for models that read none: their text is sent, by a process that no PDF can misuse.

use crate::support::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Enforcement, Limit, Money, RateLimit, Scope, Window};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use std::io::Write;

const ANSWER: &str = r#"{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}"#;

/// A PDF whose pages have these contents; each filtered, where a filter is named.
fn pdf_of(pages: &[Vec<u8>], filter: &str) -> String {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (at, content) in pages.iter().enumerate() {
        let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]";
        let font = "/Resources << /Font << /F1 3 0 R >> >>";
        objects.push(format!("{page} {font} /Contents {} 0 R >>", 5 + 2 * at).into_bytes());
        let head = format!("<< /Length {} {filter} >>\nstream\n", content.len());
        objects.push([head.as_bytes(), content, b"\nendstream"].concat());
    }
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", at + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for place in places {
        out.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    let trailer = format!("<< /Size {} /Root 1 0 R >>", objects.len() + 1);
    out.extend_from_slice(format!("trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n").as_bytes());
    STANDARD.encode(out)
}

fn pdf(pages: &[&str]) -> String {
    let content = |text: &&str| format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET").into_bytes();
    pdf_of(&pages.iter().map(content).collect::<Vec<_>>(), "")
}

/// A few kilobytes that unpack to as many bytes.
fn bomb(bytes: usize) -> String {
    let mut once = ZlibEncoder::new(Vec::new(), Compression::best());
    let line = b"BT /F1 12 Tf (boom) Tj ET ";
    let block = line.repeat((1 << 20) / line.len());
    for _ in 0..bytes / block.len() {
        once.write_all(&block).unwrap();
    }
    let mut twice = ZlibEncoder::new(Vec::new(), Compression::best());
    twice.write_all(&once.finish().unwrap()).unwrap();
    pdf_of(&[twice.finish().unwrap()], "/Filter [/FlateDecode /FlateDecode]")
}

/// A gateway in front of models that read no PDFs, that do, and of which nothing is known.
fn start(upstream: &Upstream, more: &str) -> Process {
    Process::start(&settings(upstream, more), &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)])
}

fn settings(upstream: &Upstream, more: &str) -> String {
    let models = "[[providers.models]]\nid = \"blind\"\ncapabilities = [\"tools\"]\ninput = \"1\"\noutput = \"1\"\n\
                  [[providers.models]]\nid = \"reader\"\ncapabilities = [\"tools\", \"pdf\"]\n\
                  [[providers.models]]\nid = \"unknown\"\n";
    format!("{more}\n{}{models}", provider("openai", upstream))
}

fn chat(model: &str, pdf: &str, options: &Value) -> String {
    let file = json!({"filename": "report.pdf", "file_data": format!("data:application/pdf;base64,{pdf}")});
    let parts = json!([{"type": "text", "text": "What does it say?"}, {"type": "file", "file": file}]);
    json!({"model": model, "messages": [{"role": "user", "content": parts}], "signalbox": options})
        .to_string()
}

async fn ask(process: &Process, path: &str, body: &str) -> Reply {
    let key = format!("k-{:x}", body.len() * 31 + path.len());
    process.keyed(path, KEY, &key, body).await.unwrap()
}

#[tokio::test]
async fn a_model_that_reads_none_gets_the_text_whoever_asks() {
    let upstream = Upstream::start((0..3).map(|_| Answer::json(200, ANSWER))).await;
    let process = start(&upstream, "");
    let pdf =
        pdf(&["Revenue rose to 7 (seven) million.".replace('(', "\\(").replace(')', "\\)").as_str(), "End."]);
    let document = json!({"type": "base64", "media_type": "application/pdf", "data": pdf});
    let message = json!({"model": "openai/blind", "max_tokens": 50, "messages": [{"role": "user", "content": [
        {"type": "document", "title": "report.pdf", "source": document}, {"type": "text", "text": "What?"}]}]});
    let inline = json!({"mimeType": "application/pdf", "data": pdf});
    let gemini =
        json!({"contents": [{"role": "user", "parts": [{"inlineData": inline}, {"text": "What?"}]}]});
    for (path, body) in [
        ("/v1/chat/completions", chat("openai/blind", &pdf, &json!({}))),
        ("/v1/messages", message.to_string()),
        ("/v1beta/models/openai/blind:generateContent", gemini.to_string()),
    ] {
        let reply = ask(&process, path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let warnings = reply.header("x-signalbox-warnings");
        assert!(warnings.contains("was sent as its text"), "{path}: {warnings}");
    }
    for call in upstream.calls() {
        let sent = call.json().to_string();
        assert!(sent.contains("Revenue rose to 7 (seven) million.") && sent.contains("End."), "{sent}");
        assert!(sent.contains("(2 pages, text only)") && !sent.contains("JVBERi"), "{sent}");
    }
    let records = process.recorded(3).await;
    assert!(records[0]["warnings"].to_string().contains("report.pdf was sent as its text"), "{}", records[0]);
    assert_eq!(records[0]["cost"], "0.00011");
}

#[tokio::test]
async fn who_reads_a_pdf_is_the_models_nature_or_the_callers_choice() {
    let upstream = Upstream::start((0..5).map(|_| Answer::json(200, ANSWER))).await;
    let process = start(&upstream, "");
    let pdf = pdf(&["Hello."]);
    for (model, options, is_text) in [
        ("openai/reader", json!({}), false),
        ("openai/reader", json!({"pdf": "text"}), true),
        ("openai/blind", json!({"pdf": "native"}), false),
        ("openai/unknown", json!({}), false),
    ] {
        let reply = ask(&process, "/v1/chat/completions", &chat(model, &pdf, &options)).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let calls = upstream.calls();
        let sent = calls.last().unwrap().json().to_string();
        assert_eq!(
            (sent.contains("Hello."), sent.contains("JVBERi")),
            (is_text, !is_text),
            "{model} {options}"
        );
    }
    // A text that only speaks of such files is none.
    let talk = json!({"model": "openai/blind", "signalbox": {"strict": true},
        "messages": [{"role": "user", "content": "What is application/pdf?"}]});
    assert_eq!(ask(&process, "/v1/chat/completions", &talk.to_string()).await.status, 200);
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let process = start(&upstream, "[pdf]\ntext = false\n");
    let reply =
        ask(&process, "/v1/chat/completions", &chat("openai/blind", &pdf(&["Hello."]), &json!({}))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(upstream.calls()[0].json().to_string().contains("JVBERi"));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nobody_is_asked() {
    let upstream = Upstream::start([]).await;
    let process = start(&upstream, "");
    let many = pdf(&["Hello."]);
    let files: Vec<Value> = (0..33)
        .map(
            |_| json!({"type": "file", "file": {"file_data": format!("data:application/pdf;base64,{many}")}}),
        )
        .collect();
    let many = json!({"model": "openai/blind", "messages": [{"role": "user", "content": files}]}).to_string();
    for (body, reason) in [
        (chat("openai/blind", &pdf(&["Hello."]), &json!({"strict": true})), "only their text"),
        (chat("openai/blind", &pdf(&[""]), &json!({})), "its pages are pictures"),
        (chat("openai/blind", "JVBERi0xLjQKZ2FyYmFnZQ==", &json!({})), "damaged"),
        (chat("openai/blind", "JVBERi0*", &json!({})), "damaged"),
        (many, "at most 32"),
    ] {
        let reply = ask(&process, "/v1/chat/completions", &body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        assert!(reply.text().contains(reason), "{}", reply.text());
    }
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn a_bomb_harms_nobody_else() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let process = start(&upstream, "");
    let body = chat("openai/blind", &bomb(1 << 30), &json!({}));
    assert!(body.len() < 200_000, "{}", body.len());
    let good = json!({"model": "openai/blind", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let (bad, good) = tokio::join!(
        ask(&process, "/v1/chat/completions", &body),
        process.post("/v1/chat/completions", KEY, &good)
    );
    assert_eq!((bad.status, good.0), (400, 200), "{}", bad.text());
    assert_eq!(upstream.calls().len(), 1);
}

#[tokio::test]
async fn a_reader_that_cannot_be_had_is_no_fault_of_the_caller() {
    let upstream = Upstream::start([]).await;
    // The program that runs here is the test's own, which reads no PDFs.
    let app = App::start(&settings(&upstream, "")).await;
    let reply = app.chat(&chat("openai/blind", &pdf(&["Hello."]), &json!({}))).await;
    assert_openai_error(&reply, 503, "overloaded");
    assert!((1..=3).contains(&reply.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(app.finish_one().await["error_code"], "overloaded");
}

#[tokio::test]
async fn nothing_is_read_for_who_has_used_up_their_limits() {
    let upstream = Upstream::start([]).await;
    let app = App::start(&settings(&upstream, "")).await;
    let body = chat("openai/blind", &pdf(&["Hello."]), &json!({}));
    let limit = Limit {
        scope: Scope::Organization(app.org),
        window: Window::Month,
        amount: Money::ZERO,
        enforcement: Enforcement::Hard,
    };
    app.db.set_limit(app.org, limit).await.unwrap();
    app.read_configuration().await;
    // Whoever comes to the reader is answered with 503.
    assert_openai_error(&app.chat(&body).await, 412, "spend_limit_exceeded");
    app.db.set_limit(app.org, Limit { amount: "1".parse().unwrap(), ..limit }).await.unwrap();
    let rate = RateLimit { requests_per_minute: Some(1), ..RateLimit::default() };
    app.db.set_rate_limit(app.org, Scope::Organization(app.org), rate).await.unwrap();
    app.read_configuration().await;
    assert_openai_error(&app.chat(&body).await, 503, "overloaded");
    assert_openai_error(&app.chat(&body).await, 429, "rate_limit_exceeded");
    app.finish().await;
}

#[tokio::test]
async fn a_pdf_is_one_request_of_its_callers_rates() {
    let upstream = Upstream::start([Answer::json(200, ANSWER)]).await;
    let process = start(&upstream, "");
    let rate = r#"{"requests_per_minute":2,"tokens_per_minute":1000}"#;
    assert_eq!(process.manage("POST", "apikey/self/rate", KEY, rate).await, (204, String::new()));
    // One that starts has heard of it.
    process.signal("TERM");
    let (_, _, folder) = process.exit().await;
    let process = Process::start_in(folder, &[("SIGNALBOX_BOOTSTRAP_KEY", KEY)]);
    let long = "Nothing new. ".repeat(1_000);
    for (page, status, told) in [
        // Its text is counted, not only that there is one.
        (long.as_str(), 429, "1000 tokens per minute"),
        // Taken twice, it would be one too many.
        ("One.", 200, "Yes."),
    ] {
        let body = chat("openai/blind", &pdf(&[page]), &json!({}));
        let (found, text) = process.post("/v1/chat/completions", KEY, &body).await;
        assert!(found == status && text.contains(told), "{found} {text}");
    }
}

#[tokio::test]
async fn a_long_text_takes_its_share_of_the_budget_of_bodies() {
    let upstream = Upstream::start([Answer::silence()]).await;
    let process = start(&upstream, "");
    let text = "Nothing new. ".repeat(20_000);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    write!(packed, "BT /F1 12 Tf 72 720 Td ({text}) Tj ET").unwrap();
    let pdf = pdf_of(&[packed.finish().unwrap()], "/Filter /FlateDecode");
    let body = chat("openai/blind", &pdf, &json!({}));
    assert!(body.len() < 16_384, "as short as takes no share: {}", body.len());
    tokio::select! {
        reply = ask(&process, "/v1/chat/completions", &body) => panic!("answered: {}", reply.text()),
        () = async {
            upstream.called(1).await;
            let (_, metrics) = process.get("/metrics").await;
            let held = metrics.lines().find_map(|line| line.strip_prefix("signalbox_bodies_bytes "));
            let held: usize = held.unwrap().parse().unwrap();
            assert!((text.len()..2 * text.len()).contains(&held), "{held}");
        } => {}
    }
}
