//! Regolo.ai: chat and embeddings, hosted in Italy.
//!
//! API: <https://docs.regolo.ai>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Prices are listed in euros; those of the catalogue are conversions.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "regolo",
    name: "Regolo.ai",
    base_url: Some("https://api.regolo.ai/v1"),
    key_variables: &["REGOLO_API_KEY"],
    ..OPENAI_COMPATIBLE
};
