//! What a call may cost at the most, from its content and its model's dearest prices.
//!
//! A tokenizer that works on bytes cannot make more tokens than there are bytes, so the length of a body bounds
//! its text. Pictures are bounded by the dearest known; what cannot be bounded by itself (documents, sound,
//! searches) by the longest prompt the model takes.

use super::intake::Intake;
use super::protocol_of;
use crate::providers::Target;
use domain::record::Operation;
use domain::{Ceiling, Money};
use llm::ir::{ChatRequest, Content, Part, Source};
use llm::raw::RawObject;
use memchr::memmem::{self, Finder};
use std::sync::LazyLock;

/// What a provider adds to a prompt by itself: frames of messages, instructions for tools. Anthropic's dearest
/// tool instructions take 804 tokens
/// (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>, read 2026-11-26).
const OVERHEAD: u64 = 1_024;
/// The dearest picture known: gpt-4o-mini takes 2,833 tokens and 5,667 for each of at most eight tiles
/// (<https://platform.openai.com/docs/guides/images-vision>, read 2026-11-26).
const IMAGE: u64 = 50_000;
/// Searches that a provider runs for one request, at the most.
const WEB_SEARCHES: u64 = 10;
/// Tokens of an answer whose length nobody bounds; only where no hard limit applies.
const ASSUMED_OUTPUT: u64 = 4_096;

/// How a text tells that a body may hold more than text. An escaped letter may hide any of the others.
static HINTS: LazyLock<[Finder<'static>; 7]> = LazyLock::new(|| {
    ["\"image", "\"input_", "\"audio", "\"document", "\"file", "\"video", "\\u00"].map(Finder::new)
});

/// What a call may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The dearest prices it can meet.
    pub ceiling: Ceiling,
    /// Prompt tokens at the most, searches included.
    pub input_tokens: u64,
    /// Web searches at the most.
    pub web_searches: u64,
    /// Tokens of one answer at the most.
    pub output_tokens: u64,
    /// Answers asked for.
    pub answers: u64,
    /// Prompt or answer have no bound: the figures above are a guess.
    pub is_guess: bool,
}

impl Bound {
    /// The whole call.
    pub fn cost(&self) -> Money {
        let output = self.output_tokens.saturating_mul(self.answers);
        self.ceiling.cost(self.input_tokens, output, self.web_searches)
    }

    /// The call without its answer.
    pub fn input_cost(&self) -> Money {
        self.ceiling.cost(self.input_tokens, 0, self.web_searches)
    }
}

/// The bound of a call. `None`: the model has no price.
pub fn of(operation: Operation, intake: &Intake, target: &Target) -> Option<Bound> {
    let model = target.model.as_ref()?;
    let price = model.price.as_ref()?;
    let window = Some(model.context_window).filter(|tokens| *tokens > 0);
    let (input, web_searches) = input(operation, intake, window);
    let is_embedding = operation == Operation::Embeddings;
    let limit = output_limit(&intake.body).filter(|_| !target.provider.ignores_output_limit);
    let longest = Some(model.max_output_tokens).filter(|tokens| *tokens > 0).or(window);
    let output = match (limit, longest) {
        _ if is_embedding => Some(0),
        (Some(limit), Some(longest)) => Some(limit.min(longest)),
        (limit, longest) => limit.or(longest),
    };
    // A predicted answer is paid for where it was predicted wrongly.
    let predicted = intake.body.get("prediction").map_or(0, |raw| intake.bytes_of(raw));
    let input_tokens = input.unwrap_or(intake.bytes() + OVERHEAD);
    Some(Bound {
        ceiling: price.ceiling(input_tokens),
        input_tokens,
        web_searches,
        output_tokens: output.unwrap_or(ASSUMED_OUTPUT).saturating_add(predicted),
        answers: number(&intake.body, "n").unwrap_or(1).max(1),
        is_guess: input.is_none() || output.is_none(),
    })
}

/// The field that bounds the answer, as the request has it.
pub fn output_limit_field(body: &RawObject) -> Option<&'static str> {
    ["max_completion_tokens", "max_tokens"].into_iter().find(|field| number(body, field).is_some())
}

fn output_limit(body: &RawObject) -> Option<u64> {
    output_limit_field(body).and_then(|field| number(body, field))
}

fn number(body: &RawObject, field: &str) -> Option<u64> {
    body.get(field).and_then(|raw| serde_json::from_slice(raw).ok())
}

/// Prompt tokens at the most, where something bounds them, and web searches.
fn input(operation: Operation, intake: &Intake, window: Option<u64>) -> (Option<u64>, u64) {
    let body = &intake.body;
    let bytes = intake.bytes();
    let searches = body.get("web_search_options").is_some()
        || body.get("tools").is_some_and(|raw| memmem::find(raw, b"web_search").is_some());
    if searches {
        // Each search is followed by another look at the whole, with what was found.
        return (window.map(|window| window.saturating_mul(WEB_SEARCHES + 1)), WEB_SEARCHES);
    }
    let may_hold_more =
        |field| body.get(field).is_some_and(|raw| HINTS.iter().any(|hint| hint.find(raw).is_some()));
    let text = bytes + OVERHEAD;
    if operation == Operation::Embeddings {
        return (Some(text), 0);
    }
    let tokens = if may_hold_more("messages") || may_hold_more("system") {
        match protocol_of(operation).decode_request(&body.to_bytes()) {
            Ok(request) => {
                media(&request, intake).map(|media| (text - media.inline.min(bytes)) + media.images * IMAGE)
            }
            // The provider will refuse it; should it not, its longest prompt is the bound.
            Err(_) => None,
        }
    } else {
        Some(text)
    };
    match (tokens, window) {
        (Some(tokens), Some(window)) => (Some(tokens.min(window.max(OVERHEAD))), 0),
        (tokens, window) => (tokens.or(window), 0),
    }
}

/// Pictures of a request.
#[derive(Default)]
struct Media {
    images: u64,
    /// Bytes of the body that are pictures.
    inline: u64,
}

/// What beside text is in a request; `None`: something whose tokens nothing bounds.
fn media(request: &ChatRequest, intake: &Intake) -> Option<Media> {
    let mut media = Media::default();
    let parts = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.parts));
    for part in parts {
        add(part, intake, &mut media)?;
    }
    Some(media)
}

fn add(part: &Part, intake: &Intake, media: &mut Media) -> Option<()> {
    match &part.content {
        Content::Image { source, .. } => {
            media.images += 1;
            if let Source::Base64 { data, .. } = source {
                media.inline += intake.bytes_of(data.as_bytes());
            }
        }
        Content::ToolResult(result) => {
            for part in &result.parts {
                add(part, intake, media)?;
            }
        }
        Content::Document { source: Source::Text(_), .. }
        | Content::Text { .. }
        | Content::Refusal(_)
        | Content::Reasoning { .. }
        | Content::RedactedReasoning(_)
        | Content::ToolCall(_) => {}
        Content::Document { .. } | Content::Audio { .. } | Content::Opaque { .. } => return None,
    }
    Some(())
}
