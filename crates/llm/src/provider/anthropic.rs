//! Anthropic: the Messages API.
//!
//! API: <https://platform.claude.com/docs/en/api/messages>, read 2026-11-22. The version header
//! `anthropic-version: 2023-06-01` is sent when the caller names none. A `thinking` block that Anthropic has not
//! signed is refused: <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>, read 2026-11-22.

use super::{AbortPolicy, Auth, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "anthropic",
    name: "Anthropic",
    base_url: Some("https://api.anthropic.com"),
    auth: Auth::XApiKey,
    key_variables: &["ANTHROPIC_API_KEY"],
    routes: &[
        Route::chat(Protocol::AnthropicMessages, "/v1/messages"),
        Route::count_tokens(Protocol::AnthropicMessages, "/v1/messages/count_tokens"),
    ],
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
