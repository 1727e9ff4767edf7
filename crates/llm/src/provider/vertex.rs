//! Google Vertex AI: Gemini in its own protocol, Claude in Anthropic's, open models in OpenAI's.
//!
//! API: <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai> and
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview>, as of 2026-11-26; for Gemini
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>, read 2026-11-26. Claude's model stands in
//! the address and not in the body, which holds the version `vertex-2023-10-16`. Open models are called by
//! `publisher/model`. The location `global` has a host without a prefix; regional ones cost about a tenth more for
//! recent models of Claude.
//!
//! Embeddings: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api> and
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent>,
//! read 2026-11-26. `gemini-embedding-2` takes one content a call. How many texts `gemini-embedding-001` takes is told in two
//! ways (one, and 250): the provider decides. Some models are sold by letters; tokens at the catalogue's price are close.
//!
//! Signed with tokens of a service account or of the machine. `GOOGLE_CLOUD_PROJECT`, `GOOGLE_CLOUD_LOCATION` and
//! `GOOGLE_APPLICATION_CREDENTIALS` are what Google's own SDKs read.

use super::{AbortPolicy, Identity, OPENAI_COMPATIBLE, Place, ProviderSpec, RegionChoice, Route, RouteKind};
use crate::protocol::{Protocol, Shape};

const VERSION: &str = "vertex-2023-10-16";
const GOOGLE: &[&str] = &["gemini", "gemma"];
const PREDICTED: &[&str] =
    &["gemini-embedding-001", "text-embedding-", "text-multilingual-embedding-", "textembedding-gecko"];
const OPEN: &[&str] = &[
    "deepseek-ai/",
    "meta/",
    "minimaxai/",
    "mistralai/",
    "moonshotai/",
    "openai/",
    "qwen/",
    "xai/",
    "zai-org/",
];

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "vertex",
    name: "Google Vertex AI",
    base_url: Some("https://{location-}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}"),
    places: &[
        Place { name: "project", variables: &["GOOGLE_CLOUD_PROJECT"], default: None },
        Place { name: "location", variables: &["GOOGLE_CLOUD_LOCATION"], default: Some("global") },
    ],
    identity: Some(Identity::Google),
    key_variables: &["GOOGLE_APPLICATION_CREDENTIALS"],
    routes: &[
        Route::chat(Protocol::AnthropicMessages, "/publishers/anthropic/models/{model}:rawPredict")
            .streamed_at("/publishers/anthropic/models/{model}:streamRawPredict")
            .for_models(&["claude"])
            .with_anthropic_version(VERSION),
        Route::chat(Protocol::Gemini, "/publishers/google/models/{model}:generateContent")
            .streamed_at("/publishers/google/models/{model}:streamGenerateContent?alt=sse")
            .for_models(GOOGLE),
        Route::chat(Protocol::OpenAiChat, "/endpoints/openapi/chat/completions").for_models(OPEN),
        Route::count_tokens(
            Protocol::AnthropicMessages,
            "/publishers/anthropic/models/count-tokens:rawPredict",
        )
        .for_models(&["claude"])
        .with_anthropic_version(VERSION),
        Route::count_tokens(Protocol::Gemini, "/publishers/google/models/{model}:countTokens")
            .for_models(GOOGLE),
        Route::embeddings("/publishers/google/models/{model}:predict")
            .shaped(Shape::VertexPredict)
            .for_models(PREDICTED),
        Route::embeddings("/publishers/google/models/{model}:embedContent")
            .shaped(Shape::VertexEmbed)
            .for_models(&["gemini-embedding"]),
        Route::of(RouteKind::ImageGenerations, "/publishers/google/models/{model}:predict")
            .shaped(Shape::Imagen)
            .for_models(&["imagen-"]),
    ],
    takes_unsigned_thoughts: false,
    abort: AbortPolicy::Unknown,
    region_choice: RegionChoice::Place { name: "location", groups: &[] },
    ..OPENAI_COMPATIBLE
};
