//! OpenAI's `/v1/embeddings`.
//!
//! <https://platform.openai.com/docs/api-reference/embeddings/create>, read 2026-11-26. OpenAI has no words for what a vector
//! is for, a title, or too long an input; callers may add those of other vendors (`input_type` or `task_type`, `title`,
//! `truncate` or `truncation`), which reach whoever knows them.

use super::super::TranslateError;
use super::super::fields::{Fields, Kind, invalid, kind, read as read_value};
use super::super::openai_chat::usage;
use super::super::write::to_json;
use super::{OWN_FIELDS, items, owned, read, task, texts, truncation, vector, warn_titles};
use crate::ir::{
    EmbeddingContent, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Vector, VectorFormat, Warnings,
};
use crate::protocol::Shape;
use crate::protocol::write::Dollars;
use domain::Money;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Of a title, which is sent with each input of a call.
const TITLE_BYTES_MAX: usize = 1_024;

pub(super) fn decode_request(body: &[u8]) -> Result<EmbeddingRequest, TranslateError> {
    let mut fields = Fields::of_body(body)?;
    for own in OWN_FIELDS {
        fields.raw(own);
    }
    fields.raw("model");
    if fields.get::<bool>("stream")? == Some(true) {
        return Err(invalid("stream", "embeddings are not streamed"));
    }
    let mut inputs = inputs(fields.required("input")?)?;
    if let Some(title) = fields.string("title")? {
        if title.len() > TITLE_BYTES_MAX {
            return Err(invalid("title", format!("a title may have {TITLE_BYTES_MAX} bytes")));
        }
        let title: Arc<str> = title.into();
        inputs.iter_mut().for_each(|input| input.title = Some(title.clone()));
    }
    let mut request = EmbeddingRequest::new(Shape::OpenAi, inputs);
    request.dimensions = fields.count("dimensions")?;
    request.format = match fields.string("encoding_format")?.as_deref() {
        None | Some("float") => VectorFormat::Numbers,
        Some("base64") => VectorFormat::Base64,
        Some(other) => {
            let message = format!("expected float or base64, got `{other}`");
            return Err(invalid("encoding_format", message));
        }
    };
    let by_google = task::take(&mut fields, "task_type")?;
    request.task = task::take(&mut fields, "input_type")?.or(by_google);
    request.truncation = truncation(&mut fields)?;
    request.user = fields.string("user")?;
    request.extra = fields.into_extra();
    Ok(request)
}

/// A text, a list of texts, a list of tokens, or a list of such lists.
fn inputs(raw: &RawValue) -> Result<Vec<EmbeddingInput>, TranslateError> {
    let input = |content| EmbeddingInput { content, title: None };
    match kind(raw) {
        Kind::String => return Ok(vec![input(text("input", raw)?)]),
        Kind::Array => {}
        Kind::Object | Kind::Other => return Err(invalid("input", "expected a text or a list")),
    }
    let first = raw.get()[1..].trim_start().as_bytes().first();
    if !matches!(first, Some(b'"' | b'[' | b'{' | b']')) {
        return Ok(vec![input(tokens("input", raw)?)]);
    }
    let item = |(at, raw): (usize, &RawValue)| {
        let path = format!("input[{at}]");
        match kind(raw) {
            Kind::String => text(&path, raw).map(input),
            Kind::Array => tokens(&path, raw).map(input),
            Kind::Object | Kind::Other => Err(invalid(&path, "expected a text or a list of tokens")),
        }
    };
    items("input", raw)?.into_iter().enumerate().map(item).collect()
}

fn text(path: &str, raw: &RawValue) -> Result<EmbeddingContent, TranslateError> {
    read_value(path, raw).map(EmbeddingContent::Text)
}

fn tokens(path: &str, raw: &RawValue) -> Result<EmbeddingContent, TranslateError> {
    let _: Vec<u64> = read_value(path, raw)?;
    Ok(EmbeddingContent::Tokens)
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Vec<u8>, TranslateError> {
    task::warn(request.task, warnings);
    warn_titles(request, warnings);
    if request.truncation.is_some() {
        warnings.add("truncation", "dropped: the provider decides about texts that are too long");
    }
    Ok(to_json(&Request {
        model,
        input: texts(request, warnings)?,
        dimensions: request.dimensions,
        encoding_format: (request.format == VectorFormat::Base64).then_some("base64"),
        user: request.user.as_deref(),
    }))
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse<'_>, TranslateError> {
    let Response { id, model, data, usage } = read(body)?;
    let mut vectors: Vec<Option<Vector<'_>>> = vec![None; data.len()];
    for (at, item) in data.iter().enumerate() {
        let place = vectors.get_mut(item.index.unwrap_or(at)).filter(|place| place.is_none());
        let Some(place) = place else { return Err(invalid("data", "an index stands twice, or is too high")) };
        *place = Some(vector("data", item.embedding)?);
    }
    Ok(EmbeddingResponse {
        id: owned(id),
        model: owned(model),
        // As many places were filled as there are.
        vectors: vectors.into_iter().flatten().collect(),
        usage: usage.and_then(|raw| self::usage::decode(raw.get())),
    })
}

#[derive(Serialize)]
struct UsageOut {
    prompt_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Dollars>,
}

pub(super) fn encode_response(
    response: &EmbeddingResponse<'_>,
    format: VectorFormat,
    cost: Option<Money>,
) -> Result<Vec<u8>, TranslateError> {
    let mut out = super::vector::begun(b"{\"object\":\"list\",\"data\":[", &response.vectors);
    for (at, vector) in response.vectors.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(
            format!("{comma}{{\"object\":\"embedding\",\"index\":{at},\"embedding\":").as_bytes(),
        );
        super::vector::write(&mut out, vector, format)?;
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"model\":");
    out.extend_from_slice(&to_json(&response.model));
    if let Some(usage) = &response.usage {
        let tokens = usage.total_input();
        let usage = UsageOut { prompt_tokens: tokens, total_tokens: tokens, cost: cost.map(Dollars) };
        out.extend_from_slice(b",\"usage\":");
        out.extend_from_slice(&to_json(&usage));
    }
    out.push(b'}');
    Ok(out)
}
