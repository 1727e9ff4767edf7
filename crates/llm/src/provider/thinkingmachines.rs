//! Thinking Machines: Anthropic messages (Tinker inference, beta).
//!
//! API: <https://tinker-docs.thinkingmachines.ai/inference/anthropic/>. Read 2026-11-22.
//!
//! Models are Tinker's own and one's checkpoints (`tinker://…`). The OpenAI-compatible path
//! `/services/tinker-prod/oai/api/v1` wants a bearer key instead: use kind `openai-compatible` for it.

use super::{Auth, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "thinkingmachines",
    name: "Thinking Machines",
    base_url: Some("https://tinker.thinkingmachines.dev/services/tinker-prod/anthropic/api"),
    auth: Auth::Header("x-api-key"),
    key_variables: &["TINKER_API_KEY"],
    routes: &[
        Route::chat(Protocol::AnthropicMessages, "/v1/messages"),
        Route::count_tokens(Protocol::AnthropicMessages, "/v1/messages/count_tokens"),
    ],
    ..OPENAI_COMPATIBLE
};
