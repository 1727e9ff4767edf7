//! Anything that speaks OpenAI's chat protocol: vLLM, llama.cpp, LM Studio, a company's own gateway.
//!
//! The configuration says where it is. Servers without authentication take any key, or none.

use super::{ChatSearch, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "openai-compatible",
    name: "OpenAI-compatible server",
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
        usual::RERANK,
        usual::MODERATIONS,
        usual::IMAGE_GENERATIONS,
        usual::IMAGE_EDITS,
        usual::SPEECH,
        usual::TRANSCRIPTIONS,
        usual::TRANSLATIONS,
        usual::REALTIME,
    ],
    chat_search: ChatSearch::Always,
    ..OPENAI_COMPATIBLE
};
