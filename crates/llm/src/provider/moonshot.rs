//! Moonshot AI: chat and Anthropic messages (Kimi).
//!
//! API: <https://platform.kimi.ai/docs>. OpenAI base URL and key variable as in models.dev of 2026-08-18,
//! read 2026-11-22.
//!
//! The base URL is the root shared by `/v1` and `/anthropic`; the host in China is
//! `https://api.moonshot.cn`. Thinking comes as `reasoning_content` and must stay in the history of
//! thinking models, whose temperature is fixed. Older models refuse a required tool choice. The usage of a
//! stream may sit in `choices[0].usage`.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "moonshot",
    name: "Moonshot AI",
    base_url: Some("https://api.moonshot.ai"),
    key_variables: &["MOONSHOT_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/v1/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
    ],
    ..OPENAI_COMPATIBLE
};
