//! Cohere: chat, embeddings and rankings in its own protocol.
//!
//! API: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/embed>,
//! <https://docs.cohere.com/reference/rerank>. Read 2026-11-26; `CO_API_KEY` is what Cohere's own client reads.
//!
//! Its compatibility API (<https://docs.cohere.com/docs/compatibility-api>, read 2026-11-22) is not asked, also not for callers
//! of OpenAI's protocol: it tells raw tokens and not the `billed_units` that costs are exact by, and knows neither
//! documents nor citations, budgets of thought, or safety modes.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::{Protocol, Shape};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cohere",
    name: "Cohere",
    base_url: Some("https://api.cohere.com"),
    key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
    routes: &[
        Route::chat(Protocol::CohereChat, "/v2/chat"),
        Route::embeddings("/v2/embed").shaped(Shape::Cohere),
        Route::of(RouteKind::Rerank, "/v2/rerank"),
    ],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
