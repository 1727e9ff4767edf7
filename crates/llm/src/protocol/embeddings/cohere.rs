//! Cohere's `/v2/embed`, and the same models behind Bedrock's InvokeModel.
//!
//! <https://docs.cohere.com/reference/embed> and `cohere/v2/raw_client.py` of its Python SDK 7.3.1;
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v3.html> and `…-embed-v4.html`. Read
//! 2026-11-26. Bedrock's answers tell no tokens: a header does.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, read as read_value};
use super::super::openai_chat::usage::Count;
use super::super::write::to_json;
use super::{owned, read, task, texts, vector, warn_titles};
use crate::ir::{EmbeddingRequest, EmbeddingResponse, Truncation, Vector, Warnings};
use domain::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    input_type: &'static str,
    texts: Vec<&'a str>,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'static str>,
}

pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    encode(request, Some(model), ["NONE", "START", "END"], warnings)
}

/// The model stands in the address, and its generations differ.
pub(super) fn encode_for_bedrock(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    let is_third = model.contains("embed-english-v3") || model.contains("embed-multilingual-v3");
    if is_third && request.dimensions.is_some() {
        let detail = "the vectors of this model have one length".to_owned();
        return Err(TranslateError::Unsupported { feature: "dimensions", detail });
    }
    let words = if is_third { ["NONE", "START", "END"] } else { ["NONE", "LEFT", "RIGHT"] };
    encode(request, None, words, warnings)
}

fn encode(
    request: &EmbeddingRequest,
    model: Option<&str>,
    truncations: [&'static str; 3],
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    warn_titles(request, warnings);
    let [never, start, end] = truncations;
    Ok(to_json(&Request {
        model,
        texts: texts(request, warnings)?,
        input_type: task::cohere(request.task, warnings),
        embedding_types: ["float"],
        output_dimension: request.dimensions,
        truncate: request.truncation.map(|truncation| match truncation {
            Truncation::Never => never,
            Truncation::Start => start,
            Truncation::End => end,
        }),
    }))
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    embeddings: &'a RawValue,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    billed_units: Option<BilledUnits>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct BilledUnits {
    input_tokens: Count,
    image_tokens: Count,
}

/// The vectors stand by their type, or alone where none was asked for.
pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Response { id, embeddings, meta } = read(body)?;
    let billed = meta.and_then(|meta| meta.billed_units);
    let usage = billed.filter(|billed| billed.input_tokens.0.is_some()).map(|billed| Usage {
        input: billed.input_tokens.get().saturating_sub(billed.image_tokens.get()),
        image_input: billed.image_tokens.get(),
        ..Usage::ZERO
    });
    Ok(EmbeddingResponse { id: owned(id), model: String::new(), vectors: vectors(embeddings)?, usage })
}

fn vectors(raw: &RawValue) -> Result<Vec<Vector<'_>>, TranslateError> {
    let list = match kind(raw) {
        Kind::Object => Fields::new("embeddings".to_owned(), raw)?.required("float")?,
        Kind::Array => raw,
        Kind::String | Kind::Other => return Err(invalid("embeddings", "expected vectors")),
    };
    let items: Vec<&RawValue> = read_value("embeddings", list)?;
    items.into_iter().map(|item| vector("embeddings", item)).collect()
}
