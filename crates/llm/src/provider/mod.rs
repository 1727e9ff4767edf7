//! Providers: one file of facts each.
//!
//! A provider is a company's endpoint that speaks one or more protocols. [`ProviderSpec`] holds what is
//! needed to talk to it; what deviates from the protocol it claims to speak is told by the spec's fields.
//! To add one: write its file, name it in the list below, put its prices into `catalog/<kind>.toml`.

pub use crate::protocol::OutputLimit;
use crate::protocol::{Protocol, Shape};
pub use crate::terms::{Regions, ServiceTiers};
pub use region::{RegionChoice, is_region};

mod ai21;
mod alibaba;
mod anthropic;
mod arcee;
mod assemblyai;
mod azure;
mod baseten;
mod bedrock;
mod berget;
mod black_forest_labs;
mod cerebras;
mod cloudflare;
mod cohere;
mod databricks;
mod deepgram;
mod deepinfra;
mod deepseek;
pub mod demo;
mod elevenlabs;
mod fireworks;
mod friendli;
mod google;
mod groq;
mod hyperbolic;
mod inception;
mod infomaniak;
mod jina;
mod llamacpp;
mod lmstudio;
mod meta;
mod minimax;
mod mistral;
mod moonshot;
mod morph;
mod nebius;
mod novita;
mod nvidia;
mod ollama;
mod openai;
mod openai_compatible;
mod openai_responses;
mod ovhcloud;
mod perplexity;
mod region;
mod regolo;
mod sambanova;
mod scaleway;
mod siliconflow;
mod stability;
mod stackit;
mod stepfun;
mod tencent;
mod thinkingmachines;
mod together;
mod upstage;
mod vertex;
mod vllm;
mod volcengine;
mod voyage;
mod wandb;
mod xai;
mod xiaomi;
mod zai;
mod zhipu;

/// What a provider does, and bills, when the connection is closed before its answer is whole.
///
/// Who stops for whom was read off OpenRouter's list of the providers whose streams it can cancel, which also says
/// that an answer that is not streamed is always made and billed whole
/// (<https://openrouter.ai/docs/api-reference/streaming>, read 2026-11-26). No provider says so itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AbortPolicy {
    /// It stops, streamed or not, and what it has not made costs nothing.
    Cancel,
    /// It stops a stream. An answer that is not streamed is made to its end, and billed.
    CancelStreams,
    /// It makes its answer to the end, streamed or not, and bills all of it.
    Drain,
    /// Nobody says. Streams are cancelled and what came is estimated; an answer that is not streamed is waited for.
    Unknown,
}

impl AbortPolicy {
    /// The word for it in settings and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            AbortPolicy::Cancel => "cancel",
            AbortPolicy::CancelStreams => "cancel_streams",
            AbortPolicy::Drain => "drain",
            AbortPolicy::Unknown => "unknown",
        }
    }

    /// Whether an answer whose reader leaves must be read to its end, so that it is known what it costs.
    pub fn must_drain(self, is_stream: bool) -> bool {
        match self {
            AbortPolicy::Cancel => false,
            AbortPolicy::CancelStreams | AbortPolicy::Unknown => !is_stream,
            AbortPolicy::Drain => true,
        }
    }

    /// Whether a stream that is closed is known to cost no more than what it had made.
    pub fn stops_streams(self) -> bool {
        matches!(self, AbortPolicy::Cancel | AbortPolicy::CancelStreams)
    }
}

/// How the events of a streamed answer are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamFraming {
    /// As server-sent events.
    ServerSentEvents,
    /// As messages of Amazon's event stream encoding.
    AmazonEvents,
}

impl StreamFraming {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            StreamFraming::ServerSentEvents => "text/event-stream",
            StreamFraming::AmazonEvents => "application/vnd.amazon.eventstream",
        }
    }
}

/// How a request proves who pays for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `Authorization: Token <key>`.
    Token,
    /// The key alone, in the header of this name.
    Header(&'static str),
    /// Nothing is sent; the provider lives in this process.
    None,
}

/// Which models search the web when a request in OpenAI's chat has `web_search_options`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChatSearch {
    /// None is known to. What a caller of that protocol sends is not touched.
    Never,
    /// Those with one of these in their names. The others search in Responses.
    Named(&'static [&'static str]),
    /// All.
    Always,
}

impl ChatSearch {
    /// Whether a model is one of them.
    pub fn is_of(self, model: &str) -> bool {
        match self {
            ChatSearch::Never => false,
            ChatSearch::Named(words) => words.iter().any(|word| model.contains(word)),
            ChatSearch::Always => true,
        }
    }
}

/// What a route is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// Conversations.
    Chat,
    /// Vectors for texts.
    Embeddings,
    /// Counting a prompt's tokens before it is sent.
    CountTokens,
    /// Texts that go on where a prompt ends (OpenAI's older shape).
    Completions,
    /// Documents by how well they fit a question.
    Rerank,
    /// Whether texts and pictures are harmful (OpenAI's shape).
    Moderations,
    /// Pictures made of a text (OpenAI's shape).
    ImageGenerations,
    /// Pictures made of others (OpenAI's shape, a form).
    ImageEdits,
    /// Text spoken (OpenAI's shape).
    Speech,
    /// Speech written down (OpenAI's shape, a form).
    Transcriptions,
    /// Speech written down in English (OpenAI's shape, a form).
    Translations,
    /// Conversations over a WebSocket (OpenAI's Realtime).
    Realtime,
}

impl RouteKind {
    /// Whether its answer is text or vectors, told of in a conversation's words.
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            RouteKind::Chat | RouteKind::Embeddings | RouteKind::CountTokens | RouteKind::Completions
        )
    }

    /// Whether its answers are pictures.
    pub const fn makes_images(self) -> bool {
        matches!(self, RouteKind::ImageGenerations | RouteKind::ImageEdits)
    }
}

/// One thing a provider can be asked, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// What it is for.
    pub kind: RouteKind,
    /// The protocol spoken there.
    pub protocol: Protocol,
    /// Of what is no conversation: the shape they are asked for in.
    pub shape: Shape,
    /// Appended to the base URL, or a whole address of another host of the provider's. `{model}` gives way to what the provider calls the model.
    pub path: &'static str,
    /// The same for streamed answers, where they have a path of their own.
    pub stream_path: Option<&'static str>,
    /// Only for models whose names begin with one of these, or are one of those that end in `$`; none: for all.
    pub models: &'static [&'static str],
    /// Anthropic's protocol at somebody else's: this version of it stands in the body.
    pub anthropic_version: Option<&'static str>,
    /// Whether the body says that the answer is to be streamed, or the path alone does. Where it does not, beta features
    /// are named in the body and not in a header.
    pub has_stream_field: bool,
    /// How its streamed answers are framed.
    pub framing: StreamFraming,
}

impl Route {
    /// A conversation route.
    pub const fn chat(protocol: Protocol, path: &'static str) -> Self {
        Self::new(RouteKind::Chat, protocol, path)
    }

    /// A route for something else, in the manner of OpenAI's API.
    pub const fn of(kind: RouteKind, path: &'static str) -> Self {
        Self::new(kind, Protocol::OpenAiChat, path)
    }

    const fn new(kind: RouteKind, protocol: Protocol, path: &'static str) -> Self {
        Self {
            kind,
            protocol,
            shape: Shape::OpenAi,
            path,
            stream_path: None,
            models: &[],
            anthropic_version: None,
            has_stream_field: true,
            framing: StreamFraming::ServerSentEvents,
        }
    }

    /// The route for OpenAI's Responses, at the path that all have it at.
    pub const RESPONSES: Self = Self::chat(Protocol::OpenAiResponses, "/responses");

    /// The embeddings route of an OpenAI-speaking provider.
    pub const fn embeddings(path: &'static str) -> Self {
        Self::new(RouteKind::Embeddings, Protocol::OpenAiChat, path)
    }

    /// A token-counting route.
    pub const fn count_tokens(protocol: Protocol, path: &'static str) -> Self {
        Self::new(RouteKind::CountTokens, protocol, path)
    }

    /// The same route for what is no conversation, in this shape.
    pub const fn shaped(self, shape: Shape) -> Self {
        Self { shape, protocol: shape.protocol(), ..self }
    }

    /// The same route, with a path of its own for streamed answers.
    pub const fn streamed_at(self, path: &'static str) -> Self {
        Self { stream_path: Some(path), ..self }
    }

    /// The same route, for models whose names begin with one of these.
    pub const fn for_models(self, prefixes: &'static [&'static str]) -> Self {
        Self { models: prefixes, ..self }
    }

    /// The same route, with this version of Anthropic's protocol in the body.
    pub const fn with_anthropic_version(self, version: &'static str) -> Self {
        Self { anthropic_version: Some(version), ..self }
    }

    /// The same route, whose streams come in Amazon's frames.
    pub const fn in_amazon_events(self) -> Self {
        Self { framing: StreamFraming::AmazonEvents, ..self }
    }

    /// The same route, without the field that asks for a stream.
    pub const fn without_stream_field(self) -> Self {
        Self { has_stream_field: false, ..self }
    }

    /// Whether the model stands in the path, and not in the body.
    pub fn has_model_in_path(&self) -> bool {
        self.path.contains("{model}")
    }

    /// Whether it serves a model.
    pub fn serves(&self, model: &str) -> bool {
        let is_named = |name: &&str| match name.strip_suffix('$') {
            Some(whole) => model == whole,
            None => model.starts_with(*name),
        };
        self.models.is_empty() || self.models.iter().any(is_named)
    }
}

/// Routes of OpenAI's API beside conversations, at their usual paths.
pub(crate) mod usual {
    use super::{Route, RouteKind};

    pub const COMPLETIONS: Route = Route::of(RouteKind::Completions, "/completions");
    pub const RERANK: Route = Route::of(RouteKind::Rerank, "/rerank");
    pub const MODERATIONS: Route = Route::of(RouteKind::Moderations, "/moderations");
    pub const IMAGE_GENERATIONS: Route = Route::of(RouteKind::ImageGenerations, "/images/generations");
    pub const IMAGE_EDITS: Route = Route::of(RouteKind::ImageEdits, "/images/edits");
    pub const SPEECH: Route = Route::of(RouteKind::Speech, "/audio/speech");
    pub const TRANSCRIPTIONS: Route = Route::of(RouteKind::Transcriptions, "/audio/transcriptions");
    pub const TRANSLATIONS: Route = Route::of(RouteKind::Translations, "/audio/translations");
    pub const REALTIME: Route = Route::of(RouteKind::Realtime, "/realtime");
}

/// A part of a provider's address that differs from customer to customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Stands as `{name}` in the address, and as `name` in the settings' `places`.
    pub name: &'static str,
    /// Environment variables that hold it, in the order they are looked at.
    pub variables: &'static [&'static str],
    /// What it is where nobody says.
    pub default: Option<&'static str>,
}

/// Whose identities a provider takes in place of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Google Cloud's: service accounts, and what the machine or its user is there.
    Google,
    /// Microsoft Entra's: applications and managed identities.
    Entra,
    /// Amazon Web Services': access keys, with which requests are signed.
    Aws,
}

/// The facts about a provider.
#[derive(Debug)]
pub struct ProviderSpec {
    /// The word in `kind = "…"`, and the default name.
    pub kind: &'static str,
    /// The kind whose catalogue it has too: another way to the same models. `None`: its own.
    pub catalog: Option<&'static str>,
    /// The company, for people.
    pub name: &'static str,
    /// Where the API lives, without a slash at the end. `None`: the configuration must say.
    pub base_url: Option<&'static str>,
    /// What stands in braces there.
    pub places: &'static [Place],
    /// The domain that all addresses are of which its answers tell. `None`: they tell none that are followed.
    pub domain: Option<&'static str>,
    /// How requests are signed.
    pub auth: Auth,
    /// Whose identities it takes in place of a key.
    pub identity: Option<Identity>,
    /// Environment variables that hold a key, in the order they are looked at. When one is set, the provider
    /// is on without any configuration.
    pub key_variables: &'static [&'static str],
    /// What it can be asked, best first.
    pub routes: &'static [Route],
    /// How it wants the length of an answer limited (OpenAI-speaking providers).
    pub output_limit: OutputLimit,
    /// Whether it takes `stream_options.include_usage` (OpenAI-speaking providers); elsewhere the usage
    /// comes by itself or not at all.
    pub takes_stream_options: bool,
    /// Whether it takes Anthropic's `cache_control` in messages and tools (OpenAI-speaking providers); strict
    /// ones answer 400.
    pub takes_cache_control: bool,
    /// Whether it takes thoughts of earlier turns without a signature: `reasoning_content` in OpenAI's protocol
    /// (and with it the field `thinking` of a request), a `thinking` block in Anthropic's. Some models want
    /// theirs back, strict providers answer 400.
    pub takes_unsigned_thoughts: bool,
    /// Whether it takes tools of free text (`"type": "custom"`) in OpenAI's chat; elsewhere they are sent as functions
    /// of one text, unless its caller speaks that protocol itself.
    pub takes_custom_tools: bool,
    /// Whether its models can be held to a schema in OpenAI's chat; elsewhere they are asked in words, and checked.
    pub takes_schema: bool,
    /// Which of its models search the web when they are asked to in OpenAI's chat.
    pub chat_search: ChatSearch,
    /// What it bills of an answer whose reader leaves.
    pub abort: AbortPolicy,
    /// What it makes of tiers of service.
    pub service_tiers: ServiceTiers,
    /// What it makes of the place where a model runs.
    pub regions: Regions,
    /// How callers choose that place.
    pub region_choice: RegionChoice,
    /// Seconds of the longest sound that it writes down, by the beginning of a model's name, where it tells that.
    pub longest_sound: &'static [(&'static str, u64)],
}

impl ProviderSpec {
    /// Seconds of the longest sound that a model writes down. `None`: nobody tells.
    pub fn longest_sound(&self, model: &str) -> Option<u64> {
        let of_model = |(beginning, _): &&(&str, u64)| model.starts_with(beginning);
        self.longest_sound.iter().find(of_model).map(|(_, seconds)| *seconds)
    }

    /// The best route for a purpose and a model, if the provider has one; what the caller speaks itself is preferred,
    /// because bytes then pass through untouched: a protocol, or a shape where it is no conversation.
    pub fn route(
        &self,
        kind: RouteKind,
        (preferred, shape): (Protocol, Option<Shape>),
        model: &str,
    ) -> Option<&'static Route> {
        let mut of_kind = self.routes.iter().filter(|route| route.kind == kind && route.serves(model));
        let is_own = |route: &&Route| match shape {
            Some(shape) => route.shape == shape,
            None => route.protocol == preferred,
        };
        of_kind.clone().find(is_own).or_else(|| of_kind.next())
    }
}

/// What most providers are: OpenAI's chat protocol behind a bearer key.
pub const OPENAI_COMPATIBLE: ProviderSpec = ProviderSpec {
    kind: "",
    catalog: None,
    name: "",
    base_url: None,
    places: &[],
    domain: None,
    auth: Auth::Bearer,
    identity: None,
    key_variables: &[],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions"), Route::embeddings("/embeddings")],
    output_limit: OutputLimit::MaxTokens,
    takes_stream_options: true,
    takes_cache_control: false,
    takes_unsigned_thoughts: true,
    takes_custom_tools: false,
    takes_schema: true,
    chat_search: ChatSearch::Never,
    abort: AbortPolicy::Unknown,
    service_tiers: ServiceTiers::Named,
    regions: Regions::OnePrice,
    region_choice: RegionChoice::Configured,
    longest_sound: &[],
};

/// Every provider, in alphabetical order.
pub static ALL: &[&ProviderSpec] = &[
    &ai21::SPEC,
    &alibaba::SPEC,
    &anthropic::SPEC,
    &arcee::SPEC,
    &assemblyai::SPEC,
    &azure::SPEC,
    &baseten::SPEC,
    &bedrock::SPEC,
    &berget::SPEC,
    &black_forest_labs::SPEC,
    &cerebras::SPEC,
    &cloudflare::SPEC,
    &cohere::SPEC,
    &databricks::SPEC,
    &deepgram::SPEC,
    &deepinfra::SPEC,
    &deepseek::SPEC,
    &demo::SPEC,
    &elevenlabs::SPEC,
    &fireworks::SPEC,
    &friendli::SPEC,
    &google::SPEC,
    &groq::SPEC,
    &hyperbolic::SPEC,
    &inception::SPEC,
    &infomaniak::SPEC,
    &jina::SPEC,
    &llamacpp::SPEC,
    &lmstudio::SPEC,
    &meta::SPEC,
    &minimax::SPEC,
    &mistral::SPEC,
    &moonshot::SPEC,
    &morph::SPEC,
    &nebius::SPEC,
    &novita::SPEC,
    &nvidia::SPEC,
    &ollama::SPEC,
    &openai::SPEC,
    &openai_compatible::SPEC,
    &openai_responses::SPEC,
    &ovhcloud::SPEC,
    &perplexity::SPEC,
    &regolo::SPEC,
    &sambanova::SPEC,
    &scaleway::SPEC,
    &siliconflow::SPEC,
    &stability::SPEC,
    &stackit::SPEC,
    &stepfun::SPEC,
    &tencent::SPEC,
    &thinkingmachines::SPEC,
    &together::SPEC,
    &upstage::SPEC,
    &vertex::SPEC,
    &vllm::SPEC,
    &volcengine::SPEC,
    &voyage::SPEC,
    &wandb::SPEC,
    &xai::SPEC,
    &xiaomi::SPEC,
    &zai::SPEC,
    &zhipu::SPEC,
];

/// The provider of this kind.
pub fn find(kind: &str) -> Option<&'static ProviderSpec> {
    ALL.iter().copied().find(|spec| spec.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_sound_is_told_by_model() {
        let longest = |kind, model| find(kind).unwrap().longest_sound(model);
        assert_eq!(longest("openai", "gpt-4o-mini-transcribe-2025-12-15"), Some(1_500));
        assert_eq!(longest("azure", "gpt-4o-transcribe"), Some(1_500));
        assert_eq!(longest("openai", "whisper-1"), None);
        assert_eq!(longest("assemblyai", "universal-2"), Some(36_000));
        assert_eq!(longest("groq", "whisper-large-v3"), None);
    }

    #[test]
    fn the_list_is_sorted_and_has_no_twins() {
        assert!(ALL.windows(2).all(|pair| pair[0].kind < pair[1].kind));
    }

    #[test]
    fn base_urls_have_no_slash_at_the_end_and_paths_one_in_front() {
        for spec in ALL {
            assert!(!spec.base_url.unwrap_or("").ends_with('/'), "{}", spec.kind);
            let is_path = |route: &Route| route.path.starts_with('/') || route.path.starts_with("https://");
            assert!(spec.routes.iter().all(is_path), "{}", spec.kind);
        }
    }

    #[test]
    fn an_answer_is_drained_where_leaving_it_saves_nothing() {
        use AbortPolicy::{Cancel, CancelStreams, Drain, Unknown};
        let drained =
            [Cancel, CancelStreams, Drain, Unknown].map(|p| [p.must_drain(true), p.must_drain(false)]);
        assert_eq!(drained, [[false, false], [false, true], [true, true], [false, true]]);
        let stops: Vec<bool> = [Cancel, CancelStreams, Drain, Unknown].map(AbortPolicy::stops_streams).into();
        assert_eq!(stops, [true, true, false, false]);
    }
}
