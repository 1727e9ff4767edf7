//! LM Studio: a local server.
//!
//! API: <https://lmstudio.ai/docs/developer/anthropic-compat>. Read 2026-11-22.
//!
//! The address is LM Studio's default. The key is sent if the configuration has one. Needs an entry in the
//! configuration: no variable turns it on. Older versions have no Anthropic route, and
//! none for Responses before 0.3.29 (<https://lmstudio.ai/blog/lmstudio-v0.3.29>, read 2026-11-26).
//!
//! Nobody bills what it makes, so an answer that nobody waits for is let go.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "lmstudio",
    name: "LM Studio",
    base_url: Some("http://127.0.0.1:1234/v1"),
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
    ],
    abort: AbortPolicy::Cancel,
    ..OPENAI_COMPATIBLE
};
