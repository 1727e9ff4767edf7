//! Regolo.ai: chat and embeddings, hosted in Italy.
//!
//! API: <https://docs.regolo.ai>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Prices are listed in euros; those of the catalogue are conversions.
//!
//! Pictures and rerankers: from the catalogue's provider list of 2026-11-22, not verified.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "regolo",
    name: "Regolo.ai",
    base_url: Some("https://api.regolo.ai/v1"),
    key_variables: &["REGOLO_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::IMAGE_GENERATIONS,
        usual::RERANK,
    ],
    ..OPENAI_COMPATIBLE
};
