//! llama.cpp server: a local server.
//!
//! API: <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>. Default port as documented there;
//! not verified again.
//!
//! The address is the default of `llama-server`. The key is sent if the configuration has one. Needs an
//! entry in the configuration: no variable turns it on. Embeddings need the server's `--embeddings`. Older
//! builds have no Anthropic route.
//!
//! Generation ends when the caller leaves (<https://github.com/ggml-org/llama.cpp/pull/24630>, read 2026-11-26).

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "llamacpp",
    name: "llama.cpp server",
    base_url: Some("http://127.0.0.1:8080/v1"),
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
    ],
    abort: AbortPolicy::Cancel,
    ..OPENAI_COMPATIBLE
};
