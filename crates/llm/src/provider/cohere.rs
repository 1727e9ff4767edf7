//! Cohere: chat and embeddings over the compatibility API.
//!
//! API: <https://docs.cohere.com/docs/compatibility-api>. Read 2026-11-22; `CO_API_KEY` is what Cohere's
//! own client reads.
//!
//! The compatibility API refuses `stream_options`. It reports raw tokens, where Cohere's own API bills
//! `billed_units`: costs are close, not exact. Rerankers are part of
//! its own API only (<https://docs.cohere.com/reference/rerank>, read 2026-11-26), which bills search units.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cohere",
    name: "Cohere",
    base_url: Some("https://api.cohere.ai/compatibility/v1"),
    key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        Route::of(RouteKind::Rerank, "https://api.cohere.com/v2/rerank"),
    ],
    takes_stream_options: false,
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
