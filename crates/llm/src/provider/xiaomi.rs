//! Xiaomi MiMo: chat and Anthropic messages.
//!
//! API: <https://platform.xiaomimimo.com/docs/en-US/quick-start/first-api-call>. Read 2026-11-22.
//!
//! The base URL is the root shared by `/v1` and `/anthropic`. The vendor's examples limit answers with
//! `max_completion_tokens`. Thinking comes as `reasoning_content`.

use super::{OPENAI_COMPATIBLE, OutputLimit, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "xiaomi",
    name: "Xiaomi MiMo",
    base_url: Some("https://api.xiaomimimo.com"),
    key_variables: &["MIMO_API_KEY", "XIAOMI_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/v1/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
    ],
    output_limit: OutputLimit::MaxCompletionTokens,
    ..OPENAI_COMPATIBLE
};
