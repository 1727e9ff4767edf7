//! What a call may cost at the most, from its content and its model's dearest prices.
//!
//! A tokenizer that works on bytes cannot make more tokens than there are bytes, so the length of a body bounds
//! its text; where that is too much, and the model's tokenizer is known, its texts are counted. Pictures are
//! bounded by the dearest known; what cannot be bounded by itself (documents, sound, what a search finds) by the
//! longest prompt the model takes.

mod seen;

use super::intake::Intake;
use super::prepare::set_aside;
use super::{converse, media, nested, protocol_of, route_of, shape_of};
use crate::providers::Target;
use aho_corasick::AhoCorasick;
use domain::record::Operation;
use domain::{Ceiling, Demand, ModelPrice, Money, Price, RegionDemand, Terms, TierDemand, Unpriced, Usage};
use llm::Protocol;
use llm::ir::{Content, Part, Source};
use llm::protocol::Shape;
use llm::provider::{Route, RouteKind};
use llm::raw::RawObject;
use llm::server_tools;
use llm::terms::{Asked, ServiceTiers};
use llm::tokenizer::Tokenizer;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::sync::LazyLock;

/// What a provider adds to a prompt by itself: frames of messages, instructions for tools. Anthropic's dearest
/// tool instructions take 804 tokens
/// (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview>, read 2026-11-26).
pub(super) const OVERHEAD: u64 = 1_024;
/// The dearest picture known: gpt-4o-mini takes 2,833 tokens and 5,667 for each of at most eight tiles
/// (<https://platform.openai.com/docs/guides/images-vision>, read 2026-11-26).
pub(super) const IMAGE: u64 = 50_000;
/// Searches of a call under a hard limit that says nothing of them: Anthropic's own examples have five
/// (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool>, read 2026-11-26).
pub const SEARCHES_MAX: u64 = 5;
/// Shorter answers are of no use to anybody: where no more is affordable, a call is refused.
pub const OUTPUT_MIN: u64 = 256;
/// Tokens of an answer whose length nobody bounds; only where no hard limit applies.
const ASSUMED_OUTPUT: u64 = 4_096;

/// Tokens around each text of a request for vectors that are not in it: marks of its beginning and end, and what some
/// providers say before it (<https://docs.voyageai.com/reference/embeddings-api>, read 2026-11-26: eight words).
const INPUT_OVERHEAD: u64 = 32;

/// How a text tells that a body may hold more than text. An escaped letter may hide any of the others.
static HINTS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| any_of(&["\"image", "\"input_", "\"audio", "\"document", "\"file", "\"video", "\\u00"]));

/// The same for the items of OpenAI's Responses: pictures and files, what stands for content that is elsewhere, and what
/// the provider's own tools did.
static ITEM_HINTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    any_of(&[
        "\"input_image",
        "\"input_file",
        "\"input_audio",
        "_reference",
        "compaction",
        "computer_",
        "image_generation",
        "search_",
        "interpreter",
        "\"mcp_",
        "shell_call",
        "\"program",
        "\\u00",
    ])
});
/// The same for parts of Gemini's contents.
static PART_HINTS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| any_of(&["\"inline", "\"file", "\"executable", "\"codeExec", "\\u00"]));

/// All words in one pass. `None`: too many for a table, which these few are not.
fn any_of(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::new(words).ok()
}

/// Whether a text holds one of the words. Without a table it might.
fn holds(words: &Option<AhoCorasick>, raw: &[u8]) -> bool {
    words.as_ref().is_none_or(|words| words.is_match(raw))
}

/// What a call may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The dearest prices it can meet.
    pub ceiling: Ceiling,
    /// The terms it is asked for on.
    pub terms: Terms,
    /// What its request asks for or leaves open of them.
    pub demand: Demand,
    /// Its provider may serve it in a dearer tier, which nobody asks for.
    pub is_tier_open: bool,
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
    /// What is sold by the piece.
    pub pieces: Money,
    /// Tools are billed by figures that no price here covers, or the answer is made when nobody looks any more.
    pub has_other_charges: bool,
}

impl Bound {
    /// The whole call.
    pub fn cost(&self) -> Money {
        self.cost_of(self.output_tokens.saturating_mul(self.answers))
    }

    /// The call with so many tokens of all its answers together.
    pub fn cost_of(&self, output_tokens: u64) -> Money {
        self.ceiling.cost(self.input_tokens, output_tokens, self.web_searches) + self.pieces
    }

    /// The call without its answer.
    pub fn input_cost(&self) -> Money {
        self.ceiling.cost(self.input_tokens, 0, self.web_searches) + self.pieces
    }
}

/// Why a call has no bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPrice {
    /// The model has no price.
    Model,
    /// What this field asks for has none.
    Field(Unpriced),
}

/// The bound of a call, if its price is known. Where no hard limit applies, what hardly any call exceeds will do.
pub fn of(
    operation: Operation,
    intake: &Intake,
    target: &Target,
    is_limited: bool,
) -> Result<Bound, NoPrice> {
    let model = target.model.as_ref().ok_or(NoPrice::Model)?;
    let price = model.price.as_ref().ok_or(NoPrice::Model)?;
    if let Some(consumed) = media::consumed(operation, intake, target, is_limited) {
        return of_media(&consumed.most, price, demand(operation, &intake.body, target), target);
    }
    let window = Some(model.context_window).filter(|tokens| *tokens > 0);
    let rounds = server_tools::rounds(&intake.body, target.endpoint.route.protocol, &target.model_id);
    let is_embedding = route_of(operation) == RouteKind::Embeddings;
    let input =
        if is_embedding { of_inputs(operation, intake, window) } else { input(operation, intake, window) };
    let input = input.and_then(|tokens| match (rounds.looks, window) {
        (0, _) => Some(tokens),
        // Whatever was found, no look is at more than the model takes.
        (looks, window) => Some(tokens.saturating_add(window?.saturating_mul(looks))),
    });
    let limit = output_limit(operation, &intake.body).filter(|_| !target.provider.ignores_output_limit);
    let longest = Some(model.max_output_tokens).filter(|tokens| *tokens > 0).or(window);
    let output = match (limit, longest) {
        _ if is_embedding => Some(0),
        (Some(limit), Some(longest)) => Some(limit.min(longest)),
        (limit, longest) => limit.or(longest),
    };
    // A predicted answer is paid for where it was predicted wrongly.
    let predicted = intake.body.get("prediction").map_or(0, |raw| intake.bytes_of(raw));
    let input_tokens = input.unwrap_or(intake.bytes() + OVERHEAD);
    let demand = demand(operation, &intake.body, target);
    let ceiling = |demand| price.ceiling(input_tokens, demand).map_err(NoPrice::Field);
    let dearest = ceiling(demand)?;
    let named = Demand { tier: TierDemand::Standard, ..demand };
    Ok(Bound {
        ceiling: dearest,
        terms: served(demand, target),
        demand,
        is_tier_open: demand.tier == TierDemand::Any && ceiling(named)? != dearest,
        input_tokens,
        web_searches: rounds.searches,
        output_tokens: output.unwrap_or(ASSUMED_OUTPUT).saturating_add(predicted),
        answers: answers(operation, &intake.body),
        is_guess: input.is_none() || output.is_none(),
        pieces: Money::ZERO,
        has_other_charges: rounds.has_other_charges,
    })
}

/// The bound of a call that is no conversation.
fn of_media(most: &Usage, price: &ModelPrice, demand: Demand, target: &Target) -> Result<Bound, NoPrice> {
    let ceiling = price.ceiling(most.total_input(), demand).map_err(NoPrice::Field)?;
    let pieces = Usage {
        images: most.images,
        queries: most.queries,
        characters: most.characters,
        audio_ms: most.audio_ms,
        ..Usage::ZERO
    };
    let terms = served(demand, target);
    Ok(Bound {
        // Counted with the tokens.
        pieces: ModelPrice { per_request: Price::ZERO, ..price.clone() }
            .cost(&pieces, Terms::default())
            .unwrap_or(Money::ZERO),
        ceiling,
        terms,
        demand,
        is_tier_open: false,
        input_tokens: most.total_input(),
        web_searches: 0,
        output_tokens: most.total_output(),
        answers: 1,
        has_other_charges: false,
        is_guess: false,
    })
}

/// What the same call may cost once more, with so much more in its prompt: bytes, which are no fewer than tokens.
/// `None`: no price is known for that.
pub fn again(first: &Bound, target: &Target, more_input: u64) -> Option<Money> {
    let input_tokens = first.input_tokens.saturating_add(more_input);
    let ceiling = target.model.as_ref()?.price.as_ref()?.ceiling(input_tokens, first.demand).ok()?;
    Some(Bound { input_tokens, ceiling, ..*first }.cost())
}

/// How many answers are asked for. OpenAI's older shape takes several prompts, and may make more than it shows.
fn answers(operation: Operation, body: &RawObject) -> u64 {
    let asked = match protocol_of(operation) {
        Protocol::Gemini => nested::candidate_count(body),
        Protocol::BedrockConverse => converse::answers(body),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::CohereChat => number(body, "n"),
    };
    let shown = asked.unwrap_or(1).max(1);
    if operation != Operation::Completions {
        return shown;
    }
    let made = shown.max(number(body, "best_of").unwrap_or(1));
    let prompts = body.get("prompt").and_then(|raw| serde_json::from_slice::<Vec<&RawValue>>(raw).ok());
    // A list of numbers is one prompt in tokens.
    let is_several = |prompts: &Vec<&RawValue>| prompts.iter().any(|one| one.get().starts_with(['"', '[']));
    made.saturating_mul(prompts.filter(is_several).map_or(1, |prompts| prompts.len() as u64))
}

/// Limits how often a provider may search, where nobody does. Whether it had to.
pub fn limit_searches(operation: Operation, intake: &mut Intake, target: &Target) -> bool {
    let provider = target.endpoint.route.protocol;
    server_tools::limit_for(provider, protocol_of(operation), &mut intake.body, SEARCHES_MAX)
}

/// Whether the answer is made in the background, also when nobody waits for it.
pub fn is_in_background(operation: Operation, body: &RawObject) -> bool {
    let is_asked = |raw: &[u8]| !matches!(raw, b"false" | b"null");
    operation == Operation::Responses && body.get("background").is_some_and(is_asked)
}

/// Whether it may help to count the tokens of a call that does not fit `left`.
pub fn may_count(bound: &Bound, operation: Operation, intake: &Intake, target: &Target, left: Money) -> bool {
    let output = bound.output_tokens.min(OUTPUT_MIN).saturating_mul(bound.answers);
    intake.saved_bytes.is_none()
        && route_of(operation) == RouteKind::Chat
        && tokenizer(target).is_some()
        && bound.ceiling.cost(0, output, bound.web_searches) <= left
}

/// Counts the tokens of a call's texts. Slow, see [`Tokenizer`].
pub fn count(operation: Operation, intake: &mut Intake, target: &Target) {
    let request = protocol_of(operation).decode_request(&intake.body.to_bytes());
    let saved = tokenizer(target).zip(request.ok()).map(|(it, request)| it.saved_bytes(&request));
    intake.saved_bytes = Some(saved.unwrap_or(0));
}

fn tokenizer(target: &Target) -> Option<Tokenizer> {
    Tokenizer::of(target.provider.spec.kind, &target.model_id)
}

/// The terms that count where the answer tells none.
pub fn terms(operation: Operation, body: &RawObject, target: &Target) -> Terms {
    served(demand(operation, body, target), target)
}

fn served(demand: Demand, target: &Target) -> Terms {
    let terms = demand.terms();
    Terms { is_regional: terms.is_regional || target.is_regional, ..terms }
}

fn demand(operation: Operation, body: &RawObject, target: &Target) -> Demand {
    let spec = target.provider.spec;
    // A field of another protocol asks for nothing.
    let tier = match protocol_of(operation) {
        Protocol::Gemini | Protocol::BedrockConverse => body.get("serviceTier"),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::CohereChat => body.get("service_tier"),
    };
    let asked = Asked {
        service_tier: tier.map(converse::tier_word),
        speed: match target.endpoint.route {
            Route { kind: RouteKind::Chat, protocol: Protocol::BedrockConverse, .. } => {
                converse::latency_word(body)
            }
            // How fast somebody speaks is another thing, and costs nothing.
            route => body.get("speed").filter(|_| route.kind == RouteKind::Chat),
        },
        inference_geo: body.get("inference_geo"),
    };
    let demand = llm::terms::demand(spec.service_tiers, spec.regions, asked);
    match demand.region {
        RegionDemand::Anywhere if target.is_regional => Demand { region: RegionDemand::Perhaps, ..demand },
        RegionDemand::Anywhere | RegionDemand::Perhaps | RegionDemand::Named => demand,
    }
}

/// Asks for the ordinary tier of service, so that its provider chooses no dearer one.
pub fn ask_for_standard_tier(operation: Operation, body: &mut RawObject, target: &Target) {
    match (target.provider.spec.service_tiers, protocol_of(operation)) {
        (ServiceTiers::AccountDecides, Protocol::OpenAiChat | Protocol::OpenAiResponses) => {
            body.set_string("service_tier", "default");
        }
        (ServiceTiers::AccountDecides, Protocol::AnthropicMessages) => {
            body.set_string("service_tier", "standard_only");
        }
        (ServiceTiers::AccountDecides, Protocol::Gemini) => {
            body.remove("service_tier");
            body.set_string("serviceTier", "standard");
        }
        (ServiceTiers::AccountDecides, Protocol::BedrockConverse) => converse::set_tier(body, "default"),
        // There it is what a request gets that asks for none.
        (ServiceTiers::Named | ServiceTiers::OnePrice, _)
        | (ServiceTiers::AccountDecides, Protocol::CohereChat) => {
            body.remove("service_tier");
            body.remove("serviceTier");
        }
    }
}

/// The field that bounds the answer, as the request has it.
pub fn output_limit_field(operation: Operation, body: &RawObject) -> Option<&'static str> {
    let fields: &[&'static str] = match protocol_of(operation) {
        Protocol::OpenAiResponses => &["max_output_tokens"],
        Protocol::OpenAiChat | Protocol::AnthropicMessages => &["max_completion_tokens", "max_tokens"],
        // There it stands within `generationConfig` and `inferenceConfig`, and nobody calls in Cohere's.
        Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat => &[],
    };
    fields.iter().copied().find(|field| number(body, field).is_some())
}

fn output_limit(operation: Operation, body: &RawObject) -> Option<u64> {
    if protocol_of(operation) == Protocol::Gemini {
        return nested::max_output_tokens(body);
    }
    if protocol_of(operation) == Protocol::BedrockConverse {
        return converse::max_output_tokens(body);
    }
    output_limit_field(operation, body).and_then(|field| number(body, field))
}

fn number(body: &RawObject, field: &str) -> Option<u64> {
    body.get(field).and_then(|raw| serde_json::from_slice(raw).ok())
}

/// Tokens of the prompt itself at the most, where something bounds them.
fn input(operation: Operation, intake: &Intake, window: Option<u64>) -> Option<u64> {
    let body = &intake.body;
    let bytes = intake.bytes();
    let may_hold_more = |field| body.get(field).is_some_and(|raw| holds(&HINTS, raw));
    let text = bytes.saturating_sub(intake.saved_bytes.unwrap_or(0)) + OVERHEAD;
    let may_be_media = |field| body.get(field).is_some_and(|raw| holds(&PART_HINTS, raw));
    let is_more_than_text = match protocol_of(operation) {
        Protocol::OpenAiResponses if rests_on_state(body) => return window,
        Protocol::OpenAiResponses => body.get("input").is_some_and(|raw| holds(&ITEM_HINTS, raw)),
        // What Google keeps is a part of the prompt, and nobody here knows how long it is.
        Protocol::Gemini if body.get("cachedContent").or(body.get("cached_content")).is_some() => {
            return window;
        }
        Protocol::Gemini => {
            ["contents", "systemInstruction", "system_instruction"].into_iter().any(may_be_media)
        }
        Protocol::OpenAiChat
        | Protocol::AnthropicMessages
        | Protocol::BedrockConverse
        | Protocol::CohereChat => may_hold_more("messages") || may_hold_more("system"),
    };
    let tokens = if is_more_than_text {
        media(operation, intake).map(|media| text.saturating_sub(media.inline) + media.images * IMAGE)
    } else {
        Some(text)
    };
    match (tokens, window) {
        (Some(tokens), Some(window)) => Some(tokens.min(window.max(OVERHEAD))),
        (tokens, window) => tokens.or(window),
    }
}

/// Tokens that vectors are made of at the most. Google's models take pictures and sound, each input no more of them than
/// a prompt may have; films, and what may be one, cost more than any price here tells. A title is sent with each input.
fn of_inputs(operation: Operation, intake: &Intake, window: Option<u64>) -> Option<u64> {
    let field = match shape_of(operation) {
        Some(Shape::GeminiEmbed) => "content",
        Some(Shape::GeminiBatch) => "requests",
        Some(_) | None => "input",
    };
    let Some(raw) = intake.body.get(field) else { return Some(intake.bytes() + OVERHEAD) };
    // A list of numbers is one input in tokens.
    let first = raw.trim_ascii_start().strip_prefix(b"[").and_then(|rest| rest.trim_ascii_start().first());
    let is_several = matches!(first, Some(b'"' | b'[' | b'{'));
    let listed = is_several.then(|| serde_json::from_slice::<Vec<IgnoredAny>>(raw).ok()).flatten();
    let inputs = listed.map_or(1, |inputs| inputs.len() as u64);
    let has_media = field != "input" && holds(&PART_HINTS, raw);
    if has_media {
        let is_bounded = if field == "requests" { seen::are_bounded(raw) } else { seen::is_bounded(raw) };
        return window.filter(|_| is_bounded).map(|window| window.saturating_mul(inputs));
    }
    let title = intake.body.get("title").map_or(0, |raw| raw.len() as u64);
    let around = INPUT_OVERHEAD.saturating_add(title);
    Some((intake.bytes() + OVERHEAD).saturating_add(inputs.saturating_mul(around)))
}

/// Whether the prompt is more than what stands in the request.
fn rests_on_state(body: &RawObject) -> bool {
    ["previous_response_id", "conversation", "prompt"]
        .iter()
        .any(|field| body.get(field).is_some_and(|raw| raw != b"null"))
}

/// Pictures of a request.
#[derive(Default)]
struct Media {
    images: u64,
    /// Bytes of the body that are pictures.
    inline: u64,
}

/// What beside text is in a request; `None`: something whose tokens nothing bounds.
fn media(operation: Operation, intake: &Intake) -> Option<Media> {
    // Of its texts nothing matters here.
    let (body, aside) = match set_aside(&intake.body) {
        Some((marked, aside)) => (marked, Some(aside)),
        None => (intake.body.to_bytes(), None),
    };
    // What cannot be read its provider will refuse; should it not, its longest prompt is the bound.
    let request = protocol_of(operation).decode_request(&body).ok()?;
    let bytes_of = |data: &str| {
        let aside = aside.as_ref().map_or(0, |aside| aside.bytes_behind(data.as_bytes()));
        intake.bytes_of(data.as_bytes()) + aside as u64
    };
    let mut media = Media::default();
    let parts = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.parts));
    for part in parts {
        add(part, &bytes_of, &mut media)?;
    }
    Some(media)
}

fn add(part: &Part, bytes_of: &impl Fn(&str) -> u64, media: &mut Media) -> Option<()> {
    match &part.content {
        Content::Image { source, .. } => {
            media.images += 1;
            if let Source::Base64 { data, .. } = source {
                media.inline += bytes_of(data);
            }
        }
        Content::ToolResult(result) => {
            for part in &result.parts {
                add(part, bytes_of, media)?;
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

#[cfg(test)]
mod tests;
