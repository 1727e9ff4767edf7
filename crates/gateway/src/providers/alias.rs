//! Names of our own for models, with settings for requests that say nothing else.

use domain::ModelId;
use llm::ir::Reasoning;
use std::sync::Arc;

/// The prefix under which every model of a conversation can be asked for as coding agents want it, wherever it is
/// configured: its prompts are kept.
pub(super) const CODING: &str = "coding";
/// What is asked for where a request says nothing of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// The tier of service.
    pub service_tier: Option<String>,
    /// Tokens of an answer at the most, thoughts included.
    pub max_output_tokens: Option<u64>,
    /// Spread of the drawing.
    pub temperature: Option<f64>,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: Option<f64>,
    /// Whether the provider is to keep the prompt.
    pub auto_cache: Option<bool>,
}

/// A name of our own for a model.
#[derive(Clone, Debug)]
pub struct Alias {
    /// What callers say, with or without a slash.
    pub name: String,
    /// The model it stands for: `provider/model[@region][:variant]`. It is no alias itself.
    pub model: ModelId,
    /// Settings.
    pub defaults: Arc<Defaults>,
}

/// Settings of a model for coding agents: its prompts are kept, unless an alias says otherwise.
pub(super) fn for_coding(of_alias: Option<Arc<Defaults>>) -> Arc<Defaults> {
    let defaults = of_alias.map_or_else(Defaults::default, |defaults| Defaults::clone(&defaults));
    Arc::new(Defaults { auto_cache: defaults.auto_cache.or(Some(true)), ..defaults })
}
