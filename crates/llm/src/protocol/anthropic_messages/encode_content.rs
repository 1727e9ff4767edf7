//! Writing messages and their blocks.

use super::super::{TranslateError, data_url, free_text};
use super::wire;
use crate::ir::{
    ChatRequest, Citation, Content, Json, Message, Part, Role, Source, ToolCall, ToolCallKind, ToolResult,
    Warnings,
};
use crate::protocol::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Stands before a conversation that begins with the assistant, which is refused.
pub(in crate::protocol) const OPENING: &str = "(The conversation begins with the assistant.)";

/// Writes blocks, and notes what they lose.
pub(super) struct ContentWriter<'w> {
    pub warnings: &'w mut Warnings,
}

impl ContentWriter<'_> {
    /// Writes the conversation: turns of one speaker in a row become one, results of tools stand first.
    pub(super) fn messages<'a>(
        &mut self,
        request: &'a ChatRequest,
    ) -> Result<Vec<wire::Message<'a>>, TranslateError> {
        let mut turns: Vec<Turn<'a>> = Vec::with_capacity(request.messages.len());
        for message in &request.messages {
            self.message(message, request.protocol, &mut turns)?;
        }
        if turns.is_empty() {
            let message = "messages: at least one message is required".to_owned();
            return Err(TranslateError::InvalidRequest { message, param: Some("messages".to_owned()) });
        }
        if turns[0].role == Role::Assistant {
            self.warnings.add("messages", "a first turn of the user was added");
            let opening = Turn { role: Role::User, results: Vec::new(), blocks: vec![text(OPENING.into())] };
            turns.insert(0, opening);
        }
        // A beginning of the answer may not end with white space.
        if let Some(last) = turns.last_mut().filter(|turn| turn.role == Role::Assistant)
            && let Some(wire::AnyBlock::Known(wire::Block::Text { text, .. })) = last.blocks.last_mut()
        {
            *text = Cow::Owned(text.trim_end().to_owned());
        }
        Ok(turns.into_iter().map(Turn::into_message).collect())
    }

    fn message<'a>(
        &mut self,
        message: &'a Message,
        from: Protocol,
        turns: &mut Vec<Turn<'a>>,
    ) -> Result<(), TranslateError> {
        if message.name.is_some() {
            self.warnings.add("messages[].name", "names of participants were dropped");
        }
        let role = match message.role {
            // The newest models take instructions between turns; a caller of Anthropic's protocol knows which.
            Role::System if from == Protocol::AnthropicMessages => Role::System,
            Role::System => {
                self.warnings.add("messages", "instructions within the conversation were sent as the user's");
                Role::User
            }
            Role::User => Role::User,
            Role::Assistant => Role::Assistant,
        };
        if turns.last().is_none_or(|turn| turn.role != role) {
            turns.push(Turn { role, results: Vec::new(), blocks: Vec::with_capacity(message.parts.len()) });
        }
        for part in &message.parts {
            let Some(mut block) = self.block(part)? else { continue };
            if message.role != role {
                mark_instruction(&mut block);
            }
            let Some(turn) = turns.last_mut() else { continue };
            if matches!(block, wire::AnyBlock::Known(wire::Block::ToolResult { .. })) {
                turn.results.push(block);
            } else {
                turn.blocks.push(block);
            }
        }
        if turns.last().is_some_and(|turn| turn.results.is_empty() && turn.blocks.is_empty()) {
            turns.pop();
        }
        Ok(())
    }

    /// Writes instructions.
    pub(super) fn system<'a>(
        &mut self,
        parts: &'a [Part],
    ) -> Result<Vec<wire::AnyBlock<'a>>, TranslateError> {
        let mut blocks = Vec::new();
        for part in parts {
            match self.block(part)? {
                Some(block @ (wire::AnyBlock::Known(wire::Block::Text { .. }) | wire::AnyBlock::Raw(_))) => {
                    blocks.push(block);
                }
                Some(wire::AnyBlock::Known(_)) => {
                    self.warnings.add("system", "what is not text was dropped from the instructions");
                }
                None => {}
            }
        }
        Ok(blocks)
    }

    /// Writes a part; `None` where it was dropped.
    pub(super) fn block<'a>(&mut self, part: &'a Part) -> Result<Option<wire::AnyBlock<'a>>, TranslateError> {
        let cache_control = part.cache_control.as_ref().map(Json::raw);
        let block = match &part.content {
            // Empty texts are refused.
            Content::Text { text, .. } | Content::Refusal(text) if text.is_empty() => return Ok(None),
            Content::Text { text, citations } => {
                let citations = self.citations(citations);
                wire::Block::Text { text: text.into(), citations, cache_control }
            }
            Content::Refusal(text) => {
                wire::Block::Text { text: text.into(), citations: Vec::new(), cache_control }
            }
            Content::Image { source, detail } => {
                if detail.as_ref().is_some_and(|detail| detail != "auto") {
                    self.warnings
                        .add("image_url.detail", "dropped: the provider decides how closely it looks");
                }
                wire::Block::Image { source: image(source)?, cache_control }
            }
            Content::Document { source, name, context, citations } => {
                return self.document(source, Named { name, context, citations }, cache_control).map(Some);
            }
            Content::Audio { .. } => return Err(unsupported("input_audio", "the protocol has no audio")),
            Content::Reasoning { text, signature } => return Ok(self.thinking(text, signature.as_ref())),
            Content::RedactedReasoning(signature) => match signature.protocol {
                Protocol::AnthropicMessages => wire::Block::RedactedThinking { data: &signature.value },
                Protocol::OpenAiChat
                | Protocol::OpenAiResponses
                | Protocol::Gemini
                | Protocol::BedrockConverse
                | Protocol::CohereChat => {
                    self.warnings.add("reasoning", "thoughts that another provider encrypted were dropped");
                    return Ok(None);
                }
            },
            Content::ToolCall(call) => self.tool_use(call, cache_control),
            Content::ToolResult(result) => self.tool_result(result, cache_control)?,
            Content::Opaque { protocol: Protocol::AnthropicMessages, raw, .. } => {
                return Ok(Some(wire::AnyBlock::Raw(raw.raw())));
            }
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a part of type {kind} was dropped"));
                return Ok(None);
            }
        };
        Ok(Some(wire::AnyBlock::Known(block)))
    }

    fn thinking<'a>(
        &mut self,
        text: &'a str,
        signature: Option<&'a crate::ir::Signature>,
    ) -> Option<wire::AnyBlock<'a>> {
        match signature.filter(|signature| signature.protocol == Protocol::AnthropicMessages) {
            Some(signature) => Some(wire::AnyBlock::Known(wire::Block::Thinking {
                thinking: text,
                signature: Cow::Borrowed(&signature.value),
            })),
            None => {
                // Refused: the signature is how Anthropic knows its own thoughts.
                let detail = match signature {
                    Some(_) => "thoughts that another vendor signed were dropped",
                    None => "unsigned thoughts were dropped",
                };
                self.warnings.add("reasoning_content", detail);
                None
            }
        }
    }

    fn citations<'a>(&mut self, citations: &'a [Citation]) -> Vec<wire::AnyCitation<'a>> {
        let citation = |citation: &'a Citation| match &citation.raw {
            Some((Protocol::AnthropicMessages, raw)) => wire::AnyCitation::Raw(raw.raw()),
            Some(_) | None => wire::AnyCitation::Web(web_citation(citation)),
        };
        citations.iter().map(citation).collect()
    }

    fn document<'a>(
        &mut self,
        source: &'a Source,
        named: Named<'a>,
        cache_control: Option<&'a RawValue>,
    ) -> Result<wire::AnyBlock<'a>, TranslateError> {
        let source = match source {
            Source::Base64 { media_type, data } if media_type == "application/pdf" => {
                wire::Source::Base64 { media_type, data }
            }
            Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
                let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let Some(text) = text else {
                    return Err(unsupported("file", "its text is not UTF-8 in base64"));
                };
                wire::Source::Text { media_type: "text/plain", data: text.into() }
            }
            Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                let block = wire::Block::Image { source: image(source)?, cache_control };
                return Ok(wire::AnyBlock::Known(block));
            }
            Source::Base64 { media_type, .. } => {
                return Err(unsupported("file", &format!("documents of type {media_type} are not read")));
            }
            Source::Url(url) => wire::Source::Url { url },
            Source::Text(text) => wire::Source::Text { media_type: "text/plain", data: text.into() },
            Source::File { protocol: Protocol::AnthropicMessages, id } => wire::Source::File { file_id: id },
            Source::File { .. } => {
                return Err(unsupported("file", "the file is stored at another provider"));
            }
        };
        Ok(wire::AnyBlock::Known(wire::Block::Document {
            source,
            title: named.name.as_deref(),
            context: named.context.as_deref(),
            citations: named.citations.as_ref().map(Json::raw),
            cache_control,
        }))
    }

    fn tool_use<'a>(&mut self, call: &'a ToolCall, cache_control: Option<&'a RawValue>) -> wire::Block<'a> {
        let id = valid_id(&call.id);
        let input = match call.kind {
            ToolCallKind::Custom => Cow::Owned(free_text::arguments(&call.arguments)),
            ToolCallKind::Function => match serde_json::from_str::<&RawValue>(&call.arguments) {
                Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
                _ if call.arguments.trim().is_empty() => Cow::Owned(empty_object()),
                _ => {
                    self.warnings.add("tool_calls", "arguments that are no JSON object were wrapped in one");
                    Cow::Owned(free_text::wrapped("arguments", &call.arguments))
                }
            },
        };
        wire::Block::ToolUse { id, name: &call.name, input, cache_control }
    }

    fn tool_result<'a>(
        &mut self,
        result: &'a ToolResult,
        cache_control: Option<&'a RawValue>,
    ) -> Result<wire::Block<'a>, TranslateError> {
        let tool_use_id = valid_id(&result.call_id);
        let content = match result.parts.as_slice() {
            [] => wire::Text::Plain(""),
            [Part { content: Content::Text { text, .. }, cache_control: None }] => wire::Text::Plain(text),
            parts => {
                let mut blocks = Vec::new();
                for part in parts {
                    blocks.extend(self.block(part)?);
                }
                wire::Text::Blocks(blocks)
            }
        };
        Ok(wire::Block::ToolResult { tool_use_id, content, is_error: result.is_error, cache_control })
    }
}

/// A turn that is being put together.
struct Turn<'a> {
    role: Role,
    results: Vec<wire::AnyBlock<'a>>,
    blocks: Vec<wire::AnyBlock<'a>>,
}

impl<'a> Turn<'a> {
    fn into_message(self) -> wire::Message<'a> {
        let role = match self.role {
            Role::Assistant => "assistant",
            Role::User => "user",
            Role::System => "system",
        };
        let blocks = match self.results.is_empty() {
            true => self.blocks,
            false => [self.results, self.blocks].into_iter().flatten().collect(),
        };
        wire::Message { role, content: wire::Text::Blocks(blocks) }
    }
}

/// What is said of a document.
struct Named<'a> {
    name: &'a Option<String>,
    context: &'a Option<String>,
    citations: &'a Option<Json>,
}

/// A citation of a page that another provider found.
pub(super) fn web_citation(citation: &Citation) -> wire::WebCitation<'_> {
    wire::WebCitation {
        kind: "web_search_result_location",
        url: &citation.url,
        title: &citation.title,
        cited_text: &citation.cited_text,
        encrypted_index: "",
    }
}

fn image(source: &Source) -> Result<wire::Source<'_>, TranslateError> {
    match source {
        Source::Base64 { media_type, data } => {
            let media_type = match media_type.as_str() {
                // Common, and refused.
                "image/jpg" => "image/jpeg",
                "" => data_url::sniff(data).ok_or_else(|| unsupported("image", "its type is not known"))?,
                other => other,
            };
            Ok(wire::Source::Base64 { media_type, data })
        }
        Source::Url(url) => Ok(wire::Source::Url { url }),
        Source::File { protocol: Protocol::AnthropicMessages, id } => Ok(wire::Source::File { file_id: id }),
        Source::File { .. } | Source::Text(_) => {
            Err(unsupported("image", "it has neither bytes nor an address"))
        }
    }
}

fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}

fn text(text: Cow<'_, str>) -> wire::AnyBlock<'_> {
    wire::AnyBlock::Known(wire::Block::Text { text, citations: Vec::new(), cache_control: None })
}

/// Keeps instructions apart from what the user says.
fn mark_instruction(block: &mut wire::AnyBlock<'_>) {
    if let wire::AnyBlock::Known(wire::Block::Text { text, .. }) = block {
        *text = Cow::Owned(format!("<system>\n{text}\n</system>"));
    }
}

/// Anthropic takes letters, digits, `_` and `-` in ids; some servers put dots and colons into theirs.
pub(in crate::protocol) fn valid_id(id: &str) -> Cow<'_, str> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(is_valid) {
        return Cow::Borrowed(id);
    }
    let replaced: String = id.chars().map(|c| if is_valid(c) { c } else { '_' }).collect();
    Cow::Owned(if replaced.is_empty() { "_".to_owned() } else { replaced })
}

/// `{}`.
pub(in crate::protocol) fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
