//! Google Gemini API: conversations and embeddings in its own protocol.
//!
//! API: <https://ai.google.dev/api/generate-content> and <https://ai.google.dev/api/embeddings>, read 2026-11-26. The key stands
//! in `x-goog-api-key`.
//!
//! Embeddings are asked for in a batch, as Google's own SDKs do. Newer models tell their tokens; of others they are
//! estimated. Its OpenAI-compatible path is not used: it knows no purpose of a vector. Shortened vectors of
//! `gemini-embedding-001` are not of length one (<https://docs.znapai.com/gemini-embedding>, which restates Google's guide, read
//! 2026-11-26).
//!
//! Imagen's pictures (`:predict`) are not asked for: all of its models were shut down in 2026
//! (<https://firebase.google.com/docs/ai-logic/imagen-models-migration>, read 2026-11-26). Its successors answer in conversations.
//!
//! Users in the EEA, Switzerland and the United Kingdom may only be served with a paid key.

use super::{AbortPolicy, Auth, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::{Protocol, Shape};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "google",
    name: "Google Gemini API",
    base_url: Some("https://generativelanguage.googleapis.com"),
    auth: Auth::Header("x-goog-api-key"),
    key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    routes: &[
        Route::chat(Protocol::Gemini, "/v1beta/models/{model}:generateContent")
            .streamed_at("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        Route::count_tokens(Protocol::Gemini, "/v1beta/models/{model}:countTokens"),
        Route::embeddings("/v1beta/models/{model}:batchEmbedContents").shaped(Shape::GeminiBatch),
        Route::embeddings("/v1beta/models/{model}:embedContent").shaped(Shape::GeminiEmbed),
    ],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
