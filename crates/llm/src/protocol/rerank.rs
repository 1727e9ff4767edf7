//! Rankings: from the shape that Cohere and Jina share to Voyage's, and back.
//!
//! <https://docs.voyageai.com/reference/reranker-api>, <https://docs.cohere.com/reference/rerank> and
//! <https://jina.ai/reranker>, read 2026-11-26. Voyage's documents are texts, and its results stand in `data`.

use super::fields::{Fields, Kind, invalid, kind, read, text};
use super::write::{Dollars, to_json};
use super::{Encoded, Shape, TranslateError};
use crate::ir::Warnings;
use domain::Money;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    query: String,
    documents: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_documents: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation: Option<bool>,
}

/// Writes a request for Voyage.
pub fn encode_for_voyage(body: &[u8], model: &str) -> Result<Encoded, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    let mut warnings = Warnings::of_shapes(Shape::OpenAi, Shape::Voyage);
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    fields.raw("model");
    let top_k = fields.count("top_k")?;
    let request = Request {
        model,
        query: fields.required_string("query")?,
        documents: documents(fields.required("documents")?)?,
        top_k: fields.count("top_n")?.or(top_k),
        return_documents: fields.get("return_documents")?,
        truncation: fields.get("truncation")?,
    };
    let mut lost = Vec::new();
    fields.finish(&mut lost);
    if !lost.is_empty() {
        warnings.add("unknown fields", format!("dropped: {}", lost.join(", ")));
    }
    Ok(Encoded { body: to_json(&request), warnings: warnings.take(), is_form_emulated: false })
}

/// Texts, or objects with one.
fn documents(raw: &RawValue) -> Result<Vec<Cow<'_, str>>, TranslateError> {
    let items: Vec<&RawValue> = read("documents", raw)?;
    items.into_iter().enumerate().map(|(at, raw)| one(&format!("documents[{at}]"), raw)).collect()
}

fn one<'a>(path: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, TranslateError> {
    match kind(raw) {
        Kind::String => text(path, raw),
        Kind::Object => {
            let path = format!("{path}.text");
            let mut document = Fields::new(path.clone(), raw)?;
            let Some(said) = document.raw("text") else {
                return Err(invalid(&path, "the model's provider takes texts only"));
            };
            text(&path, said)
        }
        Kind::Array | Kind::Other => Err(invalid(path, "expected a text")),
    }
}

#[derive(Deserialize)]
struct Ranked<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    usage: Option<Total>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: u64,
    #[serde(borrow)]
    relevance_score: &'a RawValue,
    #[serde(borrow, default)]
    document: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Total {
    total_tokens: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    model: &'a str,
    results: Vec<Fit<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageOut>,
}

/// A document, and how well it fits.
#[derive(Serialize)]
struct Fit<'a> {
    index: u64,
    relevance_score: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document<'a>>,
}

impl<'a> Fit<'a> {
    fn of(item: Item<'a>) -> Self {
        let document = item.document.filter(|raw| raw.get() != "null").map(|text| Document { text });
        Self { index: item.index, relevance_score: item.relevance_score, document }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    text: &'a RawValue,
}

#[derive(Serialize)]
struct UsageOut {
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

/// Writes Voyage's answer as Jina words it. `id`: what the answer is called; `model`: its name where the provider tells
/// none; `cost` becomes `usage.cost`.
pub fn decode_of_voyage(
    body: &[u8],
    id: &str,
    model: &str,
    cost: Option<Money>,
) -> Result<Vec<u8>, TranslateError> {
    let ranked: Ranked<'_> = serde_json::from_slice(body)
        .map_err(|error| TranslateError::InvalidResponse { message: error.to_string() })?;
    let usage = ranked.usage.map(|usage| usage.total_tokens);
    Ok(to_json(&Answer {
        id,
        model: ranked.model.as_deref().unwrap_or(model),
        results: ranked.data.into_iter().map(Fit::of).collect(),
        usage: usage.map(|total_tokens| UsageOut { total_tokens, cost: cost.map(Dollars) }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sent(body: &Value) -> Result<(Value, Vec<String>), TranslateError> {
        let encoded = encode_for_voyage(body.to_string().as_bytes(), "rerank-2.5")?;
        let warnings = encoded.warnings.iter().map(ToString::to_string).collect();
        Ok((serde_json::from_slice(&encoded.body).unwrap(), warnings))
    }

    #[test]
    fn a_question_and_its_documents_reach_voyage_in_its_words() {
        let body = json!({"model": "voyage/rerank-2.5", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": true, "max_tokens_per_doc": 9});
        let (sent, warnings) = sent(&body).unwrap();
        let expected = json!({"model": "rerank-2.5", "query": "q", "documents": ["a", "b"], "top_k": 1, "return_documents": true});
        assert_eq!(sent, expected);
        assert_eq!(warnings, ["unknown fields (voyage): dropped: max_tokens_per_doc"]);
    }

    #[test]
    fn what_is_missing_or_no_text_is_named() {
        for (body, param) in [
            (json!({"documents": ["a"]}), "query"),
            (json!({"query": "q"}), "documents"),
            (json!({"query": "q", "documents": ["a", 1]}), "documents[1]"),
            (json!({"query": "q", "documents": [{"image": "x"}]}), "documents[0].text"),
        ] {
            assert_eq!(sent(&body).unwrap_err().param(), Some(param), "{body}");
        }
    }

    #[test]
    fn an_answer_is_worded_as_others_word_theirs() {
        let body = br#"{"object":"list","data":[{"relevance_score":0.4375,"index":1,"document":"b"},{"relevance_score":1e-2,"index":0}],"model":"rerank-2.5","usage":{"total_tokens":26}}"#;
        let answer = decode_of_voyage(body, "req_1", "m", Some(Money::from_nano(1_300))).unwrap();
        let expected = r#"{"id":"req_1","model":"rerank-2.5","results":[{"index":1,"relevance_score":0.4375,"document":{"text":"b"}},{"index":0,"relevance_score":1e-2}],"usage":{"total_tokens":26,"cost":0.0000013}}"#;
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
        assert!(decode_of_voyage(b"{}", "req_1", "m", None).is_err());
    }
}
