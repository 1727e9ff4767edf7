//! Google's cloud: `predict` for its text embeddings, `embedContent` for newer models.
//!
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>,
//! <https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/rest/v1beta1/projects.locations.publishers.models/embedContent>
//! and `google/genai/models.py` of Google's Python SDK 3.6.1, read 2026-11-26. The model stands in the address. How many
//! texts a call of `predict` may have depends on the model; `embedContent` takes one content.

use super::super::TranslateError;
use super::super::openai_chat::usage::Count;
use super::super::write::to_json;
use super::{bare, only_input, read, task, texts, vector};
use crate::ir::{EmbeddingRequest, EmbeddingResponse, Truncation, Vector, Warnings};
use domain::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Predict<'a> {
    instances: Vec<Instance<'a>>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<bool>,
}

impl Parameters {
    fn is_empty(&self) -> bool {
        self.output_dimensionality.is_none() && self.auto_truncate.is_none()
    }
}

/// Whether too long a text is cut, which Google does at its end.
fn auto_truncate(request: &EmbeddingRequest, warnings: &mut Warnings) -> Option<bool> {
    if request.truncation == Some(Truncation::Start) {
        warnings.add("truncate", "START became the end: the provider cuts off no beginnings");
    }
    request.truncation.map(|truncation| truncation != Truncation::Never)
}

pub(super) fn encode_predict(
    request: &EmbeddingRequest,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    let task_type = request.task.map(task::google);
    let texts = texts(request, warnings)?.into_iter().zip(&request.inputs);
    let instances =
        texts.map(|(content, input)| Instance { content, task_type, title: input.title.as_deref() });
    Ok(to_json(&Predict {
        instances: instances.collect(),
        parameters: Parameters {
            output_dimensionality: request.dimensions,
            auto_truncate: auto_truncate(request, warnings),
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Embed<'a> {
    content: super::gemini::Content<'a>,
    #[serde(skip_serializing_if = "Config::is_empty")]
    embed_content_config: Config<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<bool>,
}

impl Config<'_> {
    fn is_empty(&self) -> bool {
        self.task_type.is_none()
            && self.title.is_none()
            && self.output_dimensionality.is_none()
            && self.auto_truncate.is_none()
    }
}

pub(super) fn encode_embed(
    request: &EmbeddingRequest,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    let input = only_input(request)?;
    let content = super::gemini::Content::of(input)?;
    let embed_content_config = Config {
        task_type: request.task.map(task::google),
        title: input.title.as_deref(),
        output_dimensionality: request.dimensions,
        auto_truncate: auto_truncate(request, warnings),
    };
    Ok(to_json(&Embed { content, embed_content_config }))
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    predictions: Vec<Prediction<'a>>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: Embedding<'a>,
}

#[derive(Deserialize)]
struct Embedding<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
    #[serde(default)]
    statistics: Option<Statistics>,
}

#[derive(Deserialize, Default)]
struct Statistics {
    #[serde(default)]
    token_count: Count,
}

/// Tokens are told for each text; only if all are is their sum the usage.
pub(super) fn decode_predictions(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Response { predictions } = read(body)?;
    let tokens = |prediction: &Prediction<'_>| prediction.embeddings.statistics.as_ref()?.token_count.0;
    let counted: Option<Vec<u64>> = predictions.iter().map(tokens).collect();
    let input = counted.filter(|counts| !counts.is_empty());
    let input = input.map(|counts| counts.into_iter().fold(0, u64::saturating_add));
    let vectors = predictions.iter().map(|prediction| vector("predictions", prediction.embeddings.values));
    let vectors: Vec<Vector<'_>> = vectors.collect::<Result<_, _>>()?;
    Ok(EmbeddingResponse { usage: input.map(|input| Usage { input, ..Usage::ZERO }), ..bare(vectors) })
}
