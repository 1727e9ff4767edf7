//! Cases of pictures and transcripts: folders whose names begin with `draw` and `hear`.
//!
//! Only OpenAI's callers ask for them. `request.json` or `request.txt`, a form with the boundary `b`, names the model as
//! `provider/model`; `upstream.request.txt` is what the provider is sent. A job has an answer for each step,
//! `upstream.response.<number>.json` or `.png`, and `steps.txt` tells what is asked after each. Line ends of forms are written
//! as one letter.

use super::{COST_NANO, CREATED, Case, error_reply};
use domain::{Money, Usage};
use llm::Protocol;
use llm::form::Form;
use llm::job::{Ask, Job, Next, Product};
use llm::protocol::Shape;
use llm::protocol::images::Pictures;
use llm::protocol::sound::{Sent, Transcript, TranscriptFormat};
use llm::provider::{Route, RouteKind};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Whether a case is one.
pub fn is_one(name: &str) -> bool {
    name.starts_with("draw") || name.starts_with("hear")
}

impl Case {
    pub(super) fn media(&mut self) {
        let (route, sent) = match self.read("request.json") {
            Some(body) => {
                let named: Value = serde_json::from_slice(&body).unwrap();
                let (route, model) =
                    self.asked(RouteKind::ImageGenerations, named["model"].as_str().unwrap());
                (route, route.shape.encode_pictures(&body, &model).unwrap())
            }
            None => {
                let text = String::from_utf8(self.read("request.txt").unwrap()).unwrap();
                let form = Form::parse(text.replace('\n', "\r\n").into(), "b").unwrap();
                let (route, model) = self.asked(RouteKind::Transcriptions, form.text("model").unwrap());
                (route, route.shape.encode_transcription(&form, &model).unwrap().sent)
            }
        };
        self.sent(route, &sent);
        let status = self.name().split_once("error_").map(|(_, status)| status.parse().unwrap());
        if let Some(status) = status {
            let body = self.read("upstream.response.json").unwrap();
            let error = route.protocol.decode_error(status, &body);
            let reply = Protocol::OpenAiChat.encode_error(&error_reply(status, &body, &error));
            self.json("reply.json".to_owned(), &reply);
        } else if let Some(job) = sent.job {
            self.steps(job);
        } else {
            let body = self.read("upstream.response.json").unwrap();
            if route.kind == RouteKind::ImageGenerations {
                self.drawn(&route.shape.decode_pictures(&body).unwrap());
            } else {
                self.heard(&route.shape.decode_transcript(&body).unwrap());
            }
        }
    }

    /// The route that a model takes, and what its provider calls it.
    fn asked(&self, kind: RouteKind, named: &str) -> (&'static Route, String) {
        let model = named.split_once('/').unwrap().1;
        let preferred = (Protocol::OpenAiChat, Some(Shape::OpenAi));
        (self.spec.route(kind, preferred, model).unwrap(), model.to_owned())
    }

    fn sent(&mut self, route: &Route, sent: &Sent) {
        let mut text = format!("POST {}", route.path);
        for (at, (name, value)) in sent.query.iter().enumerate() {
            write!(text, "{}{name}={value}", if at == 0 { '?' } else { '&' }).unwrap();
        }
        let body = String::from_utf8(sent.body.concat()).unwrap().replace("\r\n", "\n");
        write!(text, "\ncontent-type: {}\n\n{body}\n", sent.content_type).unwrap();
        self.written.insert("upstream.request.txt".to_owned(), text);
        self.warnings.extend(sent.warnings.iter().map(|warning| format!("request: {warning}")));
    }

    fn steps(&mut self, mut job: Job) {
        let mut text = String::new();
        for number in 1.. {
            let file = |end: &str| self.read(&format!("upstream.response.{number}.{end}"));
            let Some(answer) = file("json").or_else(|| file("png")) else { break };
            write!(text, "{number}. ").unwrap();
            match job.next(&answer).unwrap() {
                Next::Ask(ask) => writeln!(text, "{}", line(&ask)).unwrap(),
                Next::Wait(ask) => writeln!(text, "after a pause, {}", line(&ask)).unwrap(),
                Next::Failed { message, is_billed } => {
                    let billed = if is_billed { "billed" } else { "not billed" };
                    writeln!(text, "failed, {billed}: {message}").unwrap();
                }
                Next::Done(product) => {
                    writeln!(text, "done").unwrap();
                    match product {
                        Product::Pictures(pictures) => self.drawn(&pictures),
                        Product::Transcript(transcript) => self.heard(&transcript),
                    }
                }
            }
        }
        self.written.insert("steps.txt".to_owned(), text);
    }

    fn drawn(&mut self, pictures: &Pictures<'_>) {
        self.json("reply.json".to_owned(), &pictures.encode(CREATED));
        self.written.insert("usage.json".to_owned(), format!("{:#}\n", json!({"images": pictures.count()})));
    }

    fn heard(&mut self, transcript: &Transcript) {
        let usage = transcript.usage().unwrap_or(Usage::ZERO);
        let format = TranscriptFormat::Verbose { words: true, segments: true };
        let reply = transcript.encode(format, &usage, Some(Money::from_nano(COST_NANO)));
        self.json("reply.json".to_owned(), &reply);
        self.written.insert("usage.json".to_owned(), format!("{:#}\n", json!({"audio_ms": usage.audio_ms})));
    }
}

/// What is asked.
fn line(ask: &Ask) -> String {
    match &ask.body {
        None => format!("GET {:?}", ask.place),
        Some(body) => format!("POST {:?} {}", ask.place, String::from_utf8_lossy(body)),
    }
}
