//! Providers: from the file, and by themselves when a vendor's usual variable is set.

use super::identity::{self, IdentitySettings};
use super::{ConfigError, Environment, Settings};
use crate::catalog_file::{self, Capability};
use domain::pricing::TokenPrices;
use domain::{Catalog, Mode, Model, ModelPrice, Price, ProviderName, Secret};
use gateway::credentials::Credential;
use gateway::providers::ProviderSettings;
use gateway::{Provider, Providers};
use llm::provider::{self, AbortPolicy, Identity, ProviderSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest name of a variable: many keys are longer.
const VARIABLE_BYTES_MAX: usize = 64;

/// One `[[providers]]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// Which provider file: `openai`, `anthropic`, …, or `openai-compatible`.
    pub kind: String,
    /// The prefix callers use. Not given: the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address. Not given: the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What stands in the places of that address, such as `account_id`. Not given: its usual variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
    /// What the provider calls models that callers call otherwise: its deployments, by the model's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deployments: BTreeMap<String, String>,
    /// The variable that holds its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Its key, where it must stand in the file.
    #[serde(default, skip_serializing)]
    pub api_key: Option<KeyText>,
    /// Who we are, for a provider that takes identities in place of keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentitySettings>,
    /// Whether models that are not known are asked for, without a price. Not given: only where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unknown_models: Option<bool>,
    /// It is known to answer at more length than a request allows: then as much is reserved as the model can
    /// answer at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignores_output_limit: bool,
    /// What it bills of an answer whose reader leaves. Not given: what is known of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortSetting>,
    /// Models and prices that the catalogue does not know, or knows otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelSettings>,
}

/// A key as it stands in the file: never printed.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct KeyText(pub(super) Secret<String>);

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// What a provider does when the connection is closed before its answer is whole.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortSetting {
    /// It stops, and bills what it has made.
    Cancel,
    /// It stops streams; other answers are made and billed whole.
    CancelStreams,
    /// It makes and bills the whole answer.
    Drain,
}

impl From<AbortSetting> for AbortPolicy {
    fn from(setting: AbortSetting) -> Self {
        match setting {
            AbortSetting::Cancel => AbortPolicy::Cancel,
            AbortSetting::CancelStreams => AbortPolicy::CancelStreams,
            AbortSetting::Drain => AbortPolicy::Drain,
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModeSetting {
    /// Conversations.
    #[default]
    Chat,
    /// Vectors for texts.
    Embedding,
    /// Texts that go on where the prompt ends.
    Completion,
    /// Documents by how well they fit a question.
    Rerank,
    /// Whether texts and pictures are harmful.
    Moderation,
    /// Pictures.
    Image,
    /// Texts spoken.
    Speech,
    /// Speech written down.
    Transcription,
    /// Conversations over a connection that stays open.
    Realtime,
}

impl From<ModeSetting> for Mode {
    fn from(setting: ModeSetting) -> Self {
        match setting {
            ModeSetting::Chat => Mode::Chat,
            ModeSetting::Embedding => Mode::Embedding,
            ModeSetting::Completion => Mode::Completion,
            ModeSetting::Rerank => Mode::Rerank,
            ModeSetting::Moderation => Mode::Moderation,
            ModeSetting::Image => Mode::Image,
            ModeSetting::Speech => Mode::Speech,
            ModeSetting::Transcription => Mode::Transcription,
            ModeSetting::Realtime => Mode::Realtime,
        }
    }
}

/// One `[[providers.models]]` table. Prices are USD per million tokens, as decimal strings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// What the provider calls it.
    pub id: String,
    /// Its name for people. Not given: the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub mode: ModeSetting,
    /// Input. Without any price the model is used unpriced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Input read from cache. Not given: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<String>,
    /// Input written to cache. Not given: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<String>,
    /// Input written to cache for an hour. Not given: as `cache_write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<String>,
    /// Audio tokens in. Not given: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<String>,
    /// Audio tokens out. Not given: as output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<String>,
    /// Audio tokens read from cache. Not given: as `audio_input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_cache_read: Option<String>,
    /// A picture that is made, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_image: Option<String>,
    /// A thousand searches of a reranker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_1k_queries: Option<String>,
    /// A million letters to be spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_1m_chars_input: Option<String>,
    /// A million tokens in a cache for an hour, where that is rented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_1m_kept_token_hours: Option<String>,
    /// A second of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second_input: Option<String>,
    /// Tokens it can hold.
    #[serde(default)]
    pub context_window: u64,
    /// Tokens it can answer with.
    #[serde(default)]
    pub max_output_tokens: u64,
    /// What it can do, in the catalogue's words. Not given: not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
}

/// Makes the configured providers ready: those of the file, then those whose variable is set, then, if that
/// is none, the built-in demo; and names of our own for their models.
pub fn resolve(settings: &Settings, environment: &Environment) -> Result<Providers, ConfigError> {
    let mut ready = Vec::new();
    for entry in &settings.providers {
        let provider = from_entry(entry, settings, environment)?;
        if ready.iter().any(|other: &Provider| other.name == provider.name) {
            return Err(fault(provider.name.as_str(), "the name is used twice"));
        }
        ready.push(provider);
    }
    let of_the_file = ready.len();
    for spec in provider::ALL {
        let key = spec.key_variables.iter().find_map(|variable| environment.get(variable));
        // Who has set a provider up has perhaps set its address: another way to it must not come up with the usual one.
        let is_another_way = |other: &Provider| Some(other.spec.kind) == spec.catalog;
        let is_taken =
            ready.iter().any(|other| other.name.as_str() == spec.kind || other.spec.kind == spec.kind)
                || ready[..of_the_file].iter().any(is_another_way);
        let places = places(spec, &BTreeMap::new(), None, environment);
        let is_placed =
            spec.places.iter().all(|place| place.default.is_some() || places.contains_key(place.name));
        if let Some(key) = key.filter(|_| !is_taken && is_placed) {
            // Some vendors' variables name a file that holds an identity.
            let (key, credential) = match spec.identity {
                Some(Identity::Google) => (None, identity::of(spec, spec.kind, None, &places, environment)?),
                _ => (Some(Secret::new(key.to_owned())), None),
            };
            let of_variables = Deviations { places, credential, ..Deviations::default() };
            ready.push(build(spec, spec.kind, key, catalog(spec, settings)?, of_variables)?);
        }
    }
    if ready.is_empty()
        && let Some(spec) = provider::find("demo")
    {
        ready.push(build(spec, spec.kind, None, catalog(spec, settings)?, Deviations::default())?);
    }
    super::aliases::add(Providers::new(ready), &settings.aliases)
}

fn from_entry(
    entry: &ProviderEntry,
    settings: &Settings,
    environment: &Environment,
) -> Result<Provider, ConfigError> {
    let name = entry.name.as_deref().unwrap_or(&entry.kind);
    let spec = provider::find(&entry.kind).ok_or_else(|| {
        let kinds: Vec<&str> = provider::ALL.iter().map(|spec| spec.kind).collect();
        fault(name, format!("there is no kind `{}`; known are {}", entry.kind, kinds.join(", ")))
    })?;
    let key = match (&entry.api_key, &entry.api_key_env) {
        (Some(_), Some(_)) => return Err(fault(name, "`api_key` and `api_key_env` exclude each other")),
        (Some(KeyText(key)), None) => Some(key.clone()),
        (None, Some(variable)) if !is_variable(variable) => {
            return Err(fault(name, "`api_key_env` is not the name of a variable, such as OPENAI_API_KEY"));
        }
        (None, Some(variable)) => {
            let key = environment.get(variable);
            let missing = || fault(name, format!("the variable {variable} is not set"));
            Some(Secret::new(key.ok_or_else(missing)?.to_owned()))
        }
        (None, None) if entry.identity.is_some() || spec.identity == Some(Identity::Google) => None,
        (None, None) => {
            let usual = spec.key_variables.iter().find_map(|variable| environment.get(variable));
            usual.map(|key| Secret::new(key.to_owned()))
        }
    };
    let places = places(spec, &entry.places, entry.identity.as_ref(), environment);
    let credential = match &key {
        Some(_) if entry.identity.is_some() => {
            return Err(fault(name, "a key and `identity` exclude each other"));
        }
        Some(_) => None,
        None => identity::of(spec, name, entry.identity.as_ref(), &places, environment)?,
    };
    let mut catalog = catalog(spec, settings)?;
    for model in &entry.models {
        catalog.insert(
            model_of(model).map_err(|reason| fault(name, format!("model `{}`: {reason}", model.id)))?,
        );
    }
    let of_entry = Deviations {
        base_url: entry.base_url.clone(),
        places,
        deployments: entry.deployments.clone(),
        credential,
        allow_unknown_models: entry.allow_unknown_models,
        ignores_output_limit: entry.ignores_output_limit,
        abort: entry.abort.map(AbortPolicy::from),
    };
    build(spec, name, key, catalog, of_entry)
}

/// What stands in the places of an address: as it is given, else as the usual variables say, else as AWS's files do.
fn places(
    spec: &ProviderSpec,
    given: &BTreeMap<String, String>,
    identity: Option<&IdentitySettings>,
    environment: &Environment,
) -> BTreeMap<String, String> {
    let usual = spec.places.iter().filter_map(|place| {
        let value = place.variables.iter().find_map(|variable| environment.get(variable))?;
        Some((place.name.to_owned(), value.to_owned()))
    });
    let given = given.iter().map(|(name, value)| (name.clone(), value.clone()));
    let mut places: BTreeMap<String, String> = usual.chain(given).collect();
    if spec.identity == Some(Identity::Aws)
        && !places.contains_key(identity::REGION)
        && let Some(region) = super::aws::region(identity, environment)
    {
        places.insert(identity::REGION.to_owned(), region);
    }
    places
}

/// Whether it can be the name of a variable. Most keys cannot: one that stands there by mistake is not repeated.
fn is_variable(name: &str) -> bool {
    name.len() <= VARIABLE_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What an entry says otherwise than its provider file.
#[derive(Default)]
struct Deviations {
    credential: Option<Credential>,
    base_url: Option<String>,
    places: BTreeMap<String, String>,
    deployments: BTreeMap<String, String>,
    allow_unknown_models: Option<bool>,
    ignores_output_limit: bool,
    abort: Option<AbortPolicy>,
}

fn build(
    spec: &'static ProviderSpec,
    name: &str,
    key: Option<Secret<String>>,
    catalog: Catalog,
    deviations: Deviations,
) -> Result<Provider, ConfigError> {
    let Deviations {
        credential,
        base_url,
        places,
        deployments,
        allow_unknown_models,
        ignores_output_limit,
        abort,
    } = deviations;
    let refuse = |reason: String| fault(name, reason);
    let parsed: ProviderName =
        name.parse().map_err(|error: domain::provider::ProviderNameError| refuse(error.to_string()))?;
    let settings = ProviderSettings {
        name: parsed,
        spec,
        base_url,
        places,
        deployments: deployments.into_iter().map(|(model, name)| (model, name.into())).collect(),
        key,
        credential,
        catalog,
        allow_unknown_models,
        ignores_output_limit,
        abort,
    };
    Provider::new(settings).map_err(|error| refuse(error.to_string()))
}

fn catalog(spec: &ProviderSpec, settings: &Settings) -> Result<Catalog, ConfigError> {
    let kind = spec.catalog.unwrap_or(spec.kind);
    let read = catalog_file::load(kind, settings.catalog_overrides(), Some(&settings.synced_catalog()));
    // Another way to the same models leads to conversations only.
    let read = read.map(|catalog| if spec.catalog.is_some() { catalog.of_conversations() } else { catalog });
    read.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        fault(spec.kind, format!("{error}{cause}"))
    })
}

fn model_of(settings: &ModelSettings) -> Result<Model, String> {
    let amount = |field: &str, text: &Option<String>| -> Result<Option<domain::Money>, String> {
        let Some(text) = text else { return Ok(None) };
        let amount: domain::Money =
            text.parse().map_err(|_| format!("`{field}` is not a price: {text:?}"))?;
        if amount.nano() < 0 {
            return Err(format!("`{field}` is negative"));
        }
        Ok(Some(amount))
    };
    let price =
        |field: &str, text: &Option<String>| Ok::<_, String>(amount(field, text)?.map(Price::per_million));
    let input = price("input", &settings.input)?;
    let output = price("output", &settings.output)?;
    let base = TokenPrices {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        cache_read: price("cache_read", &settings.cache_read)?,
        cache_write: price("cache_write", &settings.cache_write)?,
        cache_write_1h: price("cache_write_1h", &settings.cache_write_1h)?,
        audio_input: price("audio_input", &settings.audio_input)?,
        audio_output: price("audio_output", &settings.audio_output)?,
        audio_cache_read: price("audio_cache_read", &settings.audio_cache_read)?,
        ..TokenPrices::default()
    };
    let pieces = [
        amount("per_image", &settings.per_image)?.map(Price::per_unit),
        amount("per_1k_queries", &settings.per_1k_queries)?.map(Price::per_thousand),
        amount("per_1m_chars_input", &settings.per_1m_chars_input)?.map(Price::per_million),
        // Dollars a second are as many a thousand milliseconds.
        amount("per_second_input", &settings.per_second_input)?.map(Price::per_thousand),
    ];
    let rent = price("per_1m_kept_token_hours", &settings.per_1m_kept_token_hours)?;
    let is_chat = matches!(settings.mode, ModeSetting::Chat | ModeSetting::Completion);
    let price = match (input, output) {
        (Some(_), None) if is_chat => {
            return Err("`input` and `output` prices are given together".to_owned());
        }
        (None, Some(_)) => return Err("`input` and `output` prices are given together".to_owned()),
        (None, None) if pieces.iter().all(Option::is_none) => None,
        _ => {
            let [per_image, per_query, per_character, per_audio_ms] = pieces.map(Option::unwrap_or_default);
            Some(ModelPrice {
                base,
                per_image,
                per_query,
                per_character,
                per_audio_ms,
                per_kept_token_hour: rent.unwrap_or_default(),
                ..ModelPrice::default()
            })
        }
    };
    Ok(Model {
        id: settings.id.clone(),
        aliases: Vec::new(),
        weights: None,
        name: settings.name.clone().unwrap_or_else(|| settings.id.clone()),
        mode: settings.mode.into(),
        context_window: settings.context_window,
        max_output_tokens: settings.max_output_tokens,
        capabilities: Capability::known(&settings.capabilities),
        released_at: 0,
        lifecycle: domain::catalog::Lifecycle::default(),
        price,
    })
}

fn fault(name: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Provider { name: name.to_owned(), reason: reason.into() }
}
