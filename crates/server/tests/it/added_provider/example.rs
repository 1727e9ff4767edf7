//! Example: chat and embeddings.
//!
//! API: <https://docs.example.com/api>. Read 2026-11-22.
//!
//! Refuses `stream_options`; usage comes with the last chunk by itself.

use llm::provider::{OPENAI_COMPATIBLE, ProviderSpec};

pub static SPEC: ProviderSpec = ProviderSpec {
    kind: "example",
    name: "Example AI",
    base_url: Some("https://api.example.com/v1"),
    key_variables: &["EXAMPLE_API_KEY"],
    takes_stream_options: false,
    ..OPENAI_COMPATIBLE
};
