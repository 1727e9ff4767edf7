//! NVIDIA NIM: chat and embeddings (build.nvidia.com).
//!
//! API: <https://docs.api.nvidia.com/nim>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Trial credits with about 40 requests a minute; the catalogue marks every model as a free offer, which
//! has no price and must not be resold. Some embedding models want an `input_type`.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "nvidia",
    name: "NVIDIA NIM",
    base_url: Some("https://integrate.api.nvidia.com/v1"),
    key_variables: &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"],
    ..OPENAI_COMPATIBLE
};
