//! Together AI: chat and embeddings.
//!
//! API: <https://docs.together.ai>. Key variable as in models.dev of 2026-08-18; base URL from the
//! catalogue's provider list of 2026-11-22.
//!
//! Model ids are case-sensitive. Thinking comes as `reasoning` or `reasoning_content`, by model. Prompts
//! are kept unless the organization turns that off.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "together",
    name: "Together AI",
    base_url: Some("https://api.together.xyz/v1"),
    key_variables: &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"],
    abort: AbortPolicy::CancelStreams,
    ..OPENAI_COMPATIBLE
};
