//! Voyage's `/v1/embeddings`: OpenAI's with other words in places, and strict about them.
//!
//! <https://docs.voyageai.com/reference/embeddings-api> and `voyageai/api_resources/embedding.py` of its Python SDK 0.5.0,
//! read 2026-11-26. `encoding_format` is `base64` or absent; base64 is of 32-bit floats as OpenAI's is.

use super::super::TranslateError;
use super::super::openai_chat::usage::Count;
use super::super::write::to_json;
use super::{openai, read, task, texts, warn_titles};
use crate::ir::{EmbeddingRequest, EmbeddingResponse, Truncation, VectorFormat, Warnings};
use domain::Usage;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
}

pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    warn_titles(request, warnings);
    if request.truncation == Some(Truncation::Start) {
        warnings.add("truncate", "START became the end: the provider cuts off no beginnings");
    }
    Ok(to_json(&Request {
        model,
        input: texts(request, warnings)?,
        input_type: task::voyage(request.task, warnings),
        truncation: request.truncation.map(|truncation| truncation != Truncation::Never),
        output_dimension: request.dimensions,
        encoding_format: (request.format == VectorFormat::Base64).then_some("base64"),
    }))
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    usage: Option<Total>,
}

#[derive(Deserialize)]
struct Total {
    #[serde(default)]
    total_tokens: Count,
}

pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let response = openai::decode_response(body)?;
    // Only the total is told, and nothing is made but vectors.
    let told: Told = read(body)?;
    let total = told.usage.and_then(|usage| usage.total_tokens.0);
    Ok(EmbeddingResponse { usage: total.map(|input| Usage { input, ..Usage::ZERO }), ..response })
}
