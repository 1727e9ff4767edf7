//! Fireworks AI: chat, embeddings and Anthropic messages.
//!
//! API: <https://docs.fireworks.ai/tools-sdks/anthropic-compatibility>. Read 2026-11-22.
//!
//! Model ids are paths, `accounts/fireworks/models/…`. Some models cap `max_tokens` at 4096 unless the
//! answer is streamed. Thinking comes as `reasoning_content`.
//!
//! Completions at the path of OpenAI.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "fireworks",
    name: "Fireworks AI",
    base_url: Some("https://api.fireworks.ai/inference/v1"),
    key_variables: &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
    ],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
