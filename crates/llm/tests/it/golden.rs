//! Walks `fixtures/<provider>/<case>/` and compares what is written with what lies there.
//!
//! | file | what |
//! |---|---|
//! | `source.md` | where the bodies come from, and what was adapted |
//! | `request.<protocol>.json` | what a caller sends |
//! | `upstream.request.json`, `.from_<protocol>.json` | what the provider is sent for the requests in other protocols |
//! | `upstream.response.json`, `.sse` | what the provider answers |
//! | `upstream.response.jsonl` | the same where it comes in frames: one line for the type and payload of each |
//! | `reply.<protocol>.json`, `.sse`, `.jsonl` | what the caller gets |
//! | `usage.json` | what is counted |
//! | `warnings.txt` | what is told of losses |
//!
//! A case named `error_<status>` is an error body; `embeddings` tells of those named `embed…`, `media` of `draw…` and `hear…`. A new case needs its source, a request and a response;
//! `cargo test -p llm --test it -- --ignored bless` writes the rest, to be reviewed.

pub mod embeddings;
pub mod media;

use crate::compatibility;
use bytes::Bytes;
use domain::{Money, Usage};
use llm::Protocol;
use llm::amazon_events::{self, Unframer};
use llm::failure::FailureClass;
use llm::ir::StreamEvent;
use llm::observe::{self, Observed};
use llm::protocol::{Echo, ErrorReply, Origin, ProviderError, StreamOptions, StreamPlace, Target};
use llm::provider::{ProviderSpec, StreamFraming, find};
use llm::raw::RawObject;
use llm::sse::Splitter;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAX_OUTPUT_TOKENS: u64 = 64_000;
const CREATED: i64 = 1_700_000_000;
const TOOK_MS: u64 = 1_275;
const COST_NANO: i64 = 12_345;
const REQUEST_ID: &str = "req_0123456789abcdef0123456789abcdef";

/// The folders under `fixtures`, two levels deep.
pub fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found: Vec<PathBuf> = folders(&root).iter().flat_map(|provider| folders(provider)).collect();
    found.sort();
    found
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// What a stream in frames becomes, of which each line tells one.
pub fn unframed(lines: &[u8]) -> Vec<u8> {
    let mut unframer = Unframer::default();
    let mut out = Vec::new();
    for line in std::str::from_utf8(lines).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let payload = line["payload"].to_string();
        let frame = match line["event"].as_str() {
            Some(kind) => amazon_events::event(kind, &payload),
            None => amazon_events::exception(line["exception"].as_str().unwrap(), &payload),
        };
        unframer.push(&frame, &mut out).unwrap();
    }
    out
}

/// What a stream in frames holds, one line for each.
fn lines_of(frames: &[u8]) -> String {
    let mut out = String::new();
    let take = |frame: amazon_events::Frame<'_>| {
        let is_failure = frame.failure().is_some();
        let (kind, name) = (if is_failure { "exception" } else { "event" }, frame.name());
        let payload = std::str::from_utf8(frame.payload()).unwrap();
        out.push_str(&format!("{{\"{kind}\": \"{name}\", \"payload\": {payload}}}\n"));
    };
    Unframer::default().each(frames, take).unwrap();
    out
}

/// One case: its folder, and whose answers it holds.
struct Case {
    path: PathBuf,
    spec: &'static ProviderSpec,
    warnings: Vec<String>,
    written: BTreeMap<String, String>,
}

impl Case {
    fn open(path: PathBuf) -> Self {
        let provider = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let spec = find(provider).unwrap_or_else(|| panic!("no provider {provider}"));
        Self { path, spec, warnings: Vec::new(), written: BTreeMap::new() }
    }

    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }

    fn protocol(&self) -> Protocol {
        self.spec.routes[0].protocol
    }

    fn read(&self, file: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path.join(file)).ok()
    }

    fn json(&mut self, file: String, body: &[u8]) {
        serde_json::from_slice::<serde::de::IgnoredAny>(body).unwrap();
        self.written.insert(file, indented(std::str::from_utf8(body).unwrap()));
    }

    /// Writes everything that the case should hold beside its sources.
    fn run(mut self) -> Self {
        if embeddings::is_one(self.name()) {
            self.embeddings();
            return self.with_warnings();
        }
        if media::is_one(self.name()) {
            self.media();
            return self.with_warnings();
        }
        self.requests();
        if let Some(status) = self.name().strip_prefix("error_") {
            let status = status.parse().unwrap();
            self.error(status);
        } else if let Some(body) = self.read("upstream.response.json") {
            self.response(&body);
        } else if let Some(body) = self.read("upstream.response.sse") {
            self.stream(body);
        } else if let Some(lines) = self.read("upstream.response.jsonl") {
            self.stream(unframed(&lines));
        }
        self.with_warnings()
    }

    fn with_warnings(mut self) -> Self {
        if !self.warnings.is_empty() {
            let text = self.warnings.join("\n") + "\n";
            self.written.insert("warnings.txt".to_owned(), text);
        }
        self
    }

    fn requests(&mut self) {
        for protocol in Protocol::OF_CALLERS {
            let Some(body) = self.read(&format!("request.{}.json", protocol.as_str())) else { continue };
            let place = self.path.display();
            let read = protocol.decode_request(&body);
            let request = read.unwrap_or_else(|error| panic!("{place}, {}: {error}", protocol.as_str()));
            assert!(request.ignored.is_empty(), "{}: {:?}", self.path.display(), request.ignored);
            if protocol == self.protocol() {
                continue;
            }
            let model = request.model.split_once('/').unwrap().1.to_owned();
            let target = Target {
                model: &model,
                max_output_tokens: MAX_OUTPUT_TOKENS,
                output_limit: self.spec.output_limit,
                takes_stream_options: self.spec.takes_stream_options,
                takes_cache_control: self.spec.takes_cache_control,
                takes_unsigned_thoughts: self.spec.takes_unsigned_thoughts,
                takes_custom_tools: self.spec.takes_custom_tools,
                takes_schema: self.spec.takes_schema,
                searches_in_chat: self.spec.chat_search.is_of(&model),
            };
            let encoded = self.protocol().encode_request(&request, &target).unwrap();
            // Between the chat protocol and Messages there is one way only, which needs no name.
            let oldest = [Protocol::OpenAiChat, Protocol::AnthropicMessages];
            let is_named = [protocol, self.protocol()].iter().any(|one| !oldest.contains(one));
            let name = format!("from_{}", protocol.as_str());
            let (what, other) = match is_named {
                true => (format!("request {name}"), format!("upstream.request.{name}.json")),
                false => ("request".to_owned(), "upstream.request.json".to_owned()),
            };
            self.warnings.extend(encoded.warnings.iter().map(|warning| format!("{what}: {warning}")));
            self.json(other, &encoded.body);
        }
    }

    fn error(&mut self, status: u16) {
        let body = self.read("upstream.response.json").unwrap();
        let error = self.protocol().decode_error(status, &body);
        let reply = error_reply(status, &body, &error);
        for protocol in Protocol::OF_CALLERS {
            self.json(format!("reply.{}.json", protocol.as_str()), &protocol.encode_error(&reply));
        }
    }

    fn response(&mut self, body: &[u8]) {
        let mut response = self.protocol().decode_response(body).unwrap();
        if let Some(seen) = observe::read_answer(&response) {
            let told = observe::answer(self.protocol(), body).unwrap();
            assert_eq!((seen, false), (Observed { output_bytes: 0, ..told.observed }, told.is_error));
        } else {
            assert!(self.protocol() != Protocol::OpenAiChat, "it tells its usage");
        }
        response.echo = self.echo();
        response.took_ms = Some(TOOK_MS);
        for protocol in Protocol::OF_CALLERS {
            let encoded = protocol.encode_response(&response, Some(Money::from_nano(COST_NANO)));
            let lines = encoded.warnings.iter().map(|warning| format!("response: {warning}"));
            self.warnings.extend(lines);
            self.json(format!("reply.{}.json", protocol.as_str()), &encoded.body);
        }
        self.usage(response.usage.unwrap());
    }

    fn stream(&mut self, body: Vec<u8>) {
        let mut decoder = self.protocol().stream_decoder();
        let mut events = Vec::new();
        let push = |event: llm::sse::Event<'_>| decoder.push(event.name, &event.data, &mut events).unwrap();
        Splitter::default().push(Bytes::from(body), push).unwrap();
        for protocol in Protocol::OF_CALLERS {
            let options = StreamOptions {
                include_usage: true,
                requested_model: "requested".to_owned(),
                created: CREATED,
                echo: self.echo(),
                ..StreamOptions::new(self.protocol())
            };
            let mut encoder = protocol.stream_encoder(options);
            let mut out = Vec::new();
            for event in &events {
                encoder.push(event, &mut out);
                if let StreamEvent::Error { message, .. } = event {
                    let place =
                        StreamPlace { response_id: "resp_of_the_stream", sequence: encoder.sequence() };
                    out.extend(protocol.encode_stream_error(&stream_error(message), &place));
                }
            }
            if decoder.is_complete() {
                encoder.took(TOOK_MS);
                encoder.end(&decoder.usage(), Some(Money::from_nano(COST_NANO)), &mut out);
            }
            let lines = encoder.take_warnings().into_iter().map(|warning| format!("response: {warning}"));
            self.warnings.extend(lines);
            let (ending, text) = match protocol.framing() {
                StreamFraming::AmazonEvents => ("jsonl", lines_of(&out)),
                StreamFraming::ServerSentEvents => ("sse", String::from_utf8(out).unwrap()),
            };
            self.written.insert(format!("reply.{}.{ending}", protocol.as_str()), text);
        }
        self.usage(decoder.usage());
    }

    /// What an answer repeats of the request, where the caller's protocol is the one that does.
    fn echo(&self) -> Option<Arc<Echo>> {
        let body = self.read("request.openai_responses.json")?;
        Some(Arc::new(Echo::of(&RawObject::parse(body.into()).unwrap(), |_| true)))
    }

    fn usage(&mut self, usage: Usage) {
        let counted = json!({
            "input": usage.input,
            "cache_read": usage.cache_read,
            "cache_write": usage.cache_write,
            "cache_write_1h": usage.cache_write_1h,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "web_searches": usage.web_searches,
        });
        self.written.insert("usage.json".to_owned(), format!("{counted:#}\n"));
    }
}

/// JSON text on several lines, its order and numbers as they are: both are part of what is asserted.
fn indented(text: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut is_in_string, mut is_escaped) = (0, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    for c in text.chars() {
        if is_in_string {
            out.push(c);
            is_in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                depth += 1;
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                out.truncate(out.trim_end().len());
                if !out.ends_with(['{', '[']) {
                    line(&mut out, depth);
                }
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                is_in_string = true;
                out.push(c);
            }
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

/// What a caller is told of a provider's error.
fn error_reply<'a>(status: u16, body: &[u8], error: &'a ProviderError) -> ErrorReply<'a> {
    let class = FailureClass::of_answer(status, body);
    ErrorReply {
        status: class.reply_status(status),
        origin: Origin::Provider,
        code: class.code(),
        message: &error.message,
        param: error.param.as_deref(),
        request_id: REQUEST_ID,
    }
}

fn stream_error(message: &str) -> ErrorReply<'_> {
    let (status, origin, code) = (502, Origin::Provider, "provider_unavailable");
    ErrorReply { status, origin, code, message, param: None, request_id: REQUEST_ID }
}

#[test]
fn every_case_is_written_as_it_lies_there() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases were found", cases.len());
    for case in cases.into_iter().map(|path| Case::open(path).run()) {
        let place = case.path.display();
        assert!(case.path.join("source.md").is_file(), "{place} does not tell its source");
        for (file, expected) in &case.written {
            let found = case.read(file).unwrap_or_else(|| panic!("{place}/{file} is missing"));
            assert_eq!(&String::from_utf8(found).unwrap(), expected, "{place}/{file}");
        }
        let has_warnings = case.path.join("warnings.txt").exists();
        assert_eq!(has_warnings, case.written.contains_key("warnings.txt"), "{place}/warnings.txt");
    }
}

#[test]
#[ignore = "writes the expected files of all cases and docs/compatibility.md, to be reviewed"]
fn bless() {
    for case in cases().into_iter().map(|path| Case::open(path).run()) {
        let _ = std::fs::remove_file(case.path.join("warnings.txt"));
        for (file, text) in &case.written {
            std::fs::write(case.path.join(file), text).unwrap();
        }
    }
    compatibility::bless();
}
