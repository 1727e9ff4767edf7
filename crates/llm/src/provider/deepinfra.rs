//! DeepInfra: chat, embeddings and Anthropic messages.
//!
//! API: <https://docs.deepinfra.com>. OpenAI base URL read there on 2026-11-22; the Anthropic one is from
//! the catalogue's provider list and not verified.
//!
//! The base URL is the root shared by `/v1/openai` and `/anthropic`. Thinking comes as `reasoning_content`;
//! `usage.estimated_cost` is theirs and is not used.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "deepinfra",
    name: "DeepInfra",
    base_url: Some("https://api.deepinfra.com"),
    key_variables: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/v1/openai/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
        Route::embeddings("/v1/openai/embeddings"),
        Route::of(RouteKind::Completions, "/v1/openai/completions"),
        Route::of(RouteKind::ImageGenerations, "/v1/openai/images/generations"),
    ],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
