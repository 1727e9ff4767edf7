//! Nebius Token Factory: chat and embeddings.
//!
//! API: <https://docs.tokenfactory.nebius.com>. Base URL and key variable as in models.dev of 2026-08-18,
//! read 2026-11-22.
//!
//! The suffix `-fast` picks the faster, dearer flavour of a model.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "nebius",
    name: "Nebius Token Factory",
    base_url: Some("https://api.tokenfactory.nebius.com/v1"),
    key_variables: &["NEBIUS_API_KEY"],
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
