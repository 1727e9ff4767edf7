//! Google Gemini API: chat and embeddings over the OpenAI-compatible path.
//!
//! API: <https://ai.google.dev/gemini-api/docs/openai>. Read 2026-11-22.
//!
//! Thinking tokens are counted in `total_tokens` and not in `completion_tokens`. Thought signatures of tool
//! calls travel in `extra_content` and must go back. Users in the EEA, Switzerland and the United Kingdom
//! may only be served with a paid key.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "google",
    name: "Google Gemini API",
    base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
    key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
