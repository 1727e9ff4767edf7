//! OpenAI: Chat Completions, Responses and embeddings.
//!
//! API: <https://platform.openai.com/docs/api-reference/chat>, read 2026-11-22, and
//! <https://developers.openai.com/api/reference/resources/responses>, read 2026-11-26. Reasoning models refuse
//! `max_tokens` and want `max_completion_tokens`, which every current chat model takes. A field it does not
//! know is answered with 400. Tools of free text are its own
//! (<https://developers.openai.com/api/docs/guides/function-calling>, read 2026-11-26).
//!
//! Which tier of service a request gets that names none is a setting of the project
//! (<https://developers.openai.com/api/docs/guides/fast-mode>, read 2026-11-26). Hosts like `eu.api.openai.com` cost a
//! tenth more for models since March 2026 (<https://developers.openai.com/api/docs/guides/data-residency>, read
//! 2026-11-26).
//!
//! Pictures, speech, transcriptions, moderations and the older completions:
//! <https://platform.openai.com/docs/api-reference/introduction>, as of 2026-11-26. Speech that comes as bare sound tells no usage.
//!
//! Realtime over a WebSocket: <https://developers.openai.com/api/docs/guides/realtime-websocket>, read 2026-11-26.

use super::{
    AbortPolicy, ChatSearch, OPENAI_COMPATIBLE, OutputLimit, ProviderSpec, RegionChoice, Regions, Route,
    ServiceTiers, usual,
};
use crate::protocol::Protocol;

/// Regions with hosts of their own; a project must be made for one, or be free to choose
/// (<https://developers.openai.com/api/docs/guides/data-residency>, read 2026-11-26; those that the catalogue names).
pub(super) const REGIONS: RegionChoice = RegionChoice::Addresses(&[
    ("ae", "https://ae.api.openai.com/v1"),
    ("au", "https://au.api.openai.com/v1"),
    ("eu", "https://eu.api.openai.com/v1"),
    ("in", "https://in.api.openai.com/v1"),
    ("jp", "https://jp.api.openai.com/v1"),
    ("us", "https://us.api.openai.com/v1"),
]);

/// `gpt-4o-transcribe` and its kin refuse what is longer than 1,400 seconds, earlier than 1,500; `whisper-1` takes any length in
/// its 25 MB (<https://github.com/rishikanthc/Scriberr/issues/477>, <https://github.com/fastrepl/anarlog/pull/7136>, read
/// 2026-11-26).
pub(super) const LONGEST_SOUND: &[(&str, u64)] = &[("gpt-4o", 1_500)];

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "openai",
    name: "OpenAI",
    base_url: Some("https://api.openai.com/v1"),
    key_variables: &["OPENAI_API_KEY"],
    output_limit: OutputLimit::MaxCompletionTokens,
    takes_unsigned_thoughts: false,
    takes_custom_tools: true,
    abort: AbortPolicy::CancelStreams,
    service_tiers: ServiceTiers::AccountDecides,
    regions: Regions::ByHost(".api.openai.com"),
    region_choice: REGIONS,
    longest_sound: LONGEST_SOUND,
    routes: &[
        Route::chat(Protocol::OpenAiChat, "/chat/completions"),
        Route::RESPONSES,
        Route::count_tokens(Protocol::OpenAiResponses, "/responses/input_tokens"),
        Route::embeddings("/embeddings"),
        usual::COMPLETIONS,
        usual::MODERATIONS,
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
