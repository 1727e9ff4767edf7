//! Upstage: chat and embeddings (Solar).
//!
//! API: <https://console.upstage.ai/docs>. Key variable as in models.dev of 2026-08-18; base URL from the
//! catalogue's provider list of 2026-11-22.
//!
//! The older path `/v1/solar` works as well.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "upstage",
    name: "Upstage",
    base_url: Some("https://api.upstage.ai/v1"),
    key_variables: &["UPSTAGE_API_KEY"],
    ..OPENAI_COMPATIBLE
};
