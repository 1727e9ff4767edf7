//! Watching an SSE body go by.

use crate::{
    gate::{Gate, Mode},
    records::{Record, Usage},
};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use memchr::memmem;
use serde::Deserialize;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// Notes the usage that a stream reports; the record is finished when the stream ends or is dropped.
pub struct Tap {
    gate: Arc<Gate>,
    body: Incoming,
    record: Option<Record>,
    start: Instant,
    rest: BytesMut,
}

impl Tap {
    pub fn new(gate: Arc<Gate>, body: Incoming, record: Record, start: Instant) -> Tap {
        Tap { gate, body, record: Some(record), start, rest: BytesMut::new() }
    }

    /// Simulator and gateways write a whole event at a time, so a frame is taken for one.
    fn observe(&mut self, event: &[u8]) {
        for key in [&b"\"usage\":"[..], b"\"usage\": "] {
            if let Some(at) = memmem::find(event, key) {
                let mut reader = serde_json::Deserializer::from_slice(&event[at + key.len()..]);
                if let (Ok(usage), Some(record)) = (Usage::deserialize(&mut reader), self.record.as_mut()) {
                    record.usage.prompt_tokens = record.usage.prompt_tokens.max(usage.prompt_tokens);
                    record.usage.completion_tokens = usage.completion_tokens;
                }
                return;
            }
        }
    }

    /// The naive way: every event parsed to a `Value` and written again.
    fn rewrite(&mut self, data: &Bytes) -> Bytes {
        self.rest.extend_from_slice(data);
        let mut out = Vec::new();
        while let Some(end) = memmem::find(&self.rest, b"\n\n") {
            let event = self.rest.split_to(end + 2);
            for line in event[..].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.rewrite_line(line, &mut out);
            }
            out.push(b'\n');
        }
        out.into()
    }

    fn rewrite_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let value = line.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
        if let Some(value) = value {
            let value: serde_json::Value = value;
            if let Some(record) = self.record.as_mut().filter(|_| value["usage"].is_object()) {
                record.usage = serde_json::from_value(value["usage"].clone()).unwrap_or_default();
            }
            out.extend_from_slice(b"data: ");
            let _ = serde_json::to_writer(&mut *out, &value);
        } else {
            out.extend_from_slice(line);
        }
        out.push(b'\n');
    }

    fn finish(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration_us = self.start.elapsed().as_micros() as u64;
            self.gate.record(record);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Body for Tap {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                other => return other,
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            if self.gate.mode != Mode::Value {
                self.observe(&data);
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            let rewritten = self.rewrite(&data);
            if !rewritten.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(rewritten))));
            }
        }
    }
}
