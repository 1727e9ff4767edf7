//! Scaleway Generative APIs: chat and embeddings, hosted in France.
//!
//! API: <https://www.scaleway.com/en/docs/generative-apis>. Base URL and key variable as in models.dev of
//! 2026-08-18, read 2026-11-22.
//!
//! A project's own path is `https://api.scaleway.ai/<project id>/v1`: set `base_url`. Prices are listed in
//! euros; those of the catalogue are conversions.
//!
//! Sound: from the catalogue's provider list of 2026-11-22.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "scaleway",
    name: "Scaleway Generative APIs",
    base_url: Some("https://api.scaleway.ai/v1"),
    key_variables: &["SCALEWAY_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::TRANSCRIPTIONS,
    ],
    ..OPENAI_COMPATIBLE
};
