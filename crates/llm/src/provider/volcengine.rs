//! Volcengine Ark: chat and embeddings (Doubao).
//!
//! API: <https://www.volcengine.com/docs/82379>. Base URL from the catalogue's provider list of 2026-11-22;
//! not verified on the vendor's pages.
//!
//! A model can be an endpoint of one's own (`ep-…`). Thinking comes as `reasoning_content`. Prices are
//! listed in yuan; those of the catalogue are conversions. The international twin, BytePlus ModelArk, lives
//! at `https://ark.ap-southeast.bytepluses.com/api/v3`.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "volcengine",
    name: "Volcengine Ark",
    base_url: Some("https://ark.cn-beijing.volces.com/api/v3"),
    key_variables: &["ARK_API_KEY", "VOLCENGINE_API_KEY"],
    ..OPENAI_COMPATIBLE
};
