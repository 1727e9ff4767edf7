//! DeepSeek: chat and Anthropic messages.
//!
//! API: <https://api-docs.deepseek.com/guides/anthropic_api>. Read 2026-11-22.
//!
//! Thinking comes as `reasoning_content` and must go back with tool results of the same turn. While a
//! request waits, comments (`: keep-alive`) keep the stream open. The prompt cache works by itself: hits
//! and misses are reported, writes cost nothing extra.
//!
//! Prices halve outside peak hours (`off_peak` in the catalogue); the gateway bills the peak price.
//!
//! Answers are held to JSON, not to a schema (<https://api-docs.deepseek.com/guides/json_mode>, read 2026-11-26).

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "deepseek",
    name: "DeepSeek",
    base_url: Some("https://api.deepseek.com"),
    key_variables: &["DEEPSEEK_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
    ],
    abort: AbortPolicy::CancelStreams,
    takes_schema: false,
    ..OPENAI_COMPATIBLE
};
