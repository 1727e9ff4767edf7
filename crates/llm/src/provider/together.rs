//! Together AI: chat and embeddings.
//!
//! API: <https://docs.together.ai>. Key variable as in models.dev of 2026-08-18; base URL from the
//! catalogue's provider list of 2026-11-22.
//!
//! Model ids are case-sensitive. Thinking comes as `reasoning` or `reasoning_content`, by model. Prompts
//! are kept unless the organization turns that off.
//!
//! Pictures and sound at the paths of OpenAI, from the catalogue's provider list of 2026-11-22.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route, usual};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "together",
    name: "Together AI",
    base_url: Some("https://api.together.xyz/v1"),
    key_variables: &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"],
    abort: AbortPolicy::CancelStreams,
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
        usual::IMAGE_GENERATIONS,
        usual::SPEECH,
        usual::TRANSCRIPTIONS,
    ],
    ..OPENAI_COMPATIBLE
};
