//! Google's `embedContent` and `batchEmbedContents`.
//!
//! <https://ai.google.dev/api/embeddings> and `google/genai/models.py` of Google's Python SDK 3.6.1, read 2026-11-26. The
//! settings stand beside the content, or in `embedContentConfig`; either is read. `gemini-embedding-2` takes no task type
//! and no title: it wants both in the text (<https://ai.google.dev/gemini-api/docs/embeddings>, read 2026-11-26).
//! Usage is told as `usageMetadata` by newer models (<https://github.com/maximhq/bifrost/pull/7295>, read 2026-11-26).

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use super::super::gemini::usage;
use super::super::write::{Dollars, to_json};
use super::{OWN_FIELDS, bare, items, no_tokens, only_input, read, task, vector, warn_titles};
use crate::ir::{
    EmbeddingContent, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, EmbeddingTask, Json, Truncation,
    Vector, VectorFormat, Warnings,
};
use crate::protocol::Shape;
use crate::raw::RawObject;
use bytes::Bytes;
use domain::Money;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What one request says, alone or in a batch.
struct One {
    input: EmbeddingInput,
    settings: Settings,
}

/// What all requests of a batch must agree in, where it is sent in another shape.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Settings {
    task: Option<EmbeddingTask>,
    dimensions: Option<u64>,
    truncation: Option<Truncation>,
}

pub(super) fn decode_embed(body: &[u8], model: &str) -> Result<EmbeddingRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    let mut ignored = Vec::new();
    let one = one(fields.camel_case(), model, &mut ignored)?;
    let request = EmbeddingRequest::new(Shape::GeminiEmbed, vec![one.input]);
    Ok(EmbeddingRequest { ignored, ..with(request, one.settings) })
}

pub(super) fn decode_batch(body: &[u8], model: &str) -> Result<EmbeddingRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    fields.raw("model");
    let mut ignored = Vec::new();
    let (mut inputs, mut shared) = (Vec::new(), None);
    for (at, request) in items("requests", fields.required("requests")?)?.into_iter().enumerate() {
        let request = Fields::new(format!("requests[{at}]"), request)?;
        let One { input, settings } = one(request.camel_case(), model, &mut ignored)?;
        inputs.push(input);
        if *shared.get_or_insert(settings) != settings {
            let message = "the model's provider wants one task type, one number of dimensions and one way of \
                           truncation for a whole batch";
            return Err(invalid(&format!("requests[{at}]"), message));
        }
    }
    fields.finish(&mut ignored);
    if inputs.is_empty() {
        return Err(invalid("requests", "there is nothing to make a vector of"));
    }
    let request = EmbeddingRequest::new(Shape::GeminiBatch, inputs);
    Ok(EmbeddingRequest { ignored, ..with(request, shared.unwrap_or_default()) })
}

fn with(request: EmbeddingRequest, settings: Settings) -> EmbeddingRequest {
    let Settings { task, dimensions, truncation } = settings;
    EmbeddingRequest { task, dimensions, truncation, ..request }
}

fn one(mut fields: Fields<'_>, model: &str, ignored: &mut Vec<String>) -> Result<One, TranslateError> {
    if let Some(named) = fields.string("model")? {
        check_model(&fields.path("model"), &named, model)?;
    }
    let content = content(&fields.path("content"), fields.required("content")?, ignored)?;
    let mut settings = settings(&mut fields)?;
    let mut title = fields.string("title")?;
    if let Some(config) = fields.object("embedContentConfig")? {
        let mut config = config.camel_case();
        let inner = self::settings(&mut config)?;
        settings.task = inner.task.or(settings.task);
        settings.dimensions = inner.dimensions.or(settings.dimensions);
        settings.truncation = inner.truncation.or(settings.truncation);
        title = config.string("title")?.or(title);
        config.finish(ignored);
    }
    fields.finish(ignored);
    Ok(One { input: EmbeddingInput { content, title: title.map(Into::into) }, settings })
}

/// Reads a content. What has several parts, or others than texts, stays as it is beside its texts.
fn content(
    path: &str,
    raw: &RawValue,
    ignored: &mut Vec<String>,
) -> Result<EmbeddingContent, TranslateError> {
    let mut fields = Fields::new(path.to_owned(), raw)?.camel_case();
    let parts = fields.objects("parts")?;
    let is_single = parts.len() == 1;
    if parts.is_empty() {
        return Err(fields.missing("parts"));
    }
    let mut texts = Vec::new();
    for part in parts {
        let mut part = part.camel_case();
        let Some(text) = part.string("text")? else {
            return Ok(EmbeddingContent::Parts { raw: Json::from(raw), text: None });
        };
        texts.push(text);
        part.finish(ignored);
    }
    fields.raw("role");
    fields.finish(ignored);
    let text = texts.join("\n");
    Ok(match is_single {
        true => EmbeddingContent::Text(text),
        false => EmbeddingContent::Parts { raw: Json::from(raw), text: Some(text) },
    })
}

fn settings(fields: &mut Fields<'_>) -> Result<Settings, TranslateError> {
    let cut = |is_cut: bool| if is_cut { Truncation::End } else { Truncation::Never };
    Ok(Settings {
        task: task::take(fields, "taskType")?,
        dimensions: fields.count("outputDimensionality")?,
        truncation: fields.get("autoTruncate")?.map(cut),
    })
}

/// A body may name the model too; it must be the one of the address.
fn check_model(path: &str, named: &str, model: &str) -> Result<(), TranslateError> {
    let plain = |name: &str| name.strip_prefix("models/").unwrap_or(name).to_owned();
    if plain(named) == plain(model) {
        return Ok(());
    }
    Err(invalid(path, format!("names `{named}`, and the address `{model}`")))
}

/// Names the model in all requests of a batch as Google does, where the batch passes through. `asked`: as the address of
/// the call names it, which they must agree with.
pub fn name_models(requests: &[u8], asked: &str, model: &str) -> Result<Vec<u8>, TranslateError> {
    let text = super::utf8(requests)?;
    let raw: &RawValue =
        serde_json::from_str(text).map_err(|_| invalid("requests", "expected a list of requests"))?;
    let mut out = vec![b'['];
    for (at, item) in items("requests", raw)?.into_iter().enumerate() {
        let path = format!("requests[{at}]");
        let mut object = RawObject::parse(Bytes::copy_from_slice(item.get().as_bytes()))
            .map_err(|error| invalid(&path, error))?;
        if let Some(raw) = object.get("model").filter(|raw| *raw != b"null") {
            let path = format!("{path}.model");
            let named: String =
                serde_json::from_slice(raw).map_err(|_| invalid(&path, "expected a string"))?;
            check_model(&path, &named, asked)?;
        }
        object.set_string("model", &format!("models/{model}"));
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&object.to_bytes());
    }
    out.push(b']');
    Ok(out)
}

/// The content of an input.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text { parts: [Part<'a>; 1] },
    Carried(&'a Json),
}

#[derive(Serialize)]
pub(super) struct Part<'a> {
    text: &'a str,
}

impl<'a> Content<'a> {
    pub(super) fn of(input: &'a EmbeddingInput) -> Result<Self, TranslateError> {
        match &input.content {
            EmbeddingContent::Text(text) => Ok(Content::Text { parts: [Part { text }] }),
            EmbeddingContent::Parts { raw, .. } => Ok(Content::Carried(raw)),
            EmbeddingContent::Tokens => Err(no_tokens()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    model: String,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<Request<'a>>,
}

fn requests<'a>(
    request: &'a EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<Request<'a>>, TranslateError> {
    let takes_task = !model.starts_with("gemini-embedding-2");
    if !takes_task {
        if request.task.is_some() {
            warnings.add("task_type", "dropped: this model wants it said in the text");
        }
        warn_titles(request, warnings);
    }
    if request.truncation.is_some() {
        warnings.add("truncation", "dropped: the provider decides about texts that are too long");
    }
    let one = |input: &'a EmbeddingInput| {
        Ok(Request {
            model: format!("models/{model}"),
            content: Content::of(input)?,
            task_type: request.task.filter(|_| takes_task).map(task::google),
            title: input.title.as_deref().filter(|_| takes_task),
            output_dimensionality: request.dimensions,
        })
    };
    request.inputs.iter().map(one).collect()
}

pub(super) fn encode_embed(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    only_input(request)?;
    Ok(requests(request, model, warnings)?.first().map(to_json).unwrap_or_default())
}

pub(super) fn encode_batch(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    Ok(to_json(&Batch { requests: requests(request, model, warnings)? }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedding<'a> {
    #[serde(borrow)]
    embedding: Values<'a>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embeddings<'a> {
    #[serde(borrow)]
    embeddings: Vec<Values<'a>>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

fn decoded<'a>(
    values: impl IntoIterator<Item = Values<'a>>,
    usage: Option<&'a RawValue>,
) -> Result<EmbeddingResponse<'a>, TranslateError> {
    let vectors = values.into_iter().map(|values| vector("values", values.values));
    let vectors: Vec<Vector<'a>> = vectors.collect::<Result<_, _>>()?;
    Ok(EmbeddingResponse { usage: usage.and_then(|raw| usage::decode(raw.get())), ..bare(vectors) })
}

pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Embedding { embedding, usage_metadata } = read(body)?;
    decoded([embedding], usage_metadata)
}

pub(super) fn decode_embeddings(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Embeddings { embeddings, usage_metadata } = read(body)?;
    decoded(embeddings, usage_metadata)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageOut {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

fn write_values(out: &mut Vec<u8>, vector: &Vector<'_>) -> Result<(), TranslateError> {
    out.extend_from_slice(b"{\"values\":");
    super::vector::write(out, vector, VectorFormat::Numbers)?;
    out.push(b'}');
    Ok(())
}

fn write_end(out: &mut Vec<u8>, response: &EmbeddingResponse<'_>, cost: Option<Money>) {
    if let Some(usage) = &response.usage {
        let usage = UsageOut { prompt_token_count: usage.total_input(), cost: cost.map(Dollars) };
        out.extend_from_slice(b",\"usageMetadata\":");
        out.extend_from_slice(&to_json(&usage));
    }
    out.push(b'}');
}

/// Of one content. The caller has seen to it that there is one vector.
pub(super) fn encode_embedding(
    response: &EmbeddingResponse<'_>,
    cost: Option<Money>,
) -> Result<Vec<u8>, TranslateError> {
    let mut out = super::vector::begun(b"{\"embedding\":", &response.vectors);
    for vector in response.vectors.iter().take(1) {
        write_values(&mut out, vector)?;
    }
    write_end(&mut out, response, cost);
    Ok(out)
}

pub(super) fn encode_embeddings(
    response: &EmbeddingResponse<'_>,
    cost: Option<Money>,
) -> Result<Vec<u8>, TranslateError> {
    let mut out = super::vector::begun(b"{\"embeddings\":[", &response.vectors);
    for (at, vector) in response.vectors.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_values(&mut out, vector)?;
    }
    out.push(b']');
    write_end(&mut out, response, cost);
    Ok(out)
}
