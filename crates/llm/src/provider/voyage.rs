//! Voyage AI: embeddings and rankings.
//!
//! API: <https://docs.voyageai.com/reference/embeddings-api> and <https://docs.voyageai.com/reference/reranker-api>, read
//! 2026-11-26; `VOYAGE_API_KEY` is what its own client reads. Keys that were made in MongoDB Atlas want
//! `base_url = "https://ai.mongodb.com/v1"`.
//!
//! No conversations. Its words are OpenAI's but for some, and what it does not know it refuses. Both bill tokens; a ranking
//! counts its question once for each document. Pictures and contexts have endpoints of their own, which are not asked.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "voyage",
    name: "Voyage AI",
    base_url: Some("https://api.voyageai.com/v1"),
    key_variables: &["VOYAGE_API_KEY"],
    routes: &[Route::embeddings("/embeddings").shaped(Shape::Voyage), usual::RERANK.shaped(Shape::Voyage)],
    ..OPENAI_COMPATIBLE
};
