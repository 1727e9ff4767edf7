//! vLLM: a server of one's own.
//!
//! API: <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>. Default port as documented
//! there; not verified again.
//!
//! The address is the default of `vllm serve`. The key is sent if the configuration has one. Needs an entry
//! in the configuration: no variable turns it on. Older versions have no Anthropic route, and
//! none for Responses, which serve text (<https://docs.vllm.ai/en/stable/serving/online_serving.html>, read
//! 2026-11-26).
//!
//! Generation ends when the caller leaves (<https://github.com/vllm-project/vllm/pull/32442>, read 2026-11-26).
//!
//! Completions, rerankers and sound: <https://docs.vllm.ai/en/v0.32.0/serving/online_serving>, read 2026-11-26.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "vllm",
    name: "vLLM",
    base_url: Some("http://127.0.0.1:8000/v1"),
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        Route::chat(Protocol::AnthropicMessages, "/messages"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
        usual::RERANK,
        usual::TRANSCRIPTIONS,
        usual::TRANSLATIONS,
    ],
    abort: AbortPolicy::Cancel,
    ..OPENAI_COMPATIBLE
};
