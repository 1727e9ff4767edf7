//! OpenAI: Chat Completions and embeddings.
//!
//! API: <https://platform.openai.com/docs/api-reference/chat>, read 2026-11-22. Reasoning models refuse
//! `max_tokens` and want `max_completion_tokens`, which every current chat model takes. A field it does not
//! know is answered with 400.

use super::{AbortPolicy, OPENAI_COMPATIBLE, OutputLimit, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "openai",
    name: "OpenAI",
    base_url: Some("https://api.openai.com/v1"),
    key_variables: &["OPENAI_API_KEY"],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
