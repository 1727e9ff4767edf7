//! FriendliAI: chat (serverless endpoints).
//!
//! API: <https://friendli.ai/docs/guides/serverless_endpoints/introduction>. Base URL and key variable as
//! in models.dev of 2026-08-18, read 2026-11-22.
//!
//! Thinking stays in the text unless the caller sends `parse_reasoning`. A key that belongs to several
//! teams needs the header `X-Friendli-Team`.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "friendli",
    name: "FriendliAI",
    base_url: Some("https://api.friendli.ai/serverless/v1"),
    key_variables: &["FRIENDLI_TOKEN"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
