//! Cohere: chat over the compatibility API, embeddings and rankings in its own.
//!
//! API: <https://docs.cohere.com/docs/compatibility-api>. Read 2026-11-22; `CO_API_KEY` is what Cohere's
//! own client reads.
//!
//! The compatibility API refuses `stream_options`. It reports raw tokens, where Cohere's own API bills
//! `billed_units`: costs of chats are close, not exact. Embeddings and rankings are asked of its own API
//! (<https://docs.cohere.com/reference/embed>, <https://docs.cohere.com/reference/rerank>, read 2026-11-26), which tells what it
//! bills: tokens, search units.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::{Protocol, Shape};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cohere",
    name: "Cohere",
    base_url: Some("https://api.cohere.ai/compatibility/v1"),
    key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("https://api.cohere.com/v2/embed").shaped(Shape::Cohere),
        Route::of(RouteKind::Rerank, "https://api.cohere.com/v2/rerank"),
    ],
    takes_stream_options: false,
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
