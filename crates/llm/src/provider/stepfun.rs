//! StepFun: chat and Anthropic messages.
//!
//! API: <https://platform.stepfun.com/docs>. Base URL and key variable as in models.dev of 2026-08-18, read
//! 2026-11-22.
//!
//! Thinking comes as `reasoning`. The international host is `https://api.stepfun.ai/v1`. Prices are listed
//! in yuan; those of the catalogue are conversions. The path of the Anthropic route is not verified.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "stepfun",
    name: "StepFun",
    base_url: Some("https://api.stepfun.com/v1"),
    key_variables: &["STEPFUN_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
    ],
    ..OPENAI_COMPATIBLE
};
