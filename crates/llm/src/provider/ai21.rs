//! AI21 Labs: chat (Jamba).
//!
//! API: <https://docs.ai21.com>. Base URL from the catalogue's provider list of 2026-11-22; not verified on
//! the vendor's pages.
//!
//! `stream_options` is not documented; the last chunk of a stream brings the usage by itself. A `documents`
//! field beside the messages grounds the answer and passes through. Answers are held to JSON, not to a schema
//! (<https://www.promptfoo.dev/docs/providers/ai21/>, read 2026-11-26).

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "ai21",
    name: "AI21 Labs",
    base_url: Some("https://api.ai21.com/studio/v1"),
    key_variables: &["AI21_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    takes_stream_options: false,
    abort: AbortPolicy::Drain,
    takes_schema: false,
    ..OPENAI_COMPATIBLE
};
