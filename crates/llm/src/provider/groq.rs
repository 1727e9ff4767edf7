//! Groq: chat and Responses.
//!
//! API: <https://console.groq.com/docs/openai>. Key variable as in models.dev of 2026-08-18; base URL from
//! the catalogue's provider list of 2026-11-22. Responses are in beta and keep no state
//! (<https://console.groq.com/docs/responses-api>, read 2026-11-26).
//!
//! Refuses `logprobs`, `logit_bias` and, on most models, `n` above 1. Thinking comes as `message.reasoning`
//! with `reasoning_format: "parsed"`; `reasoning_content` in a message is answered with 400
//! (<https://github.com/janhq/jan/issues/8136>, read 2026-11-22). A tool call that the model garbled is answered with 400 and
//! `failed_generation`.
//!
//! `flex` costs as much as `on_demand`, and `performance` is capacity paid in advance:
//! <https://console.groq.com/docs/flex-processing> and <https://console.groq.com/docs/performance-tier>, read 2026-11-26.
//!
//! Sound: <https://console.groq.com/docs/speech-to-text>; the paths from the catalogue's provider list of 2026-11-22.

use super::{AbortPolicy, OPENAI_COMPATIBLE, OutputLimit, ProviderSpec, Route, ServiceTiers, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "groq",
    name: "Groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    key_variables: &["GROQ_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        usual::SPEECH,
        usual::TRANSCRIPTIONS,
        usual::TRANSLATIONS,
    ],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::Drain,
    service_tiers: ServiceTiers::OnePrice,
    ..OPENAI_COMPATIBLE
};
