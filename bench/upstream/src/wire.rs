//! The texts of the wire formats: JSON answers, SSE frames, errors, embeddings.
//!
//! Written by hand rather than with serde, so that the simulator costs as little as it can: its CPU time
//! stands beside the gateway's on the same cores.

use crate::knobs::Knobs;
use bytes::{Bytes, BytesMut};
use std::{cell::Cell, io::Write as _};

/// Which family of wire formats a request came in.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Api {
    OpenAi,
    Anthropic,
}

/// The tokens of an answer, as reported.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Usage {
    pub input: u32,
    pub output: u32,
    /// Whether the request's limit ended the answer.
    pub is_cut: bool,
    /// Whether it is a tool call.
    pub calls_tool: bool,
}

impl Usage {
    fn finish_reason(self, api: Api) -> &'static str {
        match (api, self.is_cut) {
            (Api::OpenAi, false) if self.calls_tool => "tool_calls",
            (Api::OpenAi, false) => "stop",
            (Api::OpenAi, true) => "length",
            (Api::Anthropic, false) => "end_turn",
            (Api::Anthropic, true) => "max_tokens",
        }
    }
}

/// The head of every OpenAI chunk, up to and including `"model":"`.
pub const CHUNK_HEAD: &str = "data: {\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"";

pub const MODELS: &str = "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\
                          \"created\":1700000000,\"owned_by\":\"mock\"}]}";

pub const BROKEN_JSON: &str = "{\"id\":\"chatcmpl-mock\",\"choices\":[{\"ind";

/// A whole answer, not streamed.
pub fn answer(api: Api, model: &str, text: &str, usage: Usage) -> String {
    let (Usage { input, output, .. }, finish) = (usage, usage.finish_reason(api));
    match api {
        Api::OpenAi => format!(
            "{{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"{model}\",\
             \"system_fingerprint\":null,\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\
             \"content\":\"{text}\",\"refusal\":null}},\"logprobs\":null,\"finish_reason\":\"{finish}\"}}],\
             \"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":{output},\"total_tokens\":{}}}}}",
            input + output
        ),
        Api::Anthropic => format!(
            "{{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{model}\",\
             \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"stop_reason\":\"{finish}\",\
             \"stop_sequence\":null,\"usage\":{{\"input_tokens\":{input},\"output_tokens\":{output}}}}}"
        ),
    }
}

/// What a stream opens with.
pub fn stream_start(api: Api, model: &str, input: u32) -> Bytes {
    match api {
        Api::OpenAi => Bytes::from(format!(
            "{CHUNK_HEAD}{model}\",\"system_fingerprint\":null,\"choices\":[{{\"index\":0,\"delta\":\
             {{\"role\":\"assistant\",\"content\":\"\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        )),
        Api::Anthropic => Bytes::from(format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"msg_mock\",\
             \"type\":\"message\",\"role\":\"assistant\",\"model\":\"{model}\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\
             \"usage\":{{\"input_tokens\":{input},\"output_tokens\":1}}}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\
             \"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
             event: ping\ndata: {{\"type\":\"ping\"}}\n\n"
        )),
    }
}

/// One content chunk, stamped `t=` with `sent_ns` and, when it is the first, `a=` with the arrival of the request.
pub fn stream_chunk(api: Api, model: &str, text: &[u8], sent_ns: u64, arrived_ns: Option<u64>) -> Bytes {
    let mut frame = BytesMut::with_capacity(320 + model.len() + text.len());
    match api {
        Api::OpenAi => {
            frame.extend_from_slice(CHUNK_HEAD.as_bytes());
            frame.extend_from_slice(model.as_bytes());
            frame.extend_from_slice(
                b"\",\"system_fingerprint\":null,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
            );
        }
        Api::Anthropic => frame.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
              \"delta\":{\"type\":\"text_delta\",\"text\":\"",
        ),
    }
    if let Some(arrived) = arrived_ns {
        stamp(&mut frame, b"a=", arrived);
    }
    stamp(&mut frame, b"t=", sent_ns);
    frame.extend_from_slice(text);
    frame.extend_from_slice(match api {
        Api::OpenAi => b"\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n".as_slice(),
        Api::Anthropic => b"\"}}\n\n".as_slice(),
    });
    frame.freeze()
}

/// The `step`-th frame after the content; `None` when the stream is over.
pub fn stream_end(api: Api, step: u32, model: &str, usage: Usage, include_usage: bool) -> Option<Bytes> {
    let (Usage { input, output, .. }, finish) = (usage, usage.finish_reason(api));
    match (api, step) {
        (Api::OpenAi, 0) => Some(Bytes::from(format!(
            "{CHUNK_HEAD}{model}\",\"system_fingerprint\":null,\"choices\":[{{\"index\":0,\"delta\":{{}},\
             \"logprobs\":null,\"finish_reason\":\"{finish}\"}}]}}\n\n"
        ))),
        (Api::OpenAi, 1) if include_usage => Some(Bytes::from(format!(
            "{CHUNK_HEAD}{model}\",\"system_fingerprint\":null,\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\
             \"completion_tokens\":{output},\"total_tokens\":{}}}}}\n\ndata: [DONE]\n\n",
            input + output
        ))),
        (Api::OpenAi, 1) => Some(Bytes::from_static(b"data: [DONE]\n\n")),
        (Api::Anthropic, 0) => Some(Bytes::from(format!(
            "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
             event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{finish}\",\
             \"stop_sequence\":null}},\"usage\":{{\"output_tokens\":{output}}}}}\n\n\
             event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
        ))),
        _ => None,
    }
}

/// How many frames [`stream_end`] has.
pub fn end_steps(api: Api) -> u32 {
    match api {
        Api::OpenAi => 2,
        Api::Anthropic => 1,
    }
}

/// An error in the middle of a stream, as the format reports it.
pub fn stream_error(api: Api, key: Option<&str>) -> Bytes {
    let event = match api {
        Api::OpenAi => "",
        Api::Anthropic => {
            "event: error
"
        }
    };
    Bytes::from(format!(
        "{event}data: {}

",
        error(api, 529, key)
    ))
}

/// The body of an error status.
///
/// With a key, it quotes that: as it came, masked, and where only codes belong.
pub fn error(api: Api, status: u16, key: Option<&str>) -> String {
    let kind = match status {
        400 => "invalid_request_error",
        401 => "authentication_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let quoted = key.map(|key| {
        let (head, tail) = (&key[..key.len().min(8)], &key[key.len().saturating_sub(8)..]);
        format!(": {key}, or {head}******{tail}")
    });
    let message = format!("mock error {status}{}", quoted.unwrap_or_default());
    let param = key.map_or("null".to_owned(), |key| format!("\"{key}\""));
    match api {
        Api::OpenAi => {
            let code = key.unwrap_or(kind);
            format!(
                "{{\"error\":{{\"message\":\"{message}\",\"type\":\"{kind}\",\"param\":{param},\"code\":\"{code}\"}}}}"
            )
        }
        Api::Anthropic => {
            format!("{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"{message}\"}}}}")
        }
    }
}

/// An answer to an embeddings request, one vector for each input.
pub fn embeddings(body: &[u8], knobs: &Knobs, model: &str, input: u32) -> Vec<u8> {
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let count = match &request["input"] {
        // An array of strings or of token arrays is a batch; an array of numbers is one input.
        serde_json::Value::Array(items) if items.iter().any(|item| !item.is_number()) => items.len(),
        _ => 1,
    };
    let dimensions =
        request["dimensions"].as_u64().map_or(knobs.dimensions, |wanted| (wanted as usize).min(65_536));
    let as_base64 = request["encoding_format"] == "base64";
    let mut out = Vec::with_capacity(count * dimensions * 12 + 256);
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        let _ = write!(out, "{{\"object\":\"embedding\",\"index\":{index},\"embedding\":");
        let vector = (0..dimensions).map(|d| ((d + index) as f32 * 0.618_034).sin() * 0.05);
        if as_base64 {
            let raw: Vec<u8> = vector.flat_map(f32::to_le_bytes).collect();
            out.push(b'"');
            base64(&raw, &mut out);
            out.push(b'"');
        } else {
            for (at, value) in vector.enumerate() {
                let _ = write!(out, "{}{value:.8}", if at == 0 { '[' } else { ',' });
            }
            out.extend_from_slice(if dimensions == 0 { b"[]" } else { b"]" });
        }
        out.push(b'}');
    }
    let _ = write!(
        out,
        "],\"model\":\"{model}\",\"usage\":{{\"prompt_tokens\":{input},\"total_tokens\":{input}}}}}"
    );
    out
}

/// Calls with filler text of the size the knobs ask for. The last text is kept: runs repeat one size.
pub fn with_text<R>(chunk_bytes: usize, chunks: u32, call: impl FnOnce(&str) -> R) -> R {
    const PROSE: &str = "The quick brown fox jumps over the lazy dog while the five boxing wizards look on. ";
    thread_local! {
        static LAST: Cell<Option<String>> = const { Cell::new(None) };
    }
    let bytes = (chunk_bytes * chunks.max(1) as usize).min(16 << 20);
    LAST.with(|last| {
        let text = match last.take() {
            Some(text) if text.len() == bytes => text,
            _ => PROSE.chars().cycle().take(bytes).collect(),
        };
        let result = call(&text);
        last.set(Some(text));
        result
    })
}

/// The string after `key`, found without parsing: bodies come from the load generator or a gateway.
pub fn find_string<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let rest = after_key(body, key)?.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// Whether `true` stands after `key`.
pub fn find_true(body: &[u8], key: &[u8]) -> bool {
    after_key(body, key).is_some_and(|rest| rest.starts_with(b"true"))
}

/// The limit on output tokens that the request asks for, under any of its names.
pub fn tokens_max(body: &[u8]) -> Option<u32> {
    let keys = [b"\"max_completion_tokens\"".as_slice(), b"\"max_output_tokens\"", b"\"max_tokens\""];
    keys.iter().find_map(|key| {
        let rest = after_key(body, key)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
    })
}

fn after_key<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = &body[memchr::memmem::find(body, key)? + key.len()..];
    let skip = rest.iter().take_while(|byte| matches!(byte, b' ' | b':' | b'\n' | b'\t')).count();
    Some(&rest[skip..])
}

/// Writes `name`, 16 decimal digits and a space.
pub fn stamp(frame: &mut BytesMut, name: &[u8], ns: u64) {
    let mut digits = [b'0'; 16];
    let mut rest = ns % 10_000_000_000_000_000;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    frame.extend_from_slice(name);
    frame.extend_from_slice(&digits);
    frame.extend_from_slice(b" ");
}

fn base64(raw: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in raw.chunks(3) {
        let byte = |i: usize| u32::from(*group.get(i).unwrap_or(&0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_standard_says() {
        let encode = |text: &str| {
            let mut out = Vec::new();
            base64(text.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            [encode("f"), encode("fo"), encode("foo"), encode("foob")],
            ["Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }

    const USAGE: Usage = Usage { input: 1, output: 2, is_cut: false, calls_tool: false };

    #[test]
    fn a_cut_answer_says_so() {
        let cut = Usage { is_cut: true, ..USAGE };
        assert!(answer(Api::OpenAi, "m", "x", cut).contains("\"finish_reason\":\"length\""));
        assert!(answer(Api::Anthropic, "m", "x", cut).contains("\"stop_reason\":\"max_tokens\""));
    }

    #[test]
    fn the_limit_of_a_request_is_found_under_its_names() {
        assert_eq!(tokens_max(br#"{"max_tokens": 12}"#), Some(12));
        assert_eq!(tokens_max(br#"{"max_completion_tokens":7}"#), Some(7));
        assert_eq!(tokens_max(br#"{"max_tokens":null}"#), None);
    }

    #[test]
    fn every_text_is_valid_json() {
        let check = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        check(MODELS);
        for api in [Api::OpenAi, Api::Anthropic] {
            check(&answer(api, "m", "hello", USAGE));
            check(&error(api, 429, None));
            check(&error(api, 401, Some("made-up")));
            let mut frames = vec![
                stream_start(api, "m", 3),
                stream_chunk(api, "m", b"x", 5, Some(4)),
                stream_error(api, None),
            ];
            frames.extend((0..3).filter_map(|step| stream_end(api, step, "m", USAGE, true)));
            for frame in frames {
                let text = String::from_utf8(frame.to_vec()).unwrap();
                assert!(text.ends_with("\n\n"), "{text}");
                for data in
                    text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|d| *d != "[DONE]")
                {
                    check(data);
                }
            }
        }
    }

    #[test]
    fn embeddings_answer_each_input_of_a_batch() {
        let mut knobs = Knobs::DEFAULT;
        knobs.apply("dims=3");
        let answered = embeddings(br#"{"input":["a","b"]}"#, &knobs, "m", 1);
        let value: serde_json::Value = serde_json::from_slice(&answered).unwrap();
        assert_eq!(value["data"].as_array().unwrap().len(), 2);
        assert_eq!(value["data"][0]["embedding"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_chunk_carries_its_stamps() {
        let frame = stream_chunk(Api::OpenAi, "m", b"x", 12, Some(7));
        let text = String::from_utf8(frame.to_vec()).unwrap();
        assert!(text.contains("a=0000000000000007 t=0000000000000012 x"), "{text}");
    }
}
