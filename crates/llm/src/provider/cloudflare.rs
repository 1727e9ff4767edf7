//! Cloudflare Workers AI: chat and embeddings.
//!
//! API: <https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/>, as of 2026-11-22. The account
//! is part of the address; `CLOUDFLARE_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN` are what its own tools read.
//!
//! Billed in neurons; the catalogue's prices are the published equivalents in tokens.

use super::{OPENAI_COMPATIBLE, Place, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cloudflare",
    name: "Cloudflare Workers AI",
    base_url: Some("https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1"),
    places: &[Place { name: "account_id", variables: &["CLOUDFLARE_ACCOUNT_ID"], default: None }],
    key_variables: &["CLOUDFLARE_API_TOKEN"],
    ..OPENAI_COMPATIBLE
};
