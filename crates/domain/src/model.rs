//! How callers name models.

use std::fmt;
use std::str::FromStr;

/// A text that does not name a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a model is named `provider/model`, for example `openai/gpt-4o-mini`; got {0:?}")]
pub struct ModelIdError(String);

/// A model as callers name it: `provider/model`, split at the first slash only, so the model part may
/// itself contain slashes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId {
    text: String,
    slash: usize,
}

impl ModelId {
    /// Joins a provider's name and a model's own id.
    pub fn new(provider: &str, model: &str) -> Result<Self, ModelIdError> {
        format!("{provider}/{model}").parse()
    }

    /// The part before the first slash.
    pub fn provider(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The part after the first slash: what the provider calls the model, or an alias of it.
    pub fn model(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Splits a name without keeping it. `None` when it is not of the form `provider/model`.
    pub fn split(text: &str) -> Option<(&str, &str)> {
        text.split_once('/').filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
    }
}

impl FromStr for ModelId {
    type Err = ModelIdError;
    fn from_str(text: &str) -> Result<Self, ModelIdError> {
        let (provider, _) = Self::split(text).ok_or_else(|| ModelIdError(text.to_owned()))?;
        Ok(Self { slash: provider.len(), text: text.to_owned() })
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_slash_splits() {
        let id: ModelId = "novita/meta-llama/llama-3.2-1b-instruct".parse().unwrap();
        assert_eq!((id.provider(), id.model()), ("novita", "meta-llama/llama-3.2-1b-instruct"));
    }

    #[test]
    fn a_name_without_both_parts_is_refused() {
        for text in ["", "gpt-4o", "/gpt-4o", "openai/", "/"] {
            assert!(text.parse::<ModelId>().is_err(), "{text:?}");
        }
    }
}
