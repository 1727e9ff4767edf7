//! What all topics need: the gateway under test, scripted providers, and patience with a bound.

mod app;
mod failure;
mod process;
mod socket;
mod tls;
mod upstream;

pub use app::{App, KEY, Reply};
pub use failure::{anthropic_type, assert_anthropic_error, assert_openai_error};
pub use process::{Process, run, tail};
pub use socket::{Caller, Provider, Stream, open_socket};
pub use tls::Certificate;
pub use upstream::{Answer, Ended, Upstream};

use std::time::Duration;

/// The key that the gateway shows to scripted providers.
pub const PROVIDER_KEY: &str = "sk-provider-canary-7f3a91";

/// Longest wait for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a condition, with a bound.
pub async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}

/// A provider of the configuration: `m` costs 1, 2, 0.1 and 1.25 dollars per million, `free` has no price, `e`
/// makes vectors.
pub fn provider(kind: &str, upstream: &Upstream) -> String {
    let base = if kind == "anthropic" { "" } else { "/v1" };
    provider_at(kind, &format!("http://{}{base}", upstream.address))
}

/// The same provider, which does so when an answer is left: `cancel`, `cancel_streams` or `drain`.
pub fn aborting(policy: &str, provider: &str) -> String {
    provider.replacen("[[providers.models]]", &format!("abort = \"{policy}\"\n[[providers.models]]"), 1)
}

/// A provider at any address.
pub fn provider_at(kind: &str, base_url: &str) -> String {
    format!(
        "[[providers]]\nkind = \"{kind}\"\nbase_url = \"{base_url}\"\napi_key = \"{PROVIDER_KEY}\"\n\
         [[providers.models]]\nid = \"m\"\ninput = \"1\"\noutput = \"2\"\ncache_read = \"0.1\"\n\
         cache_write = \"1.25\"\ncontext_window = 1000\nmax_output_tokens = 100\n\
         [[providers.models]]\nid = \"free\"\n\
         [[providers.models]]\nid = \"e\"\nmode = \"embedding\"\ninput = \"0.5\"\n"
    )
}

/// A chat request in OpenAI's protocol.
pub const CHAT: &str = r#"{"model":"openai/m","messages":[{"role":"user","content":"hi"}]}"#;
/// The same, streamed.
pub const CHAT_STREAM: &str =
    r#"{"model":"openai/m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
/// A request in Anthropic's protocol.
pub const MESSAGE: &str =
    r#"{"model":"anthropic/m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
/// The same, streamed.
pub const MESSAGE_STREAM: &str =
    r#"{"model":"anthropic/m","max_tokens":50,"messages":[{"role":"user","content":"hi"}],"stream":true}"#;

/// A whole answer in OpenAI's protocol. At the prices of [`provider`] it costs 6 × 1 + 4 × 0.1 + 5 × 2 = 16.4
/// millionths.
pub const CHAT_ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m-2025","choices":[{"index":0,"message":{"role":"assistant","content":"Hello world"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#;
/// What [`CHAT_ANSWER`] and [`CHAT_FRAMES`] cost.
pub const CHAT_COST: &str = "0.0000164";

/// A streamed answer in OpenAI's protocol, usage included.
pub const CHAT_FRAMES: [&str; 6] = [
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2025\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2025\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2025\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" world\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2025\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-2025\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n",
    "data: [DONE]\n\n",
];

/// A whole answer in Anthropic's protocol. It costs 10 × 1 + 4 × 0.1 + 2 × 1.25 + 5 × 2 = 22.9 millionths.
pub const MESSAGE_ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m-2025","content":[{"type":"text","text":"Hello world"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":4,"output_tokens":5}}"#;
/// What [`MESSAGE_ANSWER`] and [`MESSAGE_FRAMES`] cost.
pub const MESSAGE_COST: &str = "0.0000229";

/// A streamed answer in Anthropic's protocol.
pub const MESSAGE_FRAMES: [&str; 8] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-2025\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" world\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];
