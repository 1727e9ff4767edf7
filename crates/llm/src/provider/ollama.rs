//! Ollama: a local server.
//!
//! API: <https://docs.ollama.com/api/anthropic-compatibility>. Read 2026-11-22.
//!
//! The address is Ollama's default. The key is sent if the configuration has one. Needs an entry in the
//! configuration: no variable turns it on. Older versions have no Anthropic route, and before 0.13.3 none for
//! Responses, which keep no state (<https://docs.ollama.com/api/openai-compatibility>, read 2026-11-26). For Ollama's
//! own cloud set `base_url` to `https://ollama.com/v1` and a key.
//!
//! Generation ends when the caller leaves (<https://github.com/ollama/ollama/issues/2876>, read 2026-11-26).

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "ollama",
    name: "Ollama",
    base_url: Some("http://127.0.0.1:11434/v1"),
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
    ],
    abort: AbortPolicy::Cancel,
    ..OPENAI_COMPATIBLE
};
