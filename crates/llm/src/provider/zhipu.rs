//! Zhipu BigModel: chat, embeddings and Anthropic messages (GLM, China).
//!
//! API: <https://docs.bigmodel.cn>. OpenAI base URL and key variable as in models.dev of 2026-08-18; the
//! other paths are not verified.
//!
//! The base URL is the root shared by `/api/paas/v4` and `/api/anthropic`. Prices are listed in yuan; those
//! of the catalogue are conversions.
//!
//! `response_format` knows `text` and `json_object`
//! (<https://docs.z.ai/api-reference/llm/chat-completion>, as of 2026-11-26).

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "zhipu",
    name: "Zhipu BigModel",
    base_url: Some("https://open.bigmodel.cn"),
    key_variables: &["ZHIPU_API_KEY", "ZHIPUAI_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/api/paas/v4/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/api/anthropic/v1/messages"),
        Route::embeddings("/api/paas/v4/embeddings"),
    ],
    takes_schema: false,
    ..OPENAI_COMPATIBLE
};
