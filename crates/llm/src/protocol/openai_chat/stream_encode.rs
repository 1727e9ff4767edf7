//! Writing a streamed chat completion.
//!
//! <https://platform.openai.com/docs/api-reference/chat/streaming>, read 2026-11-22; `reasoning_content`,
//! `reasoning_signature` and `web_search` are the reference product's.

use super::super::StreamOptions;
use super::super::write::frame;
use super::encode_messages::image_url;
use super::response::finish_warnings;
use super::{usage, wire};
use crate::ir::{self, Block, Delta, Signature, StreamEvent, ToolCallKind, Warning, Warnings};
use crate::protocol::Protocol;
use domain::{Money, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

/// Writes chunks.
#[derive(Debug)]
pub struct StreamEncoder {
    options: StreamOptions,
    warnings: Warnings,
    id: String,
    model: String,
    blocks: Vec<OpenBlock>,
    /// Per answer: how far it is.
    choices: Vec<Progress>,
}

#[derive(Debug)]
struct OpenBlock {
    index: u32,
    choice: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call { number: u32, kind: ToolCallKind, has_arguments: bool },
}

#[derive(Debug)]
struct Progress {
    choice: u32,
    calls: u32,
    signatures: u32,
    is_finished: bool,
    /// A signature of Google's, which belongs to a call if one follows.
    pending: Option<String>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Out>,
}

#[derive(Serialize, Default)]
struct ChunkChoice<'a> {
    index: u32,
    delta: ChunkDelta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a RawValue>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct ChunkDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[RedactedThinking<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[wire::Part<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_search: Option<WebSearch<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct RedactedThinking<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: &'a str,
}

#[derive(Serialize)]
struct WebSearch<'a> {
    content: [Source<'a>; 1],
}

#[derive(Serialize)]
struct Source<'a> {
    url: &'a str,
    title: &'a str,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<wire::ExtraContent<'a>>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct CustomDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
}

impl StreamEncoder {
    pub(in crate::protocol) fn new(options: StreamOptions) -> Self {
        let warnings = Warnings::new(options.from, Protocol::OpenAiChat);
        let model = options.requested_model.clone();
        Self { options, warnings, id: String::new(), model, blocks: Vec::new(), choices: Vec::new() }
    }

    pub(in crate::protocol) fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    pub(in crate::protocol) fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        match event {
            StreamEvent::Start { id, model } => {
                self.id.clone_from(id);
                if !model.is_empty() {
                    self.model.clone_from(model);
                }
                self.progress(0, out);
            }
            StreamEvent::BlockStart { index, choice, block } => self.start(*index, *choice, block, out),
            StreamEvent::BlockDelta { index, delta } => self.delta(*index, delta, out),
            StreamEvent::BlockStop { index } => self.stop(*index, out),
            StreamEvent::Finish { choice, reason, stop_sequence, .. } => {
                finish_warnings(*reason, stop_sequence.as_deref(), &mut self.warnings);
                let pending = self.progress(*choice, out).pending.take();
                self.signature(*choice, pending.as_deref(), out);
                self.progress(*choice, out).is_finished = true;
                let finish_reason = Some(reason.as_openai());
                self.choice(ChunkChoice { index: *choice, finish_reason, ..Default::default() }, out);
            }
            StreamEvent::Ping => out.extend_from_slice(b": ping\n\n"),
            StreamEvent::Lost { feature, detail } => self.warnings.add(feature, detail.as_str()),
            StreamEvent::Usage(_) | StreamEvent::Error { .. } => {}
        }
    }

    pub(in crate::protocol) fn end(&mut self, usage: &Usage, cost: Option<Money>, out: &mut Vec<u8>) {
        for choice in 0..self.options.n.max(1) {
            if !self.progress(choice, out).is_finished {
                let finish_reason = Some("stop");
                self.choice(ChunkChoice { index: choice, finish_reason, ..Default::default() }, out);
            }
        }
        if self.options.include_usage {
            self.chunk(&[], Some(usage::encode(usage, cost)), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// How far an answer is; its first chunk names the role.
    fn progress(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut Progress {
        let at = match self.choices.iter().position(|progress| progress.choice == choice) {
            Some(at) => at,
            None => {
                let delta = ChunkDelta { role: Some("assistant"), content: Some(""), ..Default::default() };
                self.delta_chunk(choice, delta, out);
                self.choices.push(Progress {
                    choice,
                    calls: 0,
                    signatures: 0,
                    is_finished: false,
                    pending: None,
                });
                self.choices.len() - 1
            }
        };
        &mut self.choices[at]
    }

    fn start(&mut self, index: u32, choice: u32, block: &Block, out: &mut Vec<u8>) {
        let pending = self.progress(choice, out).pending.take();
        if !matches!(block, Block::ToolCall { .. }) {
            self.signature(choice, pending.as_deref(), out);
        }
        let progress = self.progress(choice, out);
        let kind = match block {
            Block::Text => Kind::Text,
            Block::Refusal => Kind::Refusal,
            Block::Reasoning => Kind::Reasoning,
            Block::RedactedReasoning(signature) => {
                let data = &signature.in_field(Protocol::AnthropicMessages);
                let block = RedactedThinking { kind: "redacted_thinking", data };
                let delta = ChunkDelta { thinking_blocks: Some([block]), ..Default::default() };
                self.delta_chunk(choice, delta, out);
                return;
            }
            Block::Image(source) => return self.image(choice, source, out),
            Block::ToolCall { id, name, kind } => {
                let number = progress.calls;
                progress.calls += 1;
                let mut call = call_delta(number, *kind, Some((id, name)), "");
                call.extra_content = pending.as_deref().map(wire::ExtraContent::of);
                self.delta_chunk(choice, ChunkDelta { tool_calls: Some([call]), ..Default::default() }, out);
                Kind::Call { number, kind: *kind, has_arguments: false }
            }
        };
        self.blocks.push(OpenBlock { index, choice, kind });
    }

    fn delta(&mut self, index: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.iter_mut().find(|block| block.index == index) else { return };
        let choice = block.choice;
        let written = match delta {
            Delta::Text(text) if matches!(block.kind, Kind::Refusal) => {
                ChunkDelta { refusal: Some(text), ..Default::default() }
            }
            Delta::Text(text) => ChunkDelta { content: Some(text), ..Default::default() },
            Delta::Reasoning(text) => ChunkDelta { reasoning_content: Some(text), ..Default::default() },
            Delta::Signature(signature) if signature.protocol == Protocol::Gemini => {
                self.progress(choice, out).pending = Some(signature.value.clone());
                return;
            }
            Delta::Signature(signature) => {
                let signature = signature.in_field(Protocol::AnthropicMessages);
                return self.sign(choice, &signature, out);
            }
            Delta::Arguments(text) => {
                let Kind::Call { number, kind, has_arguments } = &mut block.kind else { return };
                *has_arguments |= !text.is_empty();
                let call = call_delta(*number, *kind, None, text);
                ChunkDelta { tool_calls: Some([call]), ..Default::default() }
            }
            Delta::Citation(citation) if citation.url.is_empty() => {
                return self.warnings.add("citations", "citations of documents were dropped");
            }
            Delta::Citation(citation) => {
                let content = [Source { url: &citation.url, title: &citation.title }];
                ChunkDelta { web_search: Some(WebSearch { content }), ..Default::default() }
            }
            Delta::Logprobs(json) => {
                let logprobs = Some(json.raw());
                let choice = ChunkChoice { index: choice, logprobs, ..Default::default() };
                return self.choice(choice, out);
            }
        };
        self.delta_chunk(choice, written, out);
    }

    /// Tells a signature of Google's that no call followed.
    fn signature(&mut self, choice: u32, value: Option<&str>, out: &mut Vec<u8>) {
        if let Some(value) = value {
            let signature = Signature { protocol: Protocol::Gemini, value: value.to_owned() };
            let signature = signature.in_field(Protocol::AnthropicMessages);
            self.sign(choice, &signature, out);
        }
    }

    fn sign(&mut self, choice: u32, signature: &str, out: &mut Vec<u8>) {
        let progress = self.progress(choice, out);
        progress.signatures += 1;
        if progress.signatures > 1 {
            self.warnings.add("thinking", "several signed thoughts: each replaces the signature before");
        }
        let delta = ChunkDelta { reasoning_signature: Some(signature), ..Default::default() };
        self.delta_chunk(choice, delta, out);
    }

    fn image(&mut self, choice: u32, source: &ir::Source, out: &mut Vec<u8>) {
        match image_url(source, None) {
            Ok(image_url) => {
                let images = Some([wire::Part::ImageUrl { image_url, cache_control: None }]);
                self.delta_chunk(choice, ChunkDelta { images, ..Default::default() }, out);
            }
            Err(_) => self.warnings.add("content", "an image was dropped"),
        }
    }

    fn stop(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.blocks.iter().position(|block| block.index == index) else { return };
        let block = self.blocks.remove(at);
        match block.kind {
            // Callers parse the arguments as JSON, which an empty text is not.
            Kind::Call { number, kind: kind @ ToolCallKind::Function, has_arguments: false } => {
                let call = call_delta(number, kind, None, "{}");
                let delta = ChunkDelta { tool_calls: Some([call]), ..Default::default() };
                self.delta_chunk(block.choice, delta, out);
            }
            Kind::Call { .. } | Kind::Text | Kind::Refusal | Kind::Reasoning => {}
        }
    }

    fn delta_chunk(&self, index: u32, delta: ChunkDelta<'_>, out: &mut Vec<u8>) {
        self.choice(ChunkChoice { index, delta, ..Default::default() }, out);
    }

    fn choice(&self, choice: ChunkChoice<'_>, out: &mut Vec<u8>) {
        self.chunk(&[choice], None, out);
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<usage::Out>, out: &mut Vec<u8>) {
        let (id, model, created) = (self.id.as_str(), self.model.as_str(), self.options.created);
        frame(out, None, &Chunk { id, object: "chat.completion.chunk", created, model, choices, usage });
    }
}

fn call_delta<'a>(
    index: u32,
    kind: ToolCallKind,
    head: Option<(&'a String, &'a String)>,
    text: &'a str,
) -> CallDelta<'a> {
    let id = head.map(|(id, _)| id.as_str());
    let name = head.map(|(_, name)| name.as_str());
    let (function, custom, word) = match kind {
        ToolCallKind::Function => (Some(FunctionDelta { name, arguments: text }), None, "function"),
        ToolCallKind::Custom => (None, Some(CustomDelta { name, input: text }), "custom"),
    };
    CallDelta { index, id, kind: head.map(|_| word), function, custom, extra_content: None }
}
