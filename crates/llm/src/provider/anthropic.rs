//! Anthropic: the Messages API.
//!
//! API: <https://platform.claude.com/docs/en/api/messages>, read 2026-11-22. The version header
//! `anthropic-version: 2023-06-01` is sent when the caller names none. A `thinking` block that Anthropic has not
//! signed is refused: <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>, read 2026-11-22.
//!
//! Its tiers of service and the default region of a workspace: see [`crate::terms`].

use super::{AbortPolicy, Auth, OPENAI_COMPATIBLE, ProviderSpec, Regions, Route, ServiceTiers};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "anthropic",
    name: "Anthropic",
    base_url: Some("https://api.anthropic.com"),
    auth: Auth::Header("x-api-key"),
    key_variables: &["ANTHROPIC_API_KEY"],
    routes: &[
        Route::chat(Protocol::AnthropicMessages, "/v1/messages"),
        Route::count_tokens(Protocol::AnthropicMessages, "/v1/messages/count_tokens"),
    ],
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::CancelStreams,
    service_tiers: ServiceTiers::OnePrice,
    regions: Regions::AccountDecides,
    ..OPENAI_COMPATIBLE
};
