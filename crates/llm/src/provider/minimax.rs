//! MiniMax: chat and Anthropic messages.
//!
//! API: <https://platform.minimax.io/docs>. Anthropic base URL and key variable as in models.dev of
//! 2026-08-18, read 2026-11-22.
//!
//! The base URL is the root shared by `/v1` and `/anthropic`; the host in China is
//! `https://api.minimaxi.com`. Thinking stays in the text as `<think>` unless the caller sends
//! `reasoning_split`, and must go back whole in tool loops. An error can come with status 200, in
//! `base_resp.status_code`. The embeddings API has a shape of its own.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "minimax",
    name: "MiniMax",
    base_url: Some("https://api.minimax.io"),
    key_variables: &["MINIMAX_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/v1/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/anthropic/v1/messages"),
    ],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
