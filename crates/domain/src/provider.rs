//! Naming providers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A text that cannot name a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a provider's name is made of a-z, 0-9, `-`, `_` and `.`, 1 to 64 characters; got {0:?}")]
pub struct ProviderNameError(String);

/// The name callers put before the slash: `openai` in `openai/gpt-4o`. Several providers of one kind may
/// stand under different names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderName(Arc<str>);

impl ProviderName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = ProviderNameError;
    fn from_str(text: &str) -> Result<Self, ProviderNameError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(ProviderNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a provider file: which company's endpoint this is (`openai`, `anthropic`,
/// `openai-compatible`, …). Whether the name exists is `llm`'s to say.
pub type ProviderKind = &'static str;
