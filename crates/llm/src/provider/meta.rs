//! Meta Model API: chat and Anthropic messages (Muse).
//!
//! API: <https://dev.meta.ai/docs>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Not the Llama API, which ended in July 2026. `MODEL_API_KEY`, the name in Meta's own guides, is too
//! common a word to switch a provider on: name the key in the configuration, or use `META_MODEL_API_KEY`.
//! The path of the Anthropic route is not verified.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "meta",
    name: "Meta Model API",
    base_url: Some("https://api.meta.ai/v1"),
    key_variables: &["META_MODEL_API_KEY", "META_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
    ],
    ..OPENAI_COMPATIBLE
};
