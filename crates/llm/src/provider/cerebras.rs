//! Cerebras: chat.
//!
//! API: <https://inference-docs.cerebras.ai>. Key variable as in models.dev of 2026-08-18; base URL from
//! the catalogue's provider list of 2026-11-22.
//!
//! Refuses frequency and presence penalties and `logit_bias`. Thinking comes as `message.reasoning`;
//! `reasoning_content` in a message is answered with 400
//! (<https://github.com/Kilo-Org/kilocode/issues/10375>, read 2026-11-22).

use super::{OPENAI_COMPATIBLE, OutputLimit, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "cerebras",
    name: "Cerebras",
    base_url: Some("https://api.cerebras.ai/v1"),
    key_variables: &["CEREBRAS_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    ..OPENAI_COMPATIBLE
};
