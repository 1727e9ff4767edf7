//! Tools that take free text, where there are only functions: the text is the one argument.

use crate::ir::{CustomTool, Warnings};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The schema of the function that stands for such a tool.
const SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// The schema of the function that stands for a tool, and a word about what that loses.
pub(super) fn schema(tool: &CustomTool, warnings: &mut Warnings) -> Box<RawValue> {
    warnings.add("tools", format!("{} takes free text; it was sent with one text argument", tool.name));
    if tool.format.is_some() {
        warnings.add("tools", format!("the grammar of {} was dropped", tool.name));
    }
    RawValue::from_string(SCHEMA.to_owned()).unwrap_or_default()
}

/// The arguments of a call with this text.
pub(super) fn arguments(text: &str) -> Box<RawValue> {
    wrapped("input", text)
}

/// The text of a call, as [`arguments`] wraps it. What is no such argument is handed over as it is.
pub(super) fn read(arguments: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Input {
        input: String,
    }
    match serde_json::from_str::<Input>(arguments) {
        Ok(Input { input }) => Cow::Owned(input),
        Err(_) => Cow::Borrowed(arguments),
    }
}

/// An object with one text in it.
pub(super) fn wrapped(key: &str, text: &str) -> Box<RawValue> {
    let text = serde_json::to_string(text).unwrap_or_default();
    RawValue::from_string(format!("{{\"{key}\":{text}}}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_its_argument() {
        let text = "SELECT \"x\"";
        assert_eq!(arguments(text).get(), r#"{"input":"SELECT \"x\""}"#);
        assert_eq!(read(arguments(text).get()), text);
        assert_eq!(read("SELECT 1"), "SELECT 1");
    }
}
