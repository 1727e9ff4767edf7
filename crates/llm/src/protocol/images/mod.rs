//! Pictures made of a text, or of another picture: OpenAI's request in the words of other vendors, and their pictures in OpenAI's.
//!
//! OpenAI: <https://platform.openai.com/docs/api-reference/images/create>. Stability's models on Bedrock:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-3-5-large.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-stable-image-core-text-image-request-response.html>.
//! Stability's own API: <https://platform.stability.ai/docs/api-reference>. Google's Imagen:
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>. All read 2026-11-26.
//!
//! Most take a ratio in place of a size, and give bytes and no addresses.

mod black_forest_labs;
mod request;

use super::data_url::sniff;
use super::fields::invalid;
use super::sound::Sent;
use super::write::to_json;
use super::{Shape, TranslateError};
use crate::form::Form;
use crate::form::write::form;
use crate::ir::Warnings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use request::{Ratio, Request, within};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What Stability's models draw.
const OF_STABILITY: [Ratio; 9] = [(16, 9), (1, 1), (21, 9), (2, 3), (3, 2), (4, 5), (5, 4), (9, 16), (9, 21)];
/// What Imagen draws.
const OF_IMAGEN: [Ratio; 5] = [(1, 1), (3, 4), (4, 3), (9, 16), (16, 9)];
/// Pictures that Imagen makes in one call.
const IMAGEN_PICTURES_MAX: u64 = 4;
/// How Stable Diffusion's names begin at Stability, which are told in a field; of others the address tells all.
const STABLE_DIFFUSION: &str = "sd3";

#[derive(Serialize)]
struct Stability<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
}

#[derive(Serialize)]
struct Imagen<'a> {
    instances: [Instance<'a>; 1],
    parameters: Parameters,
}

#[derive(Serialize)]
struct Instance<'a> {
    prompt: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    sample_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
}

/// The pictures of an answer. Borrows the body it was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pictures<'a> {
    /// In base64, or where they are.
    pictures: Vec<Cow<'a, str>>,
    are_addresses: bool,
}

impl Shape {
    /// Writes OpenAI's request for pictures, a JSON body, for a model. Fails where something essential cannot be said.
    pub fn encode_pictures(self, body: &[u8], model: &str) -> Result<Sent, TranslateError> {
        let mut warnings = Warnings::of_shapes(Shape::OpenAi, self);
        let vendor = Vendor::of(self)?;
        let gives_addresses = matches!(vendor, Vendor::BlackForestLabs);
        let request = Request::read(body, gives_addresses, &mut warnings)?;
        let mut sent = match vendor {
            Vendor::BlackForestLabs => black_forest_labs::encode(&request, model, &mut warnings),
            Vendor::Stability => stability(&request, model, &mut warnings),
            Vendor::BedrockStability => {
                within(request.pictures, 1)?;
                request.drop_format(&mut warnings);
                let aspect_ratio = request.ratio(&OF_STABILITY, &mut warnings);
                Ok(json(&Stability { prompt: &request.prompt, aspect_ratio }))
            }
            Vendor::Imagen => {
                within(request.pictures, IMAGEN_PICTURES_MAX)?;
                request.drop_format(&mut warnings);
                let aspect_ratio = request.ratio(&OF_IMAGEN, &mut warnings);
                Ok(json(&Imagen {
                    instances: [Instance { prompt: &request.prompt }],
                    parameters: Parameters { sample_count: request.pictures, aspect_ratio },
                }))
            }
        }?;
        sent.warnings = warnings.take();
        Ok(sent)
    }

    /// Writes OpenAI's request for a picture made of another for a model: a form, and what its texts say as a JSON body. Fails where
    /// something essential cannot be said.
    pub fn encode_edit(self, form: &Form, texts: &[u8], model: &str) -> Result<Sent, TranslateError> {
        let mut warnings = Warnings::of_shapes(Shape::OpenAi, self);
        let mut sent = match Vendor::of(self)? {
            Vendor::BlackForestLabs => {
                let request = Request::read(texts, true, &mut warnings)?;
                black_forest_labs::encode_edit(&request, &given(form)?, model, &mut warnings)
            }
            Vendor::Stability | Vendor::BedrockStability | Vendor::Imagen => {
                Err(invalid("image", "the model's provider makes pictures of texts only"))
            }
        }?;
        sent.warnings = warnings.take();
        Ok(sent)
    }

    /// Reads the pictures of an answer. Fails where there are none, with the reason where one is told.
    pub fn decode_pictures(self, body: &[u8]) -> Result<Pictures<'_>, TranslateError> {
        match Vendor::of(self)? {
            // They are what a job makes.
            Vendor::BlackForestLabs => Err(TranslateError::InvalidResponse {
                message: "a picture was answered at once, which was to be made".to_owned(),
            }),
            Vendor::Stability => {
                let OfStability { image, finish_reason } = read(body)?;
                // What was filtered comes blurred, or not at all.
                let reason = finish_reason.filter(|reason| reason != "SUCCESS");
                some(image.filter(|_| reason.is_none()).into_iter().collect(), reason)
            }
            Vendor::BedrockStability => {
                let answer: OfBedrockStability<'_> = read(body)?;
                let reason = answer.finish_reasons.into_iter().flatten().next();
                some(answer.images, reason)
            }
            Vendor::Imagen => {
                let answer: OfImagen<'_> = read(body)?;
                let mut reason = None;
                let mut pictures = Vec::new();
                for prediction in answer.predictions {
                    pictures.extend(prediction.bytes);
                    reason = reason.or(prediction.reason);
                }
                some(pictures, reason)
            }
        }
    }
}

/// Whose shape it is.
#[derive(Clone, Copy)]
enum Vendor {
    BlackForestLabs,
    Stability,
    BedrockStability,
    Imagen,
}

impl Vendor {
    /// Fails where a shape is not one of pictures.
    fn of(shape: Shape) -> Result<Self, TranslateError> {
        match shape {
            Shape::BlackForestLabs => Ok(Vendor::BlackForestLabs),
            Shape::Stability => Ok(Vendor::Stability),
            Shape::BedrockStability => Ok(Vendor::BedrockStability),
            Shape::Imagen => Ok(Vendor::Imagen),
            Shape::OpenAi
            | Shape::GeminiEmbed
            | Shape::GeminiBatch
            | Shape::VertexEmbed
            | Shape::VertexPredict
            | Shape::Cohere
            | Shape::Voyage
            | Shape::BedrockTitan
            | Shape::BedrockCohere
            | Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi => {
                Err(invalid("", format!("no pictures are asked for in the shape `{}`", shape.as_str())))
            }
        }
    }
}

/// Stability's own API takes forms.
fn stability(request: &Request, model: &str, warnings: &mut Warnings) -> Result<Sent, TranslateError> {
    within(request.pictures, 1)?;
    let aspect_ratio = request.ratio(&OF_STABILITY, warnings);
    let mut fields = vec![("prompt", request.prompt.as_str())];
    let is_diffusion = model.starts_with(STABLE_DIFFUSION);
    if is_diffusion {
        fields.push(("model", model));
    }
    fields.extend(aspect_ratio.as_deref().map(|ratio| ("aspect_ratio", ratio)));
    // The newer models alone make webp.
    let formats: &[&str] = if is_diffusion { &["png", "jpeg"] } else { &["png", "jpeg", "webp"] };
    fields.extend(request.format(formats, warnings).map(|format| ("output_format", format)));
    let (body, content_type) = form(&fields, None);
    Ok(Sent::new(body, content_type))
}

/// The one picture of a form.
fn given(form: &Form) -> Result<Bytes, TranslateError> {
    let files = || form.parts().iter().filter(|part| part.is_file);
    if let Some(other) = files().find(|part| !matches!(part.name.as_str(), "image" | "image[]")) {
        return Err(invalid(&other.name, "the model changes the whole picture: leave it out"));
    }
    let (picture, _) = form
        .file("image")
        .or_else(|| form.file("image[]"))
        .ok_or_else(|| invalid("image", "field required"))?;
    match files().count() {
        1 if !picture.is_empty() => Ok(picture),
        1 => Err(invalid("image", "the file is empty")),
        _ => Err(invalid("image", "the model changes one picture a call")),
    }
}

/// A request of which the body tells all.
fn json(body: &impl Serialize) -> Sent {
    Sent::new(vec![to_json(body).into()], "application/json")
}

#[derive(Deserialize)]
struct OfStability<'a> {
    #[serde(borrow, default)]
    image: Option<Cow<'a, str>>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct OfBedrockStability<'a> {
    #[serde(borrow, default)]
    images: Vec<Cow<'a, str>>,
    #[serde(default)]
    finish_reasons: Vec<Option<String>>,
}

#[derive(Deserialize)]
struct OfImagen<'a> {
    #[serde(borrow, default)]
    predictions: Vec<Prediction<'a>>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow, rename = "bytesBase64Encoded", default)]
    bytes: Option<Cow<'a, str>>,
    #[serde(rename = "raiFilteredReason", default)]
    reason: Option<String>,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, TranslateError> {
    serde_json::from_slice(body)
        .map_err(|error| TranslateError::InvalidResponse { message: error.to_string() })
}

fn some(pictures: Vec<Cow<'_, str>>, reason: Option<String>) -> Result<Pictures<'_>, TranslateError> {
    if !pictures.is_empty() {
        return Ok(Pictures { pictures, are_addresses: false });
    }
    let reason = reason.unwrap_or_else(|| "the provider does not say why".to_owned());
    Err(TranslateError::InvalidResponse { message: format!("no picture was made: {reason}") })
}

#[derive(Serialize)]
struct Answer<'a> {
    created: i64,
    data: Vec<Picture<'a>>,
}

#[derive(Serialize)]
struct Picture<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    b64_json: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl Pictures<'static> {
    /// One picture, which is at an address.
    pub(crate) fn of_url(url: String) -> Self {
        Self { pictures: vec![url.into()], are_addresses: true }
    }

    /// One picture, from the bytes of its file. Fails where they are none.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Result<Self, TranslateError> {
        let picture = STANDARD.encode(bytes);
        if !sniff(&picture).is_some_and(|kind| kind.starts_with("image/")) {
            let message = "what was fetched is no picture".to_owned();
            return Err(TranslateError::InvalidResponse { message });
        }
        Ok(Self { pictures: vec![picture.into()], are_addresses: false })
    }
}

impl Pictures<'_> {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.pictures.len() as u64
    }

    /// Writes them as OpenAI does. `created`: when, in seconds.
    pub fn encode(&self, created: i64) -> Vec<u8> {
        let told = self.pictures.iter().map(|picture| &**picture);
        let data = match self.are_addresses {
            true => told.map(|url| Picture { b64_json: None, url: Some(url) }).collect(),
            false => told.map(|bytes| Picture { b64_json: Some(bytes), url: None }).collect(),
        };
        to_json(&Answer { created, data })
    }
}

#[cfg(test)]
mod tests;
