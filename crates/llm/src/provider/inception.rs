//! Inception Labs: chat (Mercury).
//!
//! API: <https://docs.inceptionlabs.ai>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Diffusion models: a chunk of a stream can be a long block. `top_p` is not accepted.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "inception",
    name: "Inception Labs",
    base_url: Some("https://api.inceptionlabs.ai/v1"),
    key_variables: &["INCEPTION_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    ..OPENAI_COMPATIBLE
};
