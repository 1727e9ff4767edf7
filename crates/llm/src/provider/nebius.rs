//! Nebius Token Factory: chat and embeddings.
//!
//! API: <https://docs.tokenfactory.nebius.com>. Base URL and key variable as in models.dev of 2026-08-18,
//! read 2026-11-22.
//!
//! The suffix `-fast` picks the faster, dearer flavour of a model.
//!
//! Pictures: from the catalogue's provider list of 2026-11-22.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "nebius",
    name: "Nebius Token Factory",
    base_url: Some("https://api.tokenfactory.nebius.com/v1"),
    key_variables: &["NEBIUS_API_KEY"],
    abort: AbortPolicy::Drain,
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
        usual::IMAGE_GENERATIONS,
    ],
    ..OPENAI_COMPATIBLE
};
