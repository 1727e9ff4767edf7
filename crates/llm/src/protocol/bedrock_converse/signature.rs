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

/// Letters of base64 that tell whether a mark is there: three quarters as many bytes.
const MARK_CHARS: usize = 64;

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
    if !is_marked(&value) {
        return Signature { protocol: HOME, value };
    }
    // Where its end was set aside it cannot be read, and must not look as if it could.
    signed(String::from_utf8_lossy(&STANDARD.decode(&value).unwrap_or_default()).into_owned())
}

/// Whether a value was written here, by its beginning alone: it may be long.
fn is_marked(value: &str) -> bool {
    let head = STANDARD.decode(value.get(..MARK_CHARS).unwrap_or(value)).unwrap_or_default();
    let word = head.split(|byte| *byte == b':').next().filter(|word| word.len() < head.len());
    word.and_then(|word| Protocol::parse(std::str::from_utf8(word).ok()?)).is_some()
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
            for value in ["EmwKAhgBEgy3va3p", "no base64", "gAAAA:B", &"A+/z".repeat(40)] {
                let signature = Signature { protocol, value: value.to_owned() };
                let field = redacted_in_field(&signature).into_owned();
                assert!(STANDARD.decode(&field).is_ok());
                assert_eq!(redacted(field), signature);
                assert_eq!(signed(in_field(&signature).into_owned()), signature);
            }
        }
    }
}
