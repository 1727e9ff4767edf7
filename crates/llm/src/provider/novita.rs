//! Novita AI: chat, embeddings and Anthropic messages.
//!
//! API: <https://novita.ai/docs>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! The base URL is the root shared by `/openai` and `/anthropic`. Thinking stays in the text unless the
//! caller sends `separate_reasoning`. The Anthropic path is from the catalogue's provider list and not
//! verified.
//!
//! Rerankers at the path of Cohere; not verified.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "novita",
    name: "Novita AI",
    base_url: Some("https://api.novita.ai"),
    key_variables: &["NOVITA_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/openai/v1/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
        Route::embeddings("/openai/v1/embeddings"),
        usual::RERANK,
    ],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
