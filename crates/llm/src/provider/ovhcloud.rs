//! OVHcloud AI Endpoints: chat and embeddings, hosted in France.
//!
//! API: <https://www.ovhcloud.com/en/public-cloud/ai-endpoints/catalog>. Base URL and key variable as in
//! models.dev of 2026-08-18, read 2026-11-22.
//!
//! Prices are listed in euros; those of the catalogue are conversions.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "ovhcloud",
    name: "OVHcloud AI Endpoints",
    base_url: Some("https://oai.endpoints.kepler.ai.cloud.ovh.net/v1"),
    key_variables: &["OVHCLOUD_API_KEY", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"],
    ..OPENAI_COMPATIBLE
};
