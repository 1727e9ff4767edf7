//! SiliconFlow: chat, embeddings and Anthropic messages.
//!
//! API: <https://docs.siliconflow.com>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Thinking comes as `reasoning_content`. The host in China is `https://api.siliconflow.cn/v1`, with prices
//! in yuan. The path of the Anthropic route is from the catalogue's provider list and not verified.
//!
//! Rerankers: from the catalogue's provider list of 2026-11-22.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "siliconflow",
    name: "SiliconFlow",
    base_url: Some("https://api.siliconflow.com/v1"),
    key_variables: &["SILICONFLOW_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
        usual::RERANK,
    ],
    ..OPENAI_COMPATIBLE
};
