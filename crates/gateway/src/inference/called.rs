//! What is called: the endpoint, and what its address says of the call.
//!
//! In Gemini's protocol and in Converse the address names the model and tells whether the answer is streamed; everywhere else
//! that stands in the body.

use domain::record::Operation;
use std::sync::Arc;

/// Below it are models in Amazon Bedrock's addresses.
pub const CONVERSE: &str = "/model/";

/// An endpoint, and what its address says of the call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// The endpoint.
    pub operation: Operation,
    /// The model, where the address names it.
    pub model: Option<Arc<str>>,
    /// The address asks for a stream.
    pub is_stream: bool,
}

impl From<Operation> for Called {
    fn from(operation: Operation) -> Self {
        Self { operation, model: None, is_stream: false }
    }
}

impl Called {
    /// Reads a path below which models are: `/v1beta/models/{model}:{verb}`. The model may have slashes, plain or
    /// escaped, and colons. <https://ai.google.dev/api/all-methods>, read 2026-11-26.
    pub fn of_path(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix(CONVERSE) {
            return Self::of_converse(rest);
        }
        let rest = ["/v1beta/models/", "/v1/models/"].iter().find_map(|start| path.strip_prefix(start))?;
        let (model, verb) = rest.rsplit_once(':')?;
        let (operation, is_stream) = match verb {
            "generateContent" => (Operation::GenerateContent, false),
            "streamGenerateContent" => (Operation::GenerateContent, true),
            "countTokens" => (Operation::CountContentTokens, false),
            "embedContent" => (Operation::EmbedContent, false),
            "batchEmbedContents" => (Operation::BatchEmbedContents, false),
            _ => return None,
        };
        let model = unescaped(model)?;
        let model = model.strip_prefix("models/").unwrap_or(&model);
        Some(Self { operation, model: Some(model.into()), is_stream })
    }

    /// Reads the rest of a path of Amazon Bedrock's, `{model}/{verb}`. SDKs escape the slashes and colons of a model; they may stand
    /// there plain too. <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>, read 2026-11-26.
    fn of_converse(rest: &str) -> Option<Self> {
        let (model, verb) = rest.rsplit_once('/')?;
        let (operation, is_stream) = match verb {
            "converse" => (Operation::Converse, false),
            "converse-stream" => (Operation::Converse, true),
            "count-tokens" => (Operation::CountConverseTokens, false),
            _ => return None,
        };
        Some(Self { operation, model: Some(unescaped(model)?.into()), is_stream })
    }

    /// What of the address makes two calls differ.
    pub fn asked(&self) -> [&[u8]; 2] {
        [self.model.as_deref().unwrap_or("").as_bytes(), if self.is_stream { b"stream" } else { b"" }]
    }
}

/// A part of a path without its escapes. `None`: they are wrong.
fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit()? * 16 + digit()?);
    }
    String::from_utf8(out).ok()
}

/// The value of a field of a query, as it stands there.
pub fn query_value<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?
        .split('&')
        .filter_map(|field| field.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_model_and_verb() {
        let of = |path| {
            Called::of_path(path)
                .map(|called| (called.operation, called.model.unwrap().to_string(), called.is_stream))
        };
        let generate = Operation::GenerateContent;
        for (path, expected) in [
            (
                "/v1beta/models/google/gemini-2.5-pro:generateContent",
                Some((generate, "google/gemini-2.5-pro", false)),
            ),
            (
                "/v1beta/models/google%2Fgemini-2.5-pro:streamGenerateContent",
                Some((generate, "google/gemini-2.5-pro", true)),
            ),
            (
                "/v1/models/models/ollama/llama3:8b:generateContent",
                Some((generate, "ollama/llama3:8b", false)),
            ),
            ("/v1beta/models/a/b:countTokens", Some((Operation::CountContentTokens, "a/b", false))),
            ("/v1beta/models/a/b:embedContent", Some((Operation::EmbedContent, "a/b", false))),
            ("/v1/models/a/b:batchEmbedContents", Some((Operation::BatchEmbedContents, "a/b", false))),
            (
                "/model/openai%2Fgpt-4o-mini/converse",
                Some((Operation::Converse, "openai/gpt-4o-mini", false)),
            ),
            (
                "/model/ollama/llama3%3A8b/converse-stream",
                Some((Operation::Converse, "ollama/llama3:8b", true)),
            ),
            ("/model/a%2Fb/count-tokens", Some((Operation::CountConverseTokens, "a/b", false))),
            ("/model/a%2Fb/invoke", None),
            ("/model/converse", None),
            ("/v1beta/models/a/b:embedText", None),
            ("/v1beta/models/a%2:generateContent", None),
            ("/v1beta/models/a/b", None),
            ("/v1/models/a/b:8b", None),
        ] {
            assert_eq!(
                of(path),
                expected.map(|(operation, model, is_stream)| (operation, model.to_owned(), is_stream)),
                "{path}"
            );
        }
    }

    #[test]
    fn a_field_of_a_query_is_found() {
        assert_eq!(query_value(Some("alt=sse&key=k"), "key"), Some("k"));
        assert_eq!((query_value(Some("alts=sse"), "alt"), query_value(None, "alt")), (None, None));
    }
}
