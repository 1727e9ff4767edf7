//! xAI: chat and Responses (Grok).
//!
//! API: <https://docs.x.ai/docs/api-reference>. Key variable as in models.dev of 2026-08-18; the rest from
//! the catalogue's provider list of 2026-11-22. The Responses API is the one it prefers
//! (<https://docs.x.ai/guides/chat>, read 2026-11-26).
//!
//! `reasoning_tokens` come on top of `completion_tokens`. Reasoning models refuse `stop` and presence
//! penalties. Prompts above 200 000 tokens cost more. The Anthropic-compatible path is a leftover and not
//! used.
//!
//! Its models search in Responses only (<https://docs.x.ai/docs/guides/tools/overview>, as of 2026-11-26).
//!
//! Its Realtime speaks OpenAI's events and is billed by the second of sound and by the text message, which none of its events
//! tells (<https://docs.x.ai/developers/models/speech-to-speech>, read 2026-11-26): it is not served, since it could not be
//! charged.
//!
//! Pictures: <https://docs.x.ai/docs/guides/image-generations>, as of 2026-11-26.

use super::{AbortPolicy, ChatSearch, OPENAI_COMPATIBLE, OutputLimit, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "xai",
    name: "xAI",
    base_url: Some("https://api.x.ai/v1"),
    key_variables: &["XAI_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        usual::IMAGE_GENERATIONS,
    ],
    output_limit: OutputLimit::MaxCompletionTokens,
    chat_search: ChatSearch::Named(&[]),
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
