//! Jina AI: embeddings.
//!
//! API: <https://jina.ai/embeddings>. Base URL from the catalogue's provider list of 2026-11-22; not
//! verified on the vendor's pages.
//!
//! No conversations. The catalogue has no price of its embedding models.
//!
//! Rerankers: <https://jina.ai/reranker>, read 2026-11-26.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, usual};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "jina",
    name: "Jina AI",
    base_url: Some("https://api.jina.ai/v1"),
    key_variables: &["JINA_API_KEY"],
    routes: &[Route::embeddings("/embeddings"), usual::RERANK],
    ..OPENAI_COMPATIBLE
};
