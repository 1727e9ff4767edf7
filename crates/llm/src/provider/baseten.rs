//! Baseten: chat and Anthropic messages (Model APIs).
//!
//! API: <https://docs.baseten.co/reference/inference-api/messages>. Read 2026-11-22.
//!
//! Both protocols take a bearer key; `x-api-key` is not read. Deployments of one's own have hosts of their
//! own: set `base_url`.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "baseten",
    name: "Baseten",
    base_url: Some("https://inference.baseten.co/v1"),
    key_variables: &["BASETEN_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
    ],
    ..OPENAI_COMPATIBLE
};
