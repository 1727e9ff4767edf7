//! STACKIT AI Model Serving: chat and embeddings, hosted in Germany.
//!
//! API: <https://docs.stackit.cloud/products/data-and-ai/ai-model-serving>. Base URL and key variable as in
//! models.dev of 2026-08-18, read 2026-11-22.
//!
//! Prices are listed in euros; those of the catalogue are conversions.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "stackit",
    name: "STACKIT AI Model Serving",
    base_url: Some("https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1"),
    key_variables: &["STACKIT_API_KEY"],
    ..OPENAI_COMPATIBLE
};
