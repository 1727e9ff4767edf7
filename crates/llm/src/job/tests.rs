//! Jobs step by step: what is asked next, how far they are, and what comes of them.

use super::*;
use crate::form::Form;
use crate::protocol::Shape;
use serde_json::{Value, json};

fn step(job: &mut Job, answer: &Value) -> Result<Next, String> {
    job.next(answer.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn picture(more: &Value) -> (Value, Job, Vec<String>) {
    let mut body = json!({"prompt": "a cat"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let sent = Shape::BlackForestLabs.encode_pictures(body.to_string().as_bytes(), "flux-pro-1.1").unwrap();
    let warnings = sent.warnings.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&sent.body.concat()).unwrap(), sent.job.unwrap(), warnings)
}

/// As <https://docs.yutoai.net/en/api/api-382419079.html> has it.
fn submitted() -> Value {
    json!({"id": "d5ba37dc", "polling_url": "https://api.eu2.bfl.ai/v1/get_result?id=d5ba37dc", "cost": 3.0})
}

fn look() -> Ask {
    Ask::look(Place::Told("https://api.eu2.bfl.ai/v1/get_result?id=d5ba37dc".to_owned()))
}

#[test]
fn a_picture_is_looked_after_and_fetched() {
    let (body, mut job, warnings) = picture(&json!({"size": "1792x1024", "output_format": "jpeg"}));
    assert_eq!(body, json!({"prompt": "a cat", "width": 1440, "height": 800, "output_format": "jpeg"}));
    assert!(warnings[0].contains("1792x1024 became 1440x800"), "{warnings:?}");
    assert_eq!(job.progress(), Progress::Submitting);
    assert_eq!(step(&mut job, &submitted()), Ok(Next::Wait(look())));
    assert_eq!(job.progress(), Progress::Working);
    for status in ["Pending", "Reasoning", "something new"] {
        let pending = json!({"id": "d5ba37dc", "status": status, "result": null, "progress": 0.5});
        assert_eq!(step(&mut job, &pending), Ok(Next::Wait(look())));
    }
    let sample = "https://delivery.eu.bfl.ai/results/sample.jpeg?sig=x";
    let ready = json!({"id": "d5ba37dc", "status": "Ready", "result": {"sample": sample, "seed": 1}});
    let fetch = Ask::look(Place::File(sample.to_owned()));
    assert_eq!(step(&mut job.clone(), &ready), Ok(Next::Ask(fetch.clone())));
    assert_eq!(step(&mut job, &ready), Ok(Next::Ask(fetch)));
    assert_eq!(job.progress(), Progress::Working);
    let Next::Done(Product::Pictures(pictures)) = job.next(b"\xff\xd8\xff\xe0jpeg").unwrap() else {
        panic!()
    };
    assert_eq!(
        String::from_utf8(pictures.encode(7)).unwrap(),
        r#"{"created":7,"data":[{"b64_json":"/9j/4GpwZWc="}]}"#
    );
    assert!(job.next(b"<html>expired</html>").is_err());
}

#[test]
fn an_address_is_handed_out_where_that_is_asked_for() {
    let (body, mut job, _) = picture(&json!({"response_format": "url"}));
    assert_eq!(body, json!({"prompt": "a cat", "output_format": "png"}));
    step(&mut job, &submitted()).unwrap();
    let ready = json!({"id": "x", "status": "Ready", "result": {"sample": "https://delivery.eu.bfl.ai/1"}});
    let Ok(Next::Done(Product::Pictures(pictures))) = step(&mut job, &ready) else { panic!() };
    let written: Value = serde_json::from_slice(&pictures.encode(7)).unwrap();
    assert_eq!(written["data"], json!([{"url": "https://delivery.eu.bfl.ai/1"}]));
}

#[test]
fn what_was_moderated_is_not_billed_and_errors_may_be() {
    for (status, is_billed) in [
        ("Request Moderated", false),
        ("Content Moderated", false),
        ("Error", true),
        ("Failed", true),
        ("Task not found", true),
    ] {
        let (_, mut job, _) = picture(&json!({}));
        step(&mut job, &submitted()).unwrap();
        let failed =
            json!({"id": "x", "status": status, "result": null, "details": {"Moderation Reasons": ["x"]}});
        let message = format!("no picture was made: {status} ({{\"Moderation Reasons\":[\"x\"]}})");
        assert_eq!(step(&mut job, &failed), Ok(Next::Failed { message, is_billed }));
    }
    let (_, mut job, _) = picture(&json!({}));
    step(&mut job, &submitted()).unwrap();
    let chatty = json!({"status": "Error", "details": {"x": "é".repeat(100_000)}});
    let Ok(Next::Failed { message, .. }) = step(&mut job, &chatty) else { panic!() };
    assert!(message.chars().count() <= 2_001, "{}", message.len());
    let (_, mut job, _) = picture(&json!({}));
    assert!(step(&mut job, &json!({"id": "x"})).unwrap_err().contains("polling_url"));
    step(&mut job, &submitted()).unwrap();
    assert!(
        step(&mut job, &json!({"status": "Ready", "result": {}})).unwrap_err().contains("address is missing")
    );
}

#[test]
fn flux_is_asked_for_what_it_draws() {
    let of = |model: &str, size: &str| {
        let body = json!({"prompt": "a", "size": size}).to_string();
        let sent = Shape::BlackForestLabs.encode_pictures(body.as_bytes(), model).unwrap();
        let mut body: Value = serde_json::from_slice(&sent.body.concat()).unwrap();
        body.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "prompt" | "output_format"));
        body
    };
    assert_eq!(of("flux-kontext-pro", "1792x1024"), json!({"aspect_ratio": "16:9"}));
    assert_eq!(of("flux-pro-1.1-ultra", "1000x3000"), json!({"aspect_ratio": "9:21"}));
    assert_eq!(of("flux-dev", "auto"), json!({}));
    // More than a megapixel has another price.
    assert_eq!(of("flux-2-pro", "auto"), json!({"width": 1024, "height": 1024}));
    assert_eq!(of("flux-2-pro", "2048x2048"), json!({"width": 1024, "height": 1024}));
}

#[test]
fn a_picture_is_made_of_another() {
    let of = |files: &str, texts: &Value| {
        let form = Form::parse(format!("{files}--b--\r\n").into(), "b").unwrap();
        let sent =
            Shape::BlackForestLabs.encode_edit(&form, texts.to_string().as_bytes(), "flux-kontext-pro")?;
        Ok::<Value, TranslateError>(serde_json::from_slice(&sent.body.concat()).unwrap())
    };
    let file = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a\"\r\n\r\n{content}\r\n")
    };
    let texts = json!({"model": "m", "prompt": "a dog", "n": "1", "size": "auto"});
    let expected = json!({"prompt": "a dog", "output_format": "png", "input_image": "cGljdHVyZQ=="});
    for name in ["image", "image[]"] {
        assert_eq!(of(&file(name, "picture"), &texts).unwrap(), expected);
    }
    for (files, texts, param) in [
        (String::new(), &texts, "image"),
        (file("image", ""), &texts, "image"),
        (file("image[]", "a") + &file("image[]", "b"), &texts, "image"),
        (file("image", "a") + &file("mask", "b"), &texts, "mask"),
        (file("image", "a"), &json!({"prompt": "a", "n": "2"}), "n"),
        (file("image", "a"), &json!({"prompt": "a", "n": "x"}), "n"),
    ] {
        assert_eq!(of(&files, texts).unwrap_err().param(), Some(param), "{files}");
    }
    let form = Form::parse(format!("{}--b--\r\n", file("image", "a")).into(), "b").unwrap();
    assert!(Shape::Stability.encode_edit(&form, br#"{"prompt":"a"}"#, "m").is_err());
}

fn transcript(language: Option<&str>, model: &str) -> (Job, Vec<String>) {
    let field = language.map_or(String::new(), |language| {
        format!("--b\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\n{language}\r\n")
    });
    let temperature = "--b\r\nContent-Disposition: form-data; name=\"temperature\"\r\n\r\n0.5\r\n";
    let file =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nsound\r\n--b--\r\n";
    let form = Form::parse(format!("{field}{temperature}{file}").into(), "b").unwrap();
    let asked = Shape::AssemblyAi.encode_transcription(&form, model).unwrap();
    assert_eq!((asked.sent.body.concat(), asked.sent.segment), (b"sound".to_vec(), None));
    (asked.sent.job.unwrap(), asked.sent.warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_sound_is_brought_and_its_transcript_asked_for_and_looked_after() {
    let (mut job, warnings) = transcript(Some("en-US"), "universal-2");
    assert!(warnings[0].starts_with("temperature (assemblyai): dropped"), "{warnings:?}");
    assert_eq!(job.progress(), Progress::Preparing);
    let Ok(Next::Ask(ask)) = step(&mut job, &json!({"upload_url": "https://cdn.assemblyai.com/upload/1"}))
    else {
        panic!()
    };
    assert_eq!((ask.place, job.progress()), (Place::Beside(vec!["transcript".into()]), Progress::Submitting));
    let body: Value = serde_json::from_slice(&ask.body.unwrap()).unwrap();
    let url = "https://cdn.assemblyai.com/upload/1";
    assert_eq!(body, json!({"audio_url": url, "speech_models": ["universal-2"], "language_code": "en_us"}));
    let look = Next::Wait(Ask::look(Place::Beside(vec!["transcript".into(), "9ea68fd3".into()])));
    assert_eq!(step(&mut job, &json!({"id": "9ea68fd3", "status": "queued"})), Ok(look.clone()));
    assert_eq!(job.progress(), Progress::Working);
    // Another id is no other work.
    assert_eq!(step(&mut job, &json!({"id": "other", "status": "processing"})), Ok(look));
    let completed = json!({
        "id": "9ea68fd3", "status": "completed", "language_code": "en_us", "text": "Smoke from hundreds.", "audio_duration": 281,
        "words": [{"text": "Smoke", "start": 250, "end": 650, "confidence": 0.97, "speaker": null}],
    });
    let Ok(Next::Done(Product::Transcript(transcript))) = step(&mut job, &completed) else { panic!() };
    assert_eq!((transcript.id.as_str(), transcript.seconds), ("9ea68fd3", Some(281.0)));
    assert_eq!((transcript.words[0].start, transcript.words[0].end), (0.25, 0.65));
}

#[test]
fn a_transcript_that_failed_is_not_billed_and_silence_is_one() {
    let (mut job, _) = transcript(None, "best");
    let Ok(Next::Ask(ask)) = step(&mut job, &json!({"upload_url": "u"})) else { panic!() };
    let body: Value = serde_json::from_slice(&ask.body.unwrap()).unwrap();
    assert_eq!(body, json!({"audio_url": "u", "speech_model": "best", "language_detection": true}));
    let failed = json!({"id": "1", "status": "error", "error": "File does not appear to contain audio."});
    let message = "no transcript was made: File does not appear to contain audio.".to_owned();
    assert_eq!(step(&mut job.clone(), &failed), Ok(Next::Failed { message, is_billed: false }));
    let silent = json!({"id": "1", "status": "completed", "text": null, "words": null, "audio_duration": 3});
    assert!(matches!(step(&mut job, &silent), Ok(Next::Done(Product::Transcript(_)))));
    assert!(step(&mut transcript(None, "best").0, &json!({"error": "x"})).is_err());
}
