//! Google Gemini API: conversations in its own protocol, embeddings over the OpenAI-compatible path.
//!
//! API: <https://ai.google.dev/api/generate-content> and <https://ai.google.dev/gemini-api/docs/openai>, read 2026-11-26.
//! The key stands in `x-goog-api-key`, and as a bearer where OpenAI's protocol is spoken, which takes nothing else.
//!
//! Users in the EEA, Switzerland and the United Kingdom may only be served with a paid key.

use super::{AbortPolicy, Auth, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "google",
    name: "Google Gemini API",
    base_url: Some("https://generativelanguage.googleapis.com"),
    auth: Auth::HeaderOrBearer("x-goog-api-key"),
    key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    routes: &[
        Route::chat(Protocol::Gemini, "/v1beta/models/{model}:generateContent")
            .streamed_at("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        Route::count_tokens(Protocol::Gemini, "/v1beta/models/{model}:countTokens"),
        Route::embeddings("/v1beta/openai/embeddings"),
    ],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
