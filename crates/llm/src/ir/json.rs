//! A piece of JSON that is carried, not understood.

use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// JSON text, byte for byte as it arrived. Two are equal when their texts are.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes over a text that is JSON; `None` when it is not.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Box<RawValue>>(text).ok().map(Self)
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Whether it is a JSON schema of an object.
    pub(crate) fn is_schema_of_object(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Head<'a> {
            #[serde(borrow, rename = "type", default)]
            kind: Option<Cow<'a, str>>,
        }
        serde_json::from_str::<Head<'_>>(self.get()).is_ok_and(|head| head.kind.as_deref() == Some("object"))
    }

    /// The text as `serde_json` writes it without touching it.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
