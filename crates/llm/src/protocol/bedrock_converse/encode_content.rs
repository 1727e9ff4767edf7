//! Writing messages and their blocks.

use super::super::anthropic_messages::encode_content::{OPENING, valid_id};
use super::super::{TranslateError, data_url};
use super::encode_answer::{image_format, input};
use super::model::Family;
use super::wire::{Block, Bytes, CachePoint, Document, Empty, Message, Reasoning};
use crate::ir::{
    self, ChatRequest, Content, Json, Part, Role, Signature, Source, ToolCall, ToolResult, Warnings,
};
use crate::protocol::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashSet;

/// Longest id of a call
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html>, read 2026-11-26).
const ID_BYTES_MAX: usize = 64;
const DOCUMENT_NAME_CHARS_MAX: usize = 200;
/// Stands beside a document that nobody says anything about, which is refused.
const BESIDE_DOCUMENT: &str = "(See the document.)";

/// Writes blocks, and notes what they lose.
pub(super) struct ContentWriter<'w> {
    pub warnings: &'w mut Warnings,
    /// The caller's protocol.
    pub from: Protocol,
    pub family: Family,
    /// Names of documents so far: no two may be alike.
    pub names: HashSet<String>,
}

/// A turn that is being put together.
struct Turn<'a> {
    role: Role,
    results: Vec<Block<'a>>,
    blocks: Vec<Block<'a>>,
}

impl<'a> Turn<'a> {
    fn into_message(mut self) -> Message<'a> {
        let role = if self.role == Role::Assistant { "assistant" } else { "user" };
        if !self.results.is_empty() {
            self.results.append(&mut self.blocks);
            self.blocks = self.results;
        }
        Message { role, content: self.blocks }
    }
}

impl ContentWriter<'_> {
    /// Writes the conversation: speakers take turns, the user begins, results of tools stand first.
    pub fn messages<'a>(&mut self, request: &'a ChatRequest) -> Result<Vec<Message<'a>>, TranslateError> {
        let mut turns: Vec<Turn<'a>> = Vec::with_capacity(request.messages.len());
        for message in &request.messages {
            self.message(message, &mut turns)?;
        }
        if turns.is_empty() {
            let message = "messages: at least one message is required".to_owned();
            return Err(TranslateError::InvalidRequest { message, param: Some("messages".to_owned()) });
        }
        if turns[0].role == Role::Assistant {
            self.warnings.add("messages", "a first turn of the user was added");
            let blocks = vec![Block::Text(OPENING.into())];
            turns.insert(0, Turn { role: Role::User, results: Vec::new(), blocks });
        }
        // A beginning of the answer may not end with white space.
        if let Some(last) = turns.last_mut().filter(|turn| turn.role == Role::Assistant)
            && let Some(Block::Text(text)) = last.blocks.last_mut()
        {
            *text = Cow::Owned(text.trim_end().to_owned());
        }
        for turn in &mut turns {
            self.accompany_documents(turn);
        }
        Ok(turns.into_iter().map(Turn::into_message).collect())
    }

    fn message<'a>(
        &mut self,
        message: &'a ir::Message,
        turns: &mut Vec<Turn<'a>>,
    ) -> Result<(), TranslateError> {
        if message.name.is_some() {
            self.warnings.add("messages[].name", "names of participants were dropped");
        }
        let role = if message.role == Role::Assistant { Role::Assistant } else { Role::User };
        if message.role == Role::System {
            self.warnings.add("messages", "instructions within the conversation were sent as the user's");
        }
        let mut turn = match turns.pop_if(|turn| turn.role == role) {
            Some(turn) => turn,
            None => Turn { role, results: Vec::new(), blocks: Vec::with_capacity(message.parts.len()) },
        };
        for part in &message.parts {
            let Some(mut block) = self.block(part)? else { continue };
            if message.role == Role::System
                && let Block::Text(text) = &mut block
            {
                *text = Cow::Owned(format!("<system>\n{text}\n</system>"));
            }
            let is_result = matches!(block, Block::ToolResult { .. });
            let blocks = if is_result { &mut turn.results } else { &mut turn.blocks };
            blocks.push(block);
            blocks.extend(self.cache_point(part.cache_control.as_ref()).map(Block::CachePoint));
        }
        if !turn.results.is_empty() || !turn.blocks.is_empty() {
            turns.push(turn);
        }
        Ok(())
    }

    /// Writes instructions.
    pub fn system<'a>(&mut self, parts: &'a [Part]) -> Result<Vec<Block<'a>>, TranslateError> {
        let mut blocks = Vec::new();
        for part in parts {
            match self.block(part)? {
                Some(block @ Block::Text(_)) => {
                    blocks.push(block);
                    blocks.extend(self.cache_point(part.cache_control.as_ref()).map(Block::CachePoint));
                }
                Some(_) => self.warnings.add("system", "what is not text was dropped from the instructions"),
                None => {}
            }
        }
        Ok(blocks)
    }

    /// The mark for a cache, where the model knows one.
    pub fn cache_point(&mut self, marker: Option<&Json>) -> Option<CachePoint> {
        cache_point(marker, self.family, self.warnings)
    }

    /// Writes a part; `None` where it was dropped.
    fn block<'a>(&mut self, part: &'a Part) -> Result<Option<Block<'a>>, TranslateError> {
        Ok(Some(match &part.content {
            Content::Text { text, citations } => {
                if !citations.is_empty() {
                    self.warnings.add("citations", "sources of earlier answers were dropped");
                }
                return Ok(self.text(text));
            }
            Content::Refusal(text) => return Ok(self.text(text)),
            Content::Image { source, detail } => {
                if detail.as_ref().is_some_and(|detail| detail != "auto") {
                    self.warnings
                        .add("image_url.detail", "dropped: the provider decides how closely it looks");
                }
                self.image(source)?
            }
            Content::Document { source, name, context, citations } => {
                let name = name.as_deref().unwrap_or("document");
                self.document(source, name, context.as_deref(), citations.as_ref())?
            }
            Content::Audio { .. } => {
                return Err(unsupported("input_audio", "models that converse here take no sound"));
            }
            Content::Reasoning { text, signature } => return Ok(self.thoughts(text, signature.as_ref())),
            Content::RedactedReasoning(signature) => return Ok(self.redacted(signature)),
            Content::ToolCall(call) => self.tool_use(call)?,
            Content::ToolResult(result) => self.tool_result(result)?,
            Content::Opaque { protocol: Protocol::BedrockConverse, raw, .. } => Block::Raw(raw.raw()),
            Content::Opaque { kind, .. } => {
                self.warnings.add("content", format!("a part of type {kind} was dropped"));
                return Ok(None);
            }
        }))
    }

    /// Texts of white space alone are refused.
    fn text<'a>(&mut self, text: &'a str) -> Option<Block<'a>> {
        if !text.trim().is_empty() {
            return Some(Block::Text(text.into()));
        }
        if !text.is_empty() {
            self.warnings.add("content", "a text of white space alone was dropped");
        }
        None
    }

    fn thoughts<'a>(&mut self, text: &'a str, signature: Option<&'a Signature>) -> Option<Block<'a>> {
        let signature = signature.filter(|it| it.protocol == Protocol::AnthropicMessages);
        match signature.filter(|_| self.family.takes_thoughts()) {
            Some(signature) => Some(Block::ReasoningContent(Reasoning::ReasoningText {
                text,
                signature: Some(Cow::Borrowed(&signature.value)),
            })),
            None => {
                self.warnings.add("reasoning_content", "thoughts that the model does not know were dropped");
                None
            }
        }
    }

    fn redacted<'a>(&mut self, signature: &'a Signature) -> Option<Block<'a>> {
        if signature.protocol == Protocol::AnthropicMessages && self.family.takes_thoughts() {
            return Some(Block::ReasoningContent(Reasoning::RedactedContent(Cow::Borrowed(
                &signature.value,
            ))));
        }
        self.warnings.add("reasoning", "thoughts that another provider encrypted were dropped");
        None
    }

    fn document<'a>(
        &mut self,
        source: &'a Source,
        name: &str,
        context: Option<&'a str>,
        citations: Option<&'a Json>,
    ) -> Result<Block<'a>, TranslateError> {
        let (format, bytes) = match source {
            Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                return self.image(source);
            }
            Source::Base64 { media_type, data } => {
                let refuse = || unsupported("file", &format!("documents of type {media_type} are not read"));
                (document_format(media_type).ok_or_else(refuse)?, Cow::Borrowed(data.as_str()))
            }
            Source::Text(text) => ("txt", Cow::Owned(STANDARD.encode(text))),
            Source::Url(_) => return Err(self.by_address("documents", "file.file_data")),
            Source::File { .. } => {
                return Err(unsupported("file", "the file is stored at another provider"));
            }
        };
        let name = self.document_name(name);
        let citations = citations.map(Json::raw);
        Ok(Block::Document(Document { format, name, source: Bytes { bytes }, context, citations }))
    }

    /// Letters, digits, single spaces, hyphens and brackets, and no name twice.
    fn document_name(&mut self, name: &str) -> String {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
        let words: String = name.chars().map(|c| if is_allowed(c) { c } else { ' ' }).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        // Room for a number at the end.
        let name: String = words.join(" ").chars().take(DOCUMENT_NAME_CHARS_MAX - 8).collect();
        let name = if name.is_empty() { "document".to_owned() } else { name };
        let numbered = (2_u32..).map(|number| format!("{name} {number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.names.contains(name));
        let free = free.unwrap_or(name);
        self.names.insert(free.clone());
        free
    }

    fn tool_use<'a>(&mut self, call: &'a ToolCall) -> Result<Block<'a>, TranslateError> {
        let input = input(call, self.warnings);
        super::tools::check_name(&call.name)?;
        Ok(Block::ToolUse { tool_use_id: id(&call.id), name: &call.name, input })
    }

    fn tool_result<'a>(&mut self, result: &'a ToolResult) -> Result<Block<'a>, TranslateError> {
        let mut content = Vec::with_capacity(result.parts.len());
        for part in &result.parts {
            // Results do not hold results; what else may not stand in one is said beside it.
            match self.block(part)? {
                Some(block @ (Block::Text(_) | Block::Image { .. } | Block::Document(_))) => {
                    content.push(block)
                }
                Some(_) => self.warnings.add("tool_result", "what is no text, image or document was dropped"),
                None => {}
            }
        }
        if content.is_empty() {
            content.push(Block::Json(Empty {}));
        }
        let status = result.is_error.then_some("error");
        Ok(Block::ToolResult { tool_use_id: id(&result.call_id), content, status })
    }

    fn image<'a>(&self, source: &'a Source) -> Result<Block<'a>, TranslateError> {
        match source {
            Source::Base64 { media_type, data } => {
                let media_type = match media_type.as_str() {
                    "" => data_url::sniff(data).unwrap_or_default(),
                    known => known,
                };
                let refuse = || unsupported("image", "it is no PNG, JPEG, GIF or WebP");
                let format = image_format(media_type).ok_or_else(refuse)?;
                Ok(Block::Image { format, source: Bytes { bytes: data.into() } })
            }
            Source::Url(_) => Err(self.by_address("images", "image_url.url")),
            Source::File { .. } | Source::Text(_) => {
                Err(unsupported("image", "it has no bytes, and is stored at another provider"))
            }
        }
    }

    /// A complaint about what is given by its address, at the field where OpenAI's callers give it so.
    fn by_address(&self, what: &str, of_openai: &str) -> TranslateError {
        let field = if self.from.is_openai() { of_openai } else { "source.url" };
        let path = format!("messages[].content[].{field}");
        let message =
            format!("{path}: {what} by address cannot be sent to this provider, only their bytes in base64");
        TranslateError::InvalidRequest { message, param: Some(path) }
    }

    fn accompany_documents(&mut self, turn: &mut Turn<'_>) {
        let has = |is: fn(&Block<'_>) -> bool| turn.blocks.iter().any(is);
        if has(|block| matches!(block, Block::Document(_))) && !has(|block| matches!(block, Block::Text(_))) {
            self.warnings.add("messages", "a text was added beside a document that stood alone");
            turn.blocks.push(Block::Text(BESIDE_DOCUMENT.into()));
        }
    }
}

/// The mark for a cache, where the model knows one.
pub(super) fn cache_point(
    marker: Option<&Json>,
    family: Family,
    warnings: &mut Warnings,
) -> Option<CachePoint> {
    let marker = marker?;
    if !family.takes_cache_points() {
        warnings.add("cache_control", "dropped: this model caches nothing that is marked");
        return None;
    }
    let ttl = serde_json::from_str::<Lifetime<'_>>(marker.get()).ok().and_then(|marker| marker.ttl);
    let for_an_hour = ttl.as_deref() == Some("1h");
    Some(CachePoint { kind: "default", ttl: for_an_hour.then_some("1h") })
}

#[derive(serde::Deserialize)]
struct Lifetime<'a> {
    #[serde(borrow)]
    ttl: Option<Cow<'a, str>>,
}

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html>, read 2026-11-26.
fn document_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "application/msword" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "text/html" => "html",
        "text/markdown" => "md",
        other if other.starts_with("text/") => "txt",
        _ => return None,
    })
}

/// Ids of other vendors may be longer, or have other letters; the same id always becomes the same.
fn id(id: &str) -> Cow<'_, str> {
    let valid = valid_id(id);
    if valid.len() <= ID_BYTES_MAX {
        return valid;
    }
    // FNV-1a.
    let fold = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = id.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    Cow::Owned(format!("{}_{sum:016x}", &valid[..ID_BYTES_MAX - 17]))
}

fn unsupported(feature: &'static str, detail: &str) -> TranslateError {
    TranslateError::Unsupported { feature, detail: detail.to_owned() }
}
