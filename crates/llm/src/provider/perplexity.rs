//! Perplexity: chat with web search (Sonar).
//!
//! API: <https://docs.perplexity.ai>. Key variable as in models.dev of 2026-08-18; the rest from the
//! catalogue's provider list of 2026-11-22.
//!
//! Roles must alternate and Sonar models call no tools. `stream_options` is not taken: every chunk brings
//! the usage, the last one counts. `reasoning_tokens` come on top of `completion_tokens`. A fee per request
//! depends on the size of the search context; the catalogue has that of the smallest, which is the default.
//! Its embeddings answer in a form of their own.

use super::{AbortPolicy, ChatSearch, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "perplexity",
    name: "Perplexity",
    base_url: Some("https://api.perplexity.ai"),
    key_variables: &["PERPLEXITY_API_KEY", "PPLX_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    takes_stream_options: false,
    abort: AbortPolicy::Drain,
    chat_search: ChatSearch::Always,
    ..OPENAI_COMPATIBLE
};
