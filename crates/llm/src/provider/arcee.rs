//! Arcee AI: chat.
//!
//! API: <https://docs.arcee.ai>. Base URL and key variable as in models.dev of 2026-08-18, read 2026-11-22.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "arcee",
    name: "Arcee AI",
    base_url: Some("https://api.arcee.ai/api/v1"),
    key_variables: &["ARCEE_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    ..OPENAI_COMPATIBLE
};
