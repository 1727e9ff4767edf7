//! The request that is sent again and again, and what its answer must hold.

use crate::arguments::{Arguments, Mode, die};
use std::{net::SocketAddr, time::Duration};

pub struct Plan {
    pub address: SocketAddr,
    pub request: Vec<u8>,
    /// What a right answer contains.
    pub expect: &'static [u8],
    /// What the last event of a stream contains.
    pub end_marker: &'static [u8],
    pub timeout: Duration,
    pub any_status: bool,
}

/// What an API's request and answer look like.
struct Shape {
    path: &'static str,
    body: String,
    expect: &'static [u8],
    end_marker: &'static [u8],
}

impl Plan {
    pub fn new(arguments: &Arguments) -> Plan {
        let Some(rest) = arguments.url.strip_prefix("http://") else { die("--url: only http://") };
        let (host, base) = match rest.find('/') {
            Some(at) => (&rest[..at], rest[at..].trim_end_matches('/')),
            None => (rest, ""),
        };
        let shape = shape(arguments);
        let mut request = head(arguments, host, base, &shape).into_bytes();
        request.extend_from_slice(shape.body.as_bytes());
        Plan {
            address: address(host),
            request,
            expect: shape.expect,
            end_marker: shape.end_marker,
            timeout: Duration::from_secs_f64(arguments.timeout_secs),
            any_status: arguments.expect_fail,
        }
    }
}

fn address(host: &str) -> SocketAddr {
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let Ok(address) = with_port.replace("localhost", "127.0.0.1").parse::<SocketAddr>() else {
        die("--url: an IP address and a port")
    };
    if !address.ip().is_loopback() {
        die("--url: loopback only");
    }
    address
}

fn shape(arguments: &Arguments) -> Shape {
    let model = &arguments.model;
    let text = prompt(arguments);
    let is_stream = arguments.mode == Mode::Stream;
    match arguments.api.as_str() {
        "openai" => Shape {
            path: "/chat/completions",
            body: format!(
                "{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful \
                 assistant.\"}},{{\"role\":\"user\",\"content\":\"{text}\"}}],\"max_tokens\":1024,\
                 \"temperature\":0.7{}}}",
                if is_stream { ",\"stream\":true,\"stream_options\":{\"include_usage\":true}" } else { "" }
            ),
            expect: b"\"usage\"",
            end_marker: b"[DONE]",
        },
        "anthropic" => Shape {
            path: "/messages",
            body: format!(
                "{{\"model\":\"{model}\",\"max_tokens\":1024,\"messages\":[{{\"role\":\"user\",\
                 \"content\":\"{text}\"}}]{}}}",
                if is_stream { ",\"stream\":true" } else { "" }
            ),
            expect: b"\"usage\"",
            end_marker: b"message_stop",
        },
        "embeddings" => Shape {
            path: "/embeddings",
            body: format!("{{\"model\":\"{model}\",\"input\":[\"{text}\"]}}"),
            expect: b"\"embedding\"",
            end_marker: b"",
        },
        _ => die("--api: openai, anthropic or embeddings"),
    }
}

fn prompt(arguments: &Arguments) -> String {
    const PROSE: &str = "Summarise the quarterly report for the board, with risks and next steps. ";
    let mut text: String = PROSE.chars().cycle().take(arguments.body_bytes.saturating_sub(200)).collect();
    if !arguments.mock.is_empty() {
        text.push_str(&format!(" @mock{{{}}}", arguments.mock));
    }
    text
}

fn head(arguments: &Arguments, host: &str, base: &str, shape: &Shape) -> String {
    let mut head = format!(
        "POST {base}{} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\naccept: {}\r\n\
         content-length: {}\r\n",
        shape.path,
        if arguments.mode == Mode::Stream { "text/event-stream" } else { "application/json" },
        shape.body.len()
    );
    if !arguments.key.is_empty() {
        head.push_str(&format!("authorization: Bearer {}\r\n", arguments.key));
    }
    if arguments.api == "anthropic" {
        head.push_str("anthropic-version: 2023-06-01\r\n");
        if !arguments.key.is_empty() {
            head.push_str(&format!("x-api-key: {}\r\n", arguments.key));
        }
    }
    for header in &arguments.headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}
