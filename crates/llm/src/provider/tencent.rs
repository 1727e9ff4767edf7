//! Tencent Cloud TokenHub: chat and Anthropic messages.
//!
//! API: <https://www.tencentcloud.com/document/product/1300/78941>. Read 2026-11-22.
//!
//! The site in Singapore; others have hosts and keys of their own
//! (`https://tokenhub.tencentcloudmaas.com/v1` for Guangzhou). The page names the protocols and the host;
//! the path of the Anthropic route is not verified.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "tencent",
    name: "Tencent Cloud TokenHub",
    base_url: Some("https://tokenhub-intl.tencentcloudmaas.com/v1"),
    key_variables: &["TENCENT_TOKENHUB_API_KEY", "TOKENHUB_API_KEY"],
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::chat(Protocol::AnthropicMessages, "/messages"),
    ],
    ..OPENAI_COMPATIBLE
};
