//! Streams cut anywhere, and bytes that mean nothing.

use crate::golden::{cases, unframed};
use bytes::Bytes;
use domain::Usage;
use llm::Protocol;
use llm::amazon_events::{Frame, Unframer};
use llm::ir::StreamEvent;
use llm::protocol::{StreamOptions, Target};
use llm::provider::{OutputLimit, StreamFraming};
use llm::sse::Splitter;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;

const PROTOCOLS: [Protocol; 6] = Protocol::ALL;

/// All files of the fixtures with this ending, and the protocol of their provider.
fn files(ending: &str) -> Vec<(Protocol, Vec<u8>)> {
    let mut found = Vec::new();
    for case in cases() {
        let kind = case.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let protocol = llm::provider::find(kind).unwrap().routes[0].protocol;
        if let Ok(lines) = std::fs::read(case.join("upstream.response.jsonl"))
            && ending == "upstream.response.sse"
        {
            found.push((protocol, unframed(&lines)));
        }
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let wanted = paths.iter().filter(|path| path.to_str().unwrap().ends_with(ending));
        found.extend(wanted.map(|path| (protocol, std::fs::read(path).unwrap())));
    }
    found
}

fn events(protocol: Protocol, pieces: &[&[u8]]) -> (Vec<StreamEvent>, bool, Usage) {
    let mut splitter = Splitter::default();
    let mut decoder = protocol.stream_decoder();
    let mut found = Vec::new();
    for piece in pieces {
        let push = |event: llm::sse::Event<'_>| decoder.push(event.name, &event.data, &mut found).unwrap();
        splitter.push(Bytes::copy_from_slice(piece), push).unwrap();
    }
    (found, decoder.is_complete(), decoder.usage())
}

/// Reads bytes in every way there is, and writes again what could be read.
fn survive(body: &[u8]) {
    let target = Target {
        model: "claude-sonnet-4-5",
        max_output_tokens: 64_000,
        output_limit: OutputLimit::MaxTokens,
        takes_stream_options: true,
        takes_cache_control: true,
        takes_unsigned_thoughts: true,
        takes_custom_tools: true,
        searches_in_chat: true,
        takes_schema: true,
    };
    for protocol in PROTOCOLS {
        if let Ok(request) = protocol.decode_request(body) {
            for encoded in PROTOCOLS.iter().filter_map(|to| to.encode_request(&request, &target).ok()) {
                assert!(serde_json::from_slice::<Value>(&encoded.body).is_ok());
                assert!(encoded.warnings.iter().all(|warning| warning.to_string().is_ascii()));
            }
        }
        if let Ok(response) = protocol.decode_response(body) {
            for encoded in PROTOCOLS.map(|to| to.encode_response(&response, None)) {
                assert!(serde_json::from_slice::<Value>(&encoded.body).is_ok());
            }
        }
        assert!(protocol.decode_error(500, body).message.chars().count() <= 2000);
        let (mut decoder, mut found) = (protocol.stream_decoder(), Vec::new());
        let _ = decoder.push(None, body, &mut found);
        for to in PROTOCOLS {
            let mut encoder = to.stream_encoder(StreamOptions::new(protocol));
            let mut out = Vec::new();
            found.iter().for_each(|event| encoder.push(event, &mut out));
            encoder.end(&decoder.usage(), None, &mut out);
            assert!(is_readable(to, &out));
        }
    }
}

/// Whether what was written as a stream can be read as one.
fn is_readable(protocol: Protocol, out: &[u8]) -> bool {
    match protocol.framing() {
        StreamFraming::ServerSentEvents => std::str::from_utf8(out).is_ok(),
        StreamFraming::AmazonEvents => {
            let is_json =
                |frame: Frame<'_>| assert!(serde_json::from_slice::<Value>(frame.payload()).is_ok());
            Unframer::default().each(out, is_json).is_ok()
        }
    }
}

/// Replaces the `at`-th value of a tree, counted from the root down.
fn replace(value: &mut Value, at: &mut usize, by: &Value) {
    if *at == 0 {
        *value = by.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, by)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!("text")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"type": "text"}])),
        Just(json!([null, 1, "x", {}])),
    ]
}

#[test]
fn a_stream_byte_by_byte_gives_the_same_events() {
    for (protocol, stream) in files("upstream.response.sse") {
        let whole = events(protocol, &[&stream]);
        assert!(!whole.0.is_empty());
        assert_eq!(events(protocol, &stream.chunks(1).collect::<Vec<_>>()), whole);
    }
}

#[test]
fn blocks_open_and_close_once() {
    for (protocol, stream) in files("upstream.response.sse") {
        let (found, is_complete, _) = events(protocol, &[&stream]);
        let mut open = Vec::new();
        for event in &found {
            match event {
                StreamEvent::BlockStart { index, .. } => {
                    assert!(!open.contains(index));
                    open.push(*index);
                }
                StreamEvent::BlockDelta { index, .. } => assert!(open.contains(index)),
                StreamEvent::BlockStop { index } => {
                    assert!(open.contains(index));
                    open.retain(|known| known != index);
                }
                StreamEvent::Start { .. }
                | StreamEvent::Usage(_)
                | StreamEvent::Finish { .. }
                | StreamEvent::Error { .. }
                | StreamEvent::Ping
                | StreamEvent::Lost { .. } => {}
            }
        }
        let has_failed = found.iter().any(|event| matches!(event, StreamEvent::Error { .. }));
        assert_eq!(is_complete, !has_failed);
        assert!(has_failed || open.is_empty());
    }
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        which in any::<proptest::sample::Index>(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let streams = files("upstream.response.sse");
        let (protocol, stream) = which.get(&streams);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(events(*protocol, &pieces), events(*protocol, &[stream]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn a_body_with_a_wrong_byte_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let bodies = files(".json");
        let (_, mut body) = which.get(&bodies).clone();
        let at = at.index(body.len());
        body[at] = byte;
        survive(&body);
        survive(&body[..at]);
    }

    #[test]
    fn a_body_with_a_wrong_value_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        at in 0..60_usize,
        value in any_value(),
    ) {
        let bodies = files(".json");
        let mut body: Value = serde_json::from_slice(&which.get(&bodies).1).unwrap();
        replace(&mut body, &mut { at }, &value);
        survive(body.to_string().as_bytes());
    }

    #[test]
    fn an_event_with_a_wrong_value_is_read_or_refused(
        which in any::<proptest::sample::Index>(),
        event in any::<proptest::sample::Index>(),
        at in 0..30_usize,
        value in any_value(),
    ) {
        let streams = files("upstream.response.sse");
        let text = String::from_utf8(which.get(&streams).1.clone()).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let lines: Vec<&str> = lines.filter(|line| line.starts_with('{')).collect();
        let mut data: Value = serde_json::from_str(lines[event.index(lines.len())]).unwrap();
        replace(&mut data, &mut { at }, &value);
        survive(data.to_string().as_bytes());
    }
}
