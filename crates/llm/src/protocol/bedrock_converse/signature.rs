//! Signatures of thoughts in Converse's fields.
//!
//! Only Claude signs its thoughts, and its signatures hold wherever it runs
//! (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>, not read again for this). What others signed stands in
//! `signature`, which is a text, with the word of their protocol in front; `redactedContent` is of bytes, which SDKs read from base64
//! and write again, so there the marked text stands in base64.

use crate::ir::Signature;
use crate::protocol::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Whose signatures stand here without a mark.
const HOME: Protocol = Protocol::AnthropicMessages;

/// Reads a `signature`.
pub(super) fn signed(value: String) -> Signature {
    Signature::from_field(HOME, value)
}

/// The signature as it stands in `signature`.
pub(super) fn in_field(signature: &Signature) -> Cow<'_, str> {
    signature.in_field(HOME)
}

/// Reads a `redactedContent`.
pub(super) fn redacted(value: String) -> Signature {
    let decoded = STANDARD.decode(&value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let is_marked =
        |text: &str| text.split_once(':').is_some_and(|(word, _)| Protocol::parse(word).is_some());
    match decoded.filter(|text| is_marked(text)) {
        Some(text) => signed(text),
        None => Signature { protocol: HOME, value },
    }
}

/// The signature as it stands in `redactedContent`.
pub(super) fn redacted_in_field(signature: &Signature) -> Cow<'_, str> {
    if signature.protocol == HOME && STANDARD.decode(&signature.value).is_ok() {
        return Cow::Borrowed(&signature.value);
    }
    Cow::Owned(STANDARD.encode(format!("{}:{}", signature.protocol.as_str(), signature.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_all_come_back_through_either_field() {
        for protocol in [Protocol::AnthropicMessages, Protocol::OpenAiResponses, Protocol::Gemini] {
            for value in ["EmwKAhgBEgy3va3p", "no base64", "gAAAA:B"] {
                let signature = Signature { protocol, value: value.to_owned() };
                let field = redacted_in_field(&signature).into_owned();
                assert!(STANDARD.decode(&field).is_ok());
                assert_eq!(redacted(field), signature);
                assert_eq!(signed(in_field(&signature).into_owned()), signature);
            }
        }
    }
}
