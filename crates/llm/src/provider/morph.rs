//! Morph: chat (models that apply edits).
//!
//! API: <https://docs.morphllm.com>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Edit models take `<instruction>`, `<code>` and `<update>` in one user message, no tools and no sampling
//! settings. Whether `stream_options` is taken is not known.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "morph",
    name: "Morph",
    base_url: Some("https://api.morphllm.com/v1"),
    key_variables: &["MORPH_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    takes_stream_options: false,
    ..OPENAI_COMPATIBLE
};
