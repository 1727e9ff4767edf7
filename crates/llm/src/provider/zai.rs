//! Z.ai: chat and Anthropic messages (GLM, international).
//!
//! API: <https://docs.z.ai>. OpenAI base URL as in models.dev of 2026-08-18; the Anthropic one from the
//! catalogue's provider list of 2026-11-22.
//!
//! The base URL is the root shared by `/api/paas/v4` and `/api/anthropic`. Keys of the coding plan use
//! another path and are not for gateways. Thinking comes as `reasoning_content`; arguments of tool calls
//! stream only with `tool_stream`.
//!
//! `response_format` knows `text` and `json_object`
//! (<https://docs.z.ai/api-reference/llm/chat-completion>, as of 2026-11-26).

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "zai",
    name: "Z.ai",
    base_url: Some("https://api.z.ai"),
    key_variables: &["ZAI_API_KEY", "Z_AI_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/api/paas/v4/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/api/anthropic/v1/messages"),
    ],
    takes_schema: false,
    ..OPENAI_COMPATIBLE
};
