//! Amazon Bedrock: all chat models in its Converse API, Claude in Anthropic's protocol too, OpenAI's in OpenAI's.
//!
//! API: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html>, as of 2026-11-26. The model stands in the address: a base model, or an inference profile such as `eu.anthropic.…`, which
//! runs in one of several regions and may have a price of its own. Streams come in frames of Amazon's event stream
//! encoding, but for those in OpenAI's protocol.
//!
//! Embeddings of Titan and Cohere are asked for in the shapes of those models
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>, read 2026-11-26). Titan takes one text a
//! call. Cohere's answers tell no tokens; the header `x-amzn-bedrock-input-token-count` does, which AWS does not document
//! (<https://github.com/vercel/ai/pull/15973>, read 2026-11-26).
//!
//! Pictures of Stability's models are asked for by InvokeModel too. Those of Titan and Nova Canvas, which cost more by size and
//! quality, are not asked for: these models reached their end of life on 2026-06-30 and 2026-09-30
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html>, as of 2026-11-26).
//!
//! Requests are signed with access keys, or carry a key of Bedrock's own as a bearer. `AWS_REGION`,
//! `AWS_BEARER_TOKEN_BEDROCK` and the variables of access keys are what AWS's own SDKs read. Only Bedrock's own key turns
//! the provider on by itself: access keys are set on machines for many other reasons.

use super::{
    AbortPolicy, Identity, OPENAI_COMPATIBLE, OutputLimit, Place, ProviderSpec, RegionChoice, Route,
    RouteKind,
};
use crate::protocol::{Protocol, Shape};

const VERSION: &str = "bedrock-2023-05-31";
/// Base models and the profiles of places
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html>; the list is that of the ids in the catalogue, and what is known beside).
const CLAUDE: &[&str] = &[
    "anthropic.",
    "apac.anthropic.",
    "au.anthropic.",
    "ca.anthropic.",
    "eu.anthropic.",
    "global.anthropic.",
    "jp.anthropic.",
    "us.anthropic.",
    "us-gov.anthropic.",
];

/// The same of OpenAI's: all of them are served in its protocol.
const OPENAI: &[&str] =
    &["openai.", "eu.openai.", "global.openai.", "in.openai.", "jp.openai.", "us.openai."];

/// Which profiles the regions belong to
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html>, as of 2026-11-26): where there is one
/// for a model, newer models are served by no other id. Canada's region is one of those that the profiles of the US start in.
const PROFILES: &[(&str, &[&str])] = &[
    ("us-gov-", &["us-gov."]),
    ("us-", &["us."]),
    ("ca-", &["ca.", "us."]),
    ("eu-", &["eu."]),
    ("ap-northeast-1", &["jp.", "apac."]),
    ("ap-northeast-3", &["jp.", "apac."]),
    ("ap-southeast-2", &["au.", "apac."]),
    ("ap-southeast-4", &["au.", "apac."]),
    ("ap-south-1", &["in.", "apac."]),
    ("ap-", &["apac."]),
];
const COHERE_EMBED: &[&str] = &["cohere.embed", "eu.cohere.embed", "global.cohere.embed", "us.cohere.embed"];

/// Whose tokens are counted: base models only, no profiles. Those of Claude 4.5 were tried by others, the rest are in Amazon's
/// list; newer ones count nowhere but at another endpoint, and here no id but those is asked for.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html> and
/// <https://github.com/Boise-State-Development/agentcore-public-stack/pull/430>, read 2026-11-26.
const COUNTED: &[&str] = &[
    "anthropic.claude-3-5-haiku-20241022",
    "anthropic.claude-3-5-sonnet-20240620",
    "anthropic.claude-3-5-sonnet-20241022",
    "anthropic.claude-3-7-sonnet-20250219",
    "anthropic.claude-opus-4-20250514",
    "anthropic.claude-sonnet-4-20250514",
    "anthropic.claude-sonnet-4-5-20250929",
    "anthropic.claude-haiku-4-5-20251001",
];

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "bedrock",
    name: "Amazon Bedrock",
    base_url: Some("https://bedrock-runtime.{region}.amazonaws.com"),
    places: &[Place {
        name: "region",
        variables: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        default: Some("us-east-1"),
    }],
    identity: Some(Identity::Aws),
    key_variables: &["AWS_BEARER_TOKEN_BEDROCK"],
    routes: &[
        Route::chat(Protocol::BedrockConverse, "/model/{model}/converse")
            .streamed_at("/model/{model}/converse-stream")
            .in_amazon_events(),
        Route::chat(Protocol::AnthropicMessages, "/model/{model}/invoke")
            .streamed_at("/model/{model}/invoke-with-response-stream")
            .for_models(CLAUDE)
            .with_anthropic_version(VERSION)
            .without_stream_field()
            .in_amazon_events(),
        Route::chat(Protocol::OpenAiChat, "/v1/chat/completions").for_models(OPENAI),
        Route::count_tokens(Protocol::BedrockConverse, "/model/{model}/count-tokens").for_models(COUNTED),
        Route::embeddings("/model/{model}/invoke")
            .shaped(Shape::BedrockTitan)
            .for_models(&["amazon.titan-embed-text", "amazon.titan-embed-g1-text"]),
        Route::embeddings("/model/{model}/invoke").shaped(Shape::BedrockCohere).for_models(COHERE_EMBED),
        Route::of(RouteKind::ImageGenerations, "/model/{model}/invoke")
            .shaped(Shape::BedrockStability)
            .for_models(&["stability.sd3-", "stability.stable-image-core", "stability.stable-image-ultra"]),
    ],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::Drain,
    region_choice: RegionChoice::Place { name: "region", groups: PROFILES },
    ..OPENAI_COMPATIBLE
};
