//! Alibaba Cloud Model Studio: chat, embeddings and Anthropic messages (Qwen).
//!
//! API: <https://www.alibabacloud.com/help/en/model-studio/anthropic-api-messages>. Both base URLs read
//! there on 2026-11-22; key variable as in models.dev of 2026-08-18.
//!
//! The base URL is the root shared by `/compatible-mode` and `/apps/anthropic`. This is the international
//! edition; keys are bound to a region, so for the others set `base_url` to
//! `https://dashscope-us.aliyuncs.com` or `https://dashscope.aliyuncs.com` (China), or to the host of a
//! workspace.
//!
//! Hybrid models think only with `enable_thinking`; QwQ, QVQ and Omni models answer only when streaming.
//! Thinking comes as `reasoning_content`. The explicit cache is asked for with `cache_control` in messages,
//! as in Anthropic's protocol: <https://www.alibabacloud.com/help/en/model-studio/context-cache>, read
//! 2026-11-22.

use super::{AbortPolicy, OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "alibaba",
    name: "Alibaba Cloud Model Studio",
    base_url: Some("https://dashscope-intl.aliyuncs.com"),
    key_variables: &["DASHSCOPE_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/compatible-mode/v1/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/apps/anthropic/v1/messages"),
        Route::embeddings("/compatible-mode/v1/embeddings"),
    ],
    takes_cache_control: true,
    abort: AbortPolicy::Drain,
    ..OPENAI_COMPATIBLE
};
