//! Cohere: chat and embeddings over the compatibility API.
//!
//! API: <https://docs.cohere.com/docs/compatibility-api>. Read 2026-11-22; `CO_API_KEY` is what Cohere's
//! own client reads.
//!
//! The compatibility API refuses `stream_options`. It reports raw tokens, where Cohere's own API bills
//! `billed_units`: costs are close, not exact. Rerank is not part of it.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cohere",
    name: "Cohere",
    base_url: Some("https://api.cohere.ai/compatibility/v1"),
    key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
    takes_stream_options: false,
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
