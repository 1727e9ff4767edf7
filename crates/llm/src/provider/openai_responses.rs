//! OpenAI by its Responses API alone.
//!
//! The same account and models as `openai`, which is asked in the protocol of its caller; here callers of any protocol
//! reach the models through Responses. The reference product's name for that is this kind's, and its documents send
//! PDFs and web search this way. API: <https://developers.openai.com/api/reference/resources/responses>, read
//! 2026-11-26; the rest as in `openai`.

use super::{ProviderSpec, Route, openai};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "openai-responses",
    catalog: Some("openai"),
    name: "OpenAI (Responses)",
    routes: &[Route::RESPONSES, Route::count_tokens(Protocol::OpenAiResponses, "/responses/input_tokens")],
    ..openai::SPEC
};
