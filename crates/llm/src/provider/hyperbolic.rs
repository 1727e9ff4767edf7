//! Hyperbolic: chat.
//!
//! API: <https://docs.hyperbolic.xyz>. Base URL from the catalogue's provider list of 2026-11-22; not
//! verified on the vendor's pages.
//!
//! The catalogue's models come from one old source: look at `/models` before relying on one.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "hyperbolic",
    name: "Hyperbolic",
    base_url: Some("https://api.hyperbolic.xyz/v1"),
    key_variables: &["HYPERBOLIC_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
