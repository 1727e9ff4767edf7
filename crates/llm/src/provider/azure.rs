//! Azure OpenAI, in Microsoft Foundry: chat and embeddings over its v1 API.
//!
//! API: <https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>, as of 2026-11-22: the v1 API takes
//! no `api-version`, the key as `api-key`, and the name of a deployment as the model. Customers choose those names;
//! where they are not the model's, `deployments` in the settings maps one to the other. `AZURE_OPENAI_ENDPOINT` and
//! `AZURE_OPENAI_API_KEY` are what OpenAI's own SDKs read.
//!
//! A prompt that its content filter stops is answered with 400 and the code `content_filter`. Streams begin with a
//! chunk without choices that holds the filter's findings.
//!
//! Responses, pictures, sound and Realtime stand at the paths of OpenAI in the v1 API
//! (<https://learn.microsoft.com/en-us/azure/foundry/openai/how-to/realtime-audio-websockets>, read 2026-11-26).

use super::{
    AbortPolicy, Auth, ChatSearch, Identity, OPENAI_COMPATIBLE, OutputLimit, Place, ProviderSpec, Route,
    usual,
};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "azure",
    name: "Azure OpenAI",
    base_url: Some("https://{host}/openai/v1"),
    places: &[Place { name: "host", variables: &["AZURE_OPENAI_ENDPOINT"], default: None }],
    auth: Auth::Header("api-key"),
    identity: Some(Identity::Entra),
    key_variables: &["AZURE_OPENAI_API_KEY"],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    takes_custom_tools: true,
    abort: AbortPolicy::CancelStreams,
    longest_sound: super::openai::LONGEST_SOUND,
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        Route::embeddings("/embeddings"),
        usual::IMAGE_GENERATIONS,
        usual::IMAGE_EDITS,
        usual::SPEECH,
        usual::TRANSCRIPTIONS,
        usual::TRANSLATIONS,
        usual::REALTIME,
    ],
    chat_search: ChatSearch::Named(&["-search-"]),
    ..OPENAI_COMPATIBLE
};
