//! SambaNova Cloud: chat and embeddings.
//!
//! API: <https://docs.sambanova.ai>. Base URL from the catalogue's provider list of 2026-11-22; not
//! verified on the vendor's pages.
//!
//! Ignores or refuses `seed`, penalties and `logprobs`.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "sambanova",
    name: "SambaNova Cloud",
    base_url: Some("https://api.sambanova.ai/v1"),
    key_variables: &["SAMBANOVA_API_KEY"],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
