//! Mistral AI: chat and embeddings.
//!
//! API: <https://docs.mistral.ai/api>. Refusals as reported in
//! <https://github.com/openai/openai-agents-python/issues/442>, read 2026-11-22.
//!
//! Fields it does not know are refused with 422, among them `stream_options`, `max_completion_tokens` and
//! `seed` (theirs is `random_seed`); the last chunk of a stream brings the usage by itself. Ids of tool
//! calls must be nine letters or digits. Reasoning models answer with a list of parts.
//!
//! Endpoints in the EU and the US cost 10 % more: set `base_url` to `https://api.eu.mistral.ai/v1` or
//! `https://api.us.mistral.ai/v1`.
//!
//! Transcriptions (<https://docs.mistral.ai/capabilities/audio_transcription>) and moderations at the paths of OpenAI.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "mistral",
    name: "Mistral AI",
    base_url: Some("https://api.mistral.ai/v1"),
    key_variables: &["MISTRAL_API_KEY"],
    takes_stream_options: false,
    abort: AbortPolicy::Drain,
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::MODERATIONS,
        usual::TRANSCRIPTIONS,
    ],
    ..OPENAI_COMPATIBLE
};
