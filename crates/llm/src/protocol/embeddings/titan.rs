//! Amazon's Titan text embeddings behind Bedrock's InvokeModel: one text a call.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>, read 2026-11-26. Several
//! inputs are refused: each would be a call of its own, billed by itself, and an answer that lacks some is none.

use super::super::TranslateError;
use super::super::openai_chat::usage::Count;
use super::super::write::to_json;
use super::{bare, only_input, read, task, texts, vector, warn_titles};
use crate::ir::{EmbeddingRequest, EmbeddingResponse, Truncation, Warnings};
use domain::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
}

pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    only_input(request)?;
    let input_text = texts(request, warnings)?.into_iter().next().unwrap_or_default();
    let is_first = model.contains("embed-text-v1") || model.contains("embed-g1-text");
    if request.dimensions.is_some() && is_first {
        let detail = "the vectors of this model have one length".to_owned();
        return Err(TranslateError::Unsupported { feature: "dimensions", detail });
    }
    task::warn(request.task, warnings);
    warn_titles(request, warnings);
    if !matches!(request.truncation, None | Some(Truncation::Never)) {
        warnings.add("truncation", "dropped: the provider refuses texts that are too long");
    }
    Ok(to_json(&Request { input_text, dimensions: request.dimensions }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(default)]
    input_text_token_count: Count,
}

pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Response { embedding, input_text_token_count } = read(body)?;
    let usage = input_text_token_count.0.map(|input| Usage { input, ..Usage::ZERO });
    Ok(EmbeddingResponse { usage, ..bare(vec![vector("embedding", embedding)?]) })
}
