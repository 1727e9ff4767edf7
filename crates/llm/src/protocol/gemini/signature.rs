//! Signatures of thoughts in Gemini's fields.
//!
//! `thoughtSignature` is of bytes: SDKs read base64 from it and write the same bytes again, in one of its two alphabets.
//! So what another vendor signed stands there as base64 of a text that names the vendor. What Gemini itself signed stays
//! word for word as it came. <https://ai.google.dev/gemini-api/docs/thought-signatures>, read 2026-11-26.

use crate::ir::{Content, Signature};
use crate::protocol::Protocol;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::borrow::Cow;

/// Stands before the name of a vendor whose thoughts nobody else can read.
const REDACTED: &str = "redacted:";
/// Letters of base64 that tell whether a mark is there: three quarters as many bytes.
const MARK_CHARS: usize = 64;

/// Reads the signature of a thought: the thought itself, or one that cannot be read.
pub(super) fn thought(text: String, value: Option<String>) -> Content {
    let Some(value) = value else { return Content::Reasoning { text, signature: None } };
    let Some(foreign) = foreign(&value) else {
        return Content::Reasoning { text, signature: Some(own(value)) };
    };
    match foreign.strip_prefix(REDACTED) {
        Some(rest) => Content::RedactedReasoning(Signature::from_field(Protocol::Gemini, rest.to_owned())),
        None => {
            Content::Reasoning { text, signature: Some(Signature::from_field(Protocol::Gemini, foreign)) }
        }
    }
}

/// What Gemini signed.
fn own(value: String) -> Signature {
    Signature { protocol: Protocol::Gemini, value }
}

/// The signature as it stands in `thoughtSignature`.
pub(super) fn in_field(signature: &Signature) -> Cow<'_, str> {
    match signature.protocol {
        Protocol::Gemini => Cow::Borrowed(&signature.value),
        Protocol::OpenAiChat
        | Protocol::OpenAiResponses
        | Protocol::AnthropicMessages
        | Protocol::BedrockConverse
        | Protocol::CohereChat => {
            Cow::Owned(STANDARD.encode(signature.in_field(Protocol::Gemini).as_bytes()))
        }
    }
}

/// The same for thoughts that only their vendor can read.
pub(super) fn redacted_in_field(signature: &Signature) -> String {
    STANDARD.encode(format!("{REDACTED}{}", signature.in_field(Protocol::Gemini)))
}

/// The text behind a value that was written here, with the mark in front.
fn foreign(value: &str) -> Option<String> {
    let standard = |text: &str| text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    let head = STANDARD_NO_PAD.decode(standard(value.get(..MARK_CHARS).unwrap_or(value))).ok()?;
    let word = head.strip_prefix(REDACTED.as_bytes()).unwrap_or(&head);
    let end = word.iter().position(|byte| *byte == b':')?;
    Protocol::parse(std::str::from_utf8(&word[..end]).ok()?)?;
    String::from_utf8(STANDARD_NO_PAD.decode(standard(value)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_others_come_back_from_either_alphabet_of_base64() {
        let long = "ErU+/aBcD".repeat(40);
        for value in ["sig", &long] {
            let signature = Signature { protocol: Protocol::AnthropicMessages, value: value.to_owned() };
            let written = in_field(&signature).into_owned();
            let url_safe = written.replace('+', "-").replace('/', "_");
            for field in [written, url_safe] {
                let read = thought("t".to_owned(), Some(field));
                let expected =
                    Content::Reasoning { text: "t".to_owned(), signature: Some(signature.clone()) };
                assert_eq!(read, expected);
            }
            let redacted = thought(String::new(), Some(redacted_in_field(&signature)));
            assert_eq!(redacted, Content::RedactedReasoning(signature));
        }
    }

    #[test]
    fn its_own_signatures_stay_word_for_word() {
        for value in ["CgcI-_==", "skip_thought_signature_validator", "é", ""] {
            let read = thought(String::new(), Some(value.to_owned()));
            let Content::Reasoning { signature: Some(signature), .. } = read else { panic!("{read:?}") };
            assert_eq!((signature.protocol, in_field(&signature).as_ref()), (Protocol::Gemini, value));
        }
    }
}
