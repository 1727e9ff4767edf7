//! Names of our own for models.

use super::ConfigError;
use domain::ModelId;
use gateway::Providers;
use gateway::providers::{Alias, Defaults};
use llm::ir::{Effort, Reasoning, Thinking};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longer names are refused.
const NAME_BYTES_MAX: usize = 200;

/// One `[[aliases]]` table. What it sets counts where a request says nothing of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AliasSettings {
    /// What callers say.
    pub name: String,
    /// The model: `provider/model[@region][:variant]`.
    pub model: String,
    /// `low`, `medium`, … or a number of tokens, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// `flex`, `priority`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Tokens of an answer at the most, thoughts included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// From 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// From 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Whether the provider is to keep the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_cache: Option<bool>,
}

/// Adds the aliases to the providers. Each must stand for a model that can be asked for.
pub(super) fn add(providers: Providers, settings: &[AliasSettings]) -> Result<Providers, ConfigError> {
    let mut aliases: Vec<Alias> = Vec::with_capacity(settings.len());
    for entry in settings {
        let fault = |reason: String| ConfigError::Alias { name: entry.name.clone(), reason };
        let alias = alias(entry).map_err(fault)?;
        if aliases.iter().any(|other| other.name == alias.name) {
            return Err(fault("the name is used twice".to_owned()));
        }
        if !providers.knows(alias.model.as_str()) {
            return Err(fault(format!("there is no model `{}`", alias.model)));
        }
        aliases.push(alias);
    }
    Ok(providers.with_aliases(aliases))
}

fn alias(entry: &AliasSettings) -> Result<Alias, String> {
    let AliasSettings { name, temperature, top_p, max_output_tokens, .. } = entry;
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(is_odd) {
        return Err(format!("a name has 1 to {NAME_BYTES_MAX} bytes and no blanks"));
    }
    if temperature.is_some_and(|number| !(0.0..=2.0).contains(&number)) {
        return Err("`temperature` is from 0 to 2".to_owned());
    }
    if top_p.is_some_and(|number| !(0.0..=1.0).contains(&number)) {
        return Err("`top_p` is from 0 to 1".to_owned());
    }
    if *max_output_tokens == Some(0) {
        return Err("`max_output_tokens` is at least 1".to_owned());
    }
    let model: ModelId =
        entry.model.parse().map_err(|error: domain::model::ModelIdError| error.to_string())?;
    let defaults = Defaults {
        reasoning: entry.reasoning_effort.as_deref().map(reasoning).transpose()?,
        service_tier: entry.service_tier.clone(),
        max_output_tokens: *max_output_tokens,
        temperature: *temperature,
        top_p: *top_p,
        auto_cache: entry.auto_cache,
    };
    Ok(Alias { name: name.clone(), model, defaults: Arc::new(defaults) })
}

fn reasoning(word: &str) -> Result<Reasoning, String> {
    let (thinking, effort) = match (Effort::parse(word), word.parse()) {
        (Some(effort), _) => (Thinking::Adaptive, Some(effort)),
        (None, Ok(tokens)) => (Thinking::Budget(tokens), None),
        (None, Err(_)) => {
            return Err(format!(
                "`reasoning_effort` is none, min, minimal, low, medium, high, xhigh, max or a number of tokens; got \
                 `{word}`"
            ));
        }
    };
    Ok(Reasoning { thinking: Some(thinking), effort, display: None })
}
