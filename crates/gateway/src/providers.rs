//! The configured providers and how a model's name leads to one.

mod address;
mod alias;
mod name;
mod registry;

pub use address::Endpoint;
pub use alias::{Alias, Defaults};
pub use name::{Variant, Variants};
pub use registry::Providers;

use crate::credentials::Credential;
use crate::refusal::Refusal;
use address::Addressed;
use domain::{Account, Catalog, Mode, Model, Money, ProviderName, Secret, Terms, Told, Usage};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use llm::Protocol;
use llm::protocol::Shape;
use llm::provider::{AbortPolicy, Auth, ProviderSpec, RegionChoice, RouteKind};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// As much of a key's beginning and end is kept from callers, should a provider quote that.
const KEY_END_BYTES: usize = 8;

/// Why a provider cannot be used as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No address, neither in the configuration nor in the provider's facts.
    #[error("the provider `{0}` needs a `base_url`")]
    NoBaseUrl(ProviderName),
    /// The address is not an absolute http(s) URL.
    #[error("the `base_url` of the provider `{0}` is not an http or https URL")]
    BadBaseUrl(ProviderName),
    /// The address has parts that paths cannot be put behind, and that secrets are put into.
    #[error(
        "the `base_url` of the provider `{0}` must have no user, query or fragment; keys go into `api_key`"
    )]
    TooMuchBaseUrl(ProviderName),
    /// A part of the address that differs from customer to customer is not known.
    #[error(
        "the provider `{0}` needs `{1}` in its `places`{or}",
        or = if _2.is_empty() { String::new() } else { format!(", or the variable {}", _2.join(" or ")) }
    )]
    NoPlace(ProviderName, &'static str, &'static [&'static str]),
    /// There is no such part.
    #[error("the address of the provider `{0}` has no place `{1}`")]
    UnknownPlace(ProviderName, String),
    /// The key cannot stand in a header.
    #[error("the key of the provider `{0}` has characters that cannot be sent")]
    BadKey(ProviderName),
}

/// One configured provider, with everything that does not change from call to call made ready.
#[derive(Debug)]
pub struct Provider {
    /// The prefix callers use.
    pub name: ProviderName,
    /// Name and model prefix as they stand in records.
    pub label: Arc<str>,
    /// Its facts.
    pub spec: &'static ProviderSpec,
    /// Its models.
    pub catalog: Catalog,
    /// Whether a model that the catalogue does not know is asked for all the same, without a price.
    pub takes_unknown_models: bool,
    /// It is known to answer at more length than a request allows.
    pub ignores_output_limit: bool,
    /// What it bills of an answer whose reader leaves.
    pub abort: AbortPolicy,
    /// The region of its address, where that has a place for one.
    pub region: Option<String>,
    /// Its name as the value of a response header.
    pub header: HeaderValue,
    /// What proves that we may, in place of a key.
    pub credential: Option<Credential>,
    key: Option<Secret<String>>,
    deployments: HashMap<String, Arc<str>>,
    base_url: Option<String>,
    places: BTreeMap<String, String>,
    routes: Vec<Addressed>,
    headers: HeaderMap,
    stream_headers: HeaderMap,
}

/// What a provider's configuration says.
#[derive(Debug)]
pub struct ProviderSettings {
    /// The prefix callers use.
    pub name: ProviderName,
    /// Its facts.
    pub spec: &'static ProviderSpec,
    /// Overrides the address of the facts.
    pub base_url: Option<String>,
    /// What stands in the places of the address.
    pub places: BTreeMap<String, String>,
    /// What the provider calls models that it calls otherwise than callers.
    pub deployments: HashMap<String, Arc<str>>,
    /// What proves that we may.
    pub key: Option<Secret<String>>,
    /// What does so in place of a key.
    pub credential: Option<Credential>,
    /// Its models.
    pub catalog: Catalog,
    /// Whether models that the catalogue does not know are asked for. Not said: only where it knows none.
    pub allow_unknown_models: Option<bool>,
    /// It is known to answer at more length than a request allows.
    pub ignores_output_limit: bool,
    /// Overrides what the facts say of an answer whose reader leaves.
    pub abort: Option<AbortPolicy>,
}

impl ProviderSettings {
    /// A provider as its facts say, without a key, models or anything of its own.
    pub fn of(name: ProviderName, spec: &'static ProviderSpec) -> Self {
        Self {
            name,
            spec,
            base_url: None,
            places: BTreeMap::new(),
            deployments: HashMap::new(),
            key: None,
            credential: None,
            catalog: Catalog::default(),
            allow_unknown_models: None,
            ignores_output_limit: false,
            abort: None,
        }
    }
}

impl Provider {
    /// Makes a provider ready for calls.
    pub fn new(settings: ProviderSettings) -> Result<Self, ProviderError> {
        let ProviderSettings {
            name,
            spec,
            base_url,
            places,
            deployments,
            key,
            credential,
            catalog,
            allow_unknown_models,
            ignores_output_limit,
            abort,
        } = settings;
        let base = address::base(&name, spec, base_url.as_deref(), &places)?;
        let routes = Addressed::routes(spec, &base).ok_or_else(|| ProviderError::BadBaseUrl(name.clone()))?;
        let headers = fixed_headers(spec, key.as_ref()).ok_or_else(|| ProviderError::BadKey(name.clone()))?;
        let with_accept = |kind| {
            let mut headers = headers.clone();
            headers.insert(ACCEPT, HeaderValue::from_static(kind));
            headers
        };
        Ok(Self {
            region: region(spec, &places),
            deployments,
            base_url,
            places,
            routes,
            headers: with_accept("application/json"),
            stream_headers: with_accept("text/event-stream"),
            header: HeaderValue::from_str(name.as_str()).map_err(|_| ProviderError::BadKey(name.clone()))?,
            label: name.as_str().into(),
            key,
            credential,
            ignores_output_limit,
            abort: abort.unwrap_or(spec.abort),
            takes_unknown_models: allow_unknown_models.unwrap_or(catalog.models().is_empty()),
            name,
            spec,
            catalog,
        })
    }

    /// The endpoint for a purpose and a model, preferring the one that speaks the caller's protocol.
    fn endpoint(
        &self,
        ask: Ask,
        model: &str,
        region: Option<&str>,
    ) -> Result<Option<Arc<Endpoint>>, Refusal> {
        let Some(route) = self.spec.route(ask.kind, (ask.preferred, ask.shape), model) else {
            return Ok(None);
        };
        let endpoint_of = |routes: &[Addressed]| {
            routes.iter().find(|known| known.route == route)?.endpoint(model, ask.is_stream)
        };
        match region {
            None => Ok(endpoint_of(&self.routes)),
            Some(region) => Ok(endpoint_of(&self.routes_in(region)?)),
        }
    }

    /// Its routes where a caller wants them to be.
    fn routes_in(&self, region: &str) -> Result<Vec<Addressed>, Refusal> {
        let refuse = |why: &str| Refusal::invalid_param("model", format!("the region `{region}` {why}"));
        let moved = "cannot be chosen: the provider's address is configured without a place for it";
        let base = match self.spec.region_choice {
            RegionChoice::Configured => None,
            RegionChoice::Addresses(_) if self.base_url.is_some() => return Err(refuse(moved)),
            RegionChoice::Addresses(known) => {
                known.iter().find(|(name, _)| *name == region).map(|(_, base)| (*base).to_owned())
            }
            RegionChoice::Place { name, .. } => {
                let mark = format!("{{{name}}}");
                if self.base_url.as_ref().is_some_and(|base| !base.contains(&mark)) {
                    return Err(refuse(moved));
                }
                let mut places = self.places.clone();
                places.insert(name.to_owned(), region.to_owned());
                address::base(&self.name, self.spec, self.base_url.as_deref(), &places).ok()
            }
        };
        base.and_then(|base| Addressed::routes(self.spec, &base))
            .ok_or_else(|| refuse(&format!("is not one of the provider `{}`", self.name)))
    }

    /// The headers of a call: those that every call carries (credentials, content type, what is accepted), and
    /// its own.
    pub fn headers(&self, is_stream: bool, own: &[(HeaderName, HeaderValue)]) -> HeaderMap {
        let mut headers = if is_stream { self.stream_headers.clone() } else { self.headers.clone() };
        for (name, value) in own {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// A text of the provider's without our key, should it quote it, whole or only its ends.
    pub fn without_key(&self, text: String) -> String {
        let Some(key) = &self.key else { return text };
        let key = key.expose();
        let is_long = key.len() >= 3 * KEY_END_BYTES;
        let ends = [key.get(..KEY_END_BYTES), key.get(key.len().saturating_sub(KEY_END_BYTES)..)];
        let ends = ends.into_iter().flatten().filter(|_| is_long);
        let parts = std::iter::once(key.as_str()).chain(ends).filter(|part| !part.is_empty());
        parts.fold(text, |text, part| if text.contains(part) { text.replace(part, "[secret]") } else { text })
    }

    /// Where it is asked, for the first thing that it can be asked.
    pub fn example_uri(&self) -> Option<http::Uri> {
        self.routes.first()?.endpoint("m", false).map(|endpoint| endpoint.uri.clone())
    }

    /// Whether one of its routes takes a model.
    pub fn serves(&self, model: &Model) -> bool {
        let is_of_responses = model.mode == Mode::Responses;
        self.spec.routes.iter().any(|route| {
            takes(route.kind, model.mode)
                && route.serves(&model.id)
                && (!is_of_responses || route.protocol == Protocol::OpenAiResponses)
        })
    }

    /// Whether the provider lives in this process.
    pub fn is_demo(&self) -> bool {
        self.spec.auth == Auth::None
    }
}

/// The region that an address stands for.
fn region(spec: &ProviderSpec, places: &BTreeMap<String, String>) -> Option<String> {
    let RegionChoice::Place { name, .. } = spec.region_choice else { return None };
    let default = || spec.places.iter().find(|place| place.name == name)?.default;
    places.get(name).map(String::as_str).or_else(default).map(str::to_owned)
}

fn fixed_headers(spec: &ProviderSpec, key: Option<&Secret<String>>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("signalbox/", env!("CARGO_PKG_VERSION"))));
    let Some(key) = key else { return Some(headers) };
    let (name, text) = match spec.auth {
        Auth::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
        Auth::Token => (AUTHORIZATION, format!("Token {}", key.expose())),
        Auth::Header(name) => (HeaderName::from_static(name), key.expose().clone()),
        Auth::None => return Some(headers),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Some(headers)
}

/// What is asked of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What for.
    pub kind: RouteKind,
    /// The caller's protocol.
    pub preferred: Protocol,
    /// The shape that the caller speaks, where it is no conversation that vendors have shapes of.
    pub shape: Option<Shape>,
    /// The answer is to be streamed.
    pub is_stream: bool,
}

/// Where one attempt goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Who is asked.
    pub provider: Arc<Provider>,
    /// The route and its address.
    pub endpoint: Arc<Endpoint>,
    /// What the provider calls the model.
    pub model_id: Arc<str>,
    /// What the catalogue knows of it.
    pub model: Option<Arc<Model>>,
    /// Its address stands for a region that may cost more.
    pub is_regional: bool,
    /// The region that the caller has named.
    pub region: Option<Arc<str>>,
    /// How the caller wants the model, by its name.
    pub variants: Variants,
    /// What the name stands for beside the model.
    pub defaults: Option<Arc<Defaults>>,
}

/// What a call costs, once it is known what it consumed.
#[derive(Debug, Clone)]
pub struct Tariff {
    model: Option<Arc<Model>>,
    asked: Terms,
    /// What comes on top, whatever is consumed.
    beside: Money,
}

impl Tariff {
    /// The same, and so much on top.
    pub fn with(self, beside: Money) -> Self {
        Self { beside, ..self }
    }

    /// The cost of what was consumed on the terms that the answer tells, and else on those asked for. `None`: no
    /// price is known.
    pub fn cost(&self, usage: &Usage, told: Told) -> Option<Money> {
        let cost = self.model.as_ref()?.price.as_ref()?.cost(usage, told.or(self.asked))?;
        Some(cost.saturating_add(self.beside))
    }
}

impl Target {
    /// What the catalogue calls the model, where it knows it: a deployment may be called anything.
    pub fn known_id(&self) -> &str {
        self.model.as_ref().map_or(&self.model_id, |model| &model.id)
    }

    /// The same at the prices of an account.
    pub fn for_account(mut self, account: &Account) -> Self {
        if account.prices.is_some()
            && let Some(model) = &self.model
            && let Some(priced) = account.priced(&format!("{}/{}", self.provider.name, model.id), model)
        {
            self.model = Some(Arc::new(priced));
        }
        self
    }

    /// The tariff of a call on these terms.
    pub fn tariff(&self, asked: Terms) -> Tariff {
        Tariff { model: self.model.clone(), asked, beside: Money::ZERO }
    }
}

/// Whether a route is for models of a mode.
fn takes(kind: RouteKind, mode: Mode) -> bool {
    match kind {
        RouteKind::Chat | RouteKind::CountTokens => matches!(mode, Mode::Chat | Mode::Responses),
        RouteKind::Embeddings => mode == Mode::Embedding,
        RouteKind::Completions => matches!(mode, Mode::Completion | Mode::Chat),
        RouteKind::Rerank => mode == Mode::Rerank,
        RouteKind::Moderations => mode == Mode::Moderation,
        RouteKind::ImageGenerations | RouteKind::ImageEdits => mode == Mode::Image,
        RouteKind::Speech => mode == Mode::Speech,
        RouteKind::Transcriptions | RouteKind::Translations => mode == Mode::Transcription,
        RouteKind::Realtime => mode == Mode::Realtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_key_is_taken_out_whole_and_in_part() {
        let spec = llm::provider::find("openai").unwrap();
        let provider = Provider::new(ProviderSettings {
            key: Some(Secret::new("made-up-0123456789-made-up".to_owned())),
            ..ProviderSettings::of("x".parse().unwrap(), spec)
        });
        let without = |text: &str| provider.as_ref().unwrap().without_key(text.to_owned());
        assert_eq!(without("no made-up-0123456789-made-up!"), "no [secret]!");
        assert_eq!(without("no made-up-****-made-up"), "no [secret]****[secret]");
        assert_eq!(without("made up"), "made up");
    }
}
