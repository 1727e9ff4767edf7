//! Berget AI: chat and embeddings, hosted in Sweden.
//!
//! API: <https://api.berget.ai>. Base URL and key variable as in models.dev of 2026-08-18, read 2026-11-22.
//!
//! Prices are listed in euros; those of the catalogue are conversions.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "berget",
    name: "Berget AI",
    base_url: Some("https://api.berget.ai/v1"),
    key_variables: &["BERGET_API_KEY"],
    ..OPENAI_COMPATIBLE
};
