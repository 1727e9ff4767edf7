//! Pictures made of a text: OpenAI's request in the words of other vendors, and their pictures in OpenAI's.
//!
//! OpenAI: <https://platform.openai.com/docs/api-reference/images/create>. Stability's models on Bedrock:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-3-5-large.html> and
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-stable-image-core-text-image-request-response.html>.
//! Google's Imagen: <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>. All read 2026-11-26.
//!
//! Both take a ratio in place of a size, and give bytes and no addresses.

use super::fields::{Fields, invalid};
use super::write::to_json;
use super::{Encoded, Shape, TranslateError};
use crate::ir::Warnings;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];
/// Fields of OpenAI's that steer its own models.
const STEERING: [&str; 7] =
    ["quality", "background", "moderation", "output_format", "output_compression", "style", "user"];

/// A ratio of width and height.
type Ratio = (u32, u32);

/// What Stability's models draw.
const OF_STABILITY: [Ratio; 9] = [(16, 9), (1, 1), (21, 9), (2, 3), (3, 2), (4, 5), (5, 4), (9, 16), (9, 21)];
/// What Imagen draws.
const OF_IMAGEN: [Ratio; 5] = [(1, 1), (3, 4), (4, 3), (9, 16), (16, 9)];
/// Pictures that Imagen makes in one call.
const IMAGEN_PICTURES_MAX: u64 = 4;

/// A request.
struct Request {
    prompt: String,
    pictures: u64,
    size: Option<Ratio>,
}

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

/// The pictures of an answer, in base64. Borrows the body it was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pictures<'a>(Vec<Cow<'a, str>>);

impl Shape {
    /// Writes OpenAI's request for pictures. Fails where something essential cannot be said.
    pub fn encode_pictures(self, body: &[u8]) -> Result<Encoded, TranslateError> {
        let mut warnings = Warnings::of_shapes(Shape::OpenAi, self);
        let request = Request::read(body, &mut warnings)?;
        let body = match Vendor::of(self)? {
            Vendor::Stability => {
                within(request.pictures, 1)?;
                let aspect_ratio = ratio(request.size, &OF_STABILITY, &mut warnings);
                to_json(&Stability { prompt: &request.prompt, aspect_ratio })
            }
            Vendor::Imagen => {
                within(request.pictures, IMAGEN_PICTURES_MAX)?;
                let aspect_ratio = ratio(request.size, &OF_IMAGEN, &mut warnings);
                to_json(&Imagen {
                    instances: [Instance { prompt: &request.prompt }],
                    parameters: Parameters { sample_count: request.pictures, aspect_ratio },
                })
            }
        };
        Ok(Encoded { body, warnings: warnings.take(), is_form_emulated: false })
    }

    /// Reads the pictures of an answer. Fails where there are none, with the reason where one is told.
    pub fn decode_pictures(self, body: &[u8]) -> Result<Pictures<'_>, TranslateError> {
        match Vendor::of(self)? {
            Vendor::Stability => {
                let answer: OfStability<'_> = read(body)?;
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
    Stability,
    Imagen,
}

impl Vendor {
    /// Fails where a shape is not one of pictures.
    fn of(shape: Shape) -> Result<Self, TranslateError> {
        match shape {
            Shape::BedrockStability => Ok(Vendor::Stability),
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
            | Shape::ElevenLabs => {
                Err(invalid("", format!("no pictures are asked for in the shape `{}`", shape.as_str())))
            }
        }
    }
}

impl Request {
    fn read(body: &[u8], warnings: &mut Warnings) -> Result<Self, TranslateError> {
        let mut fields = Fields::of_body(body)?;
        for own in OWN_FIELDS {
            fields.raw(own);
        }
        fields.raw("model");
        if fields.get::<bool>("stream")? == Some(true) {
            return Err(invalid("stream", "the model's provider does not stream pictures: leave it out"));
        }
        fields.raw("partial_images");
        if fields.string("response_format")?.is_some_and(|format| format != "b64_json") {
            let message = "the model's provider gives bytes and no addresses: ask for b64_json";
            return Err(invalid("response_format", message));
        }
        let prompt = fields.required_string("prompt")?;
        let pictures = fields.get("n")?.unwrap_or(1);
        let size = match fields.string("size")?.as_deref() {
            None | Some("auto") => None,
            Some(size) => Some(sides(size)?),
        };
        for name in STEERING {
            if fields
                .raw(name)
                .is_some_and(|raw| !matches!(raw.get(), "\"auto\"" | "\"png\"" | "\"standard\""))
            {
                warnings.add(name, "dropped: the provider has no such field");
            }
        }
        let mut lost = Vec::new();
        fields.finish(&mut lost);
        if !lost.is_empty() {
            warnings.add("unknown fields", format!("dropped: {}", lost.join(", ")));
        }
        Ok(Self { prompt, pictures, size })
    }
}

/// Width and height.
fn sides(size: &str) -> Result<Ratio, TranslateError> {
    let read =
        size.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let sides = read.filter(|(width, height)| *width > 0 && *height > 0);
    sides
        .ok_or_else(|| invalid("size", format!("expected `auto`, or a size such as 1024x1024, got `{size}`")))
}

fn within(pictures: u64, most: u64) -> Result<(), TranslateError> {
    match pictures {
        0 => Err(invalid("n", "expected one picture or more")),
        pictures if pictures > most => {
            Err(invalid("n", format!("this model makes {most} a call at the most: make several calls")))
        }
        _ => Ok(()),
    }
}

/// The nearest ratio that a model draws; how many pixels that are is the model's affair.
fn ratio(size: Option<Ratio>, drawn: &[Ratio], warnings: &mut Warnings) -> Option<String> {
    let (width, height) = size?;
    let of = |(width, height): Ratio| (f64::from(width) / f64::from(height)).ln();
    let distance = |ratio: &Ratio| (of(*ratio) - of((width, height))).abs();
    let (w, h) = drawn.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    warnings.add("size", format!("{width}x{height} became a ratio of {w}:{h}: the model takes no sizes"));
    Some(format!("{w}:{h}"))
}

#[derive(Deserialize)]
struct OfStability<'a> {
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
        return Ok(Pictures(pictures));
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
    b64_json: &'a str,
}

impl Pictures<'_> {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Writes them as OpenAI does. `created`: when, in seconds.
    pub fn encode(&self, created: i64) -> Vec<u8> {
        let data = self.0.iter().map(|bytes| Picture { b64_json: bytes }).collect();
        to_json(&Answer { created, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sent(shape: Shape, body: &Value) -> Result<(Value, Vec<String>), TranslateError> {
        let encoded = shape.encode_pictures(body.to_string().as_bytes())?;
        let warnings = encoded.warnings.iter().map(ToString::to_string).collect();
        Ok((serde_json::from_slice(&encoded.body).unwrap(), warnings))
    }

    #[test]
    fn a_size_becomes_the_nearest_ratio_and_that_is_told() {
        for (size, stability, imagen) in [
            ("1024x1024", "1:1", "1:1"),
            ("1024x1536", "2:3", "3:4"),
            ("1792x1024", "16:9", "16:9"),
            ("4000x1000", "21:9", "16:9"),
        ] {
            let body = json!({"prompt": "a cat", "size": size, "model": "m"});
            let (of_stability, warnings) = sent(Shape::BedrockStability, &body).unwrap();
            assert_eq!(of_stability, json!({"prompt": "a cat", "aspect_ratio": stability}));
            assert!(warnings[0].contains(&format!("{size} became a ratio of {stability}")), "{warnings:?}");
            let (of_imagen, _) = sent(Shape::Imagen, &body).unwrap();
            let parameters = json!({"sampleCount": 1, "aspectRatio": imagen});
            assert_eq!(of_imagen, json!({"instances": [{"prompt": "a cat"}], "parameters": parameters}));
        }
        let plain =
            json!({"prompt": "a cat", "size": "auto", "response_format": "b64_json", "quality": "auto"});
        assert_eq!(sent(Shape::BedrockStability, &plain).unwrap(), (json!({"prompt": "a cat"}), Vec::new()));
    }

    #[test]
    fn what_cannot_be_drawn_is_named_and_what_is_lost_is_told() {
        for shape in [Shape::BedrockStability, Shape::Imagen] {
            for (body, param) in [
                (json!({}), "prompt"),
                (json!({"prompt": "a", "n": 0}), "n"),
                (json!({"prompt": "a", "n": 5}), "n"),
                // What is held for a call counts it as one.
                (json!({"prompt": "a", "n": 2.0}), "n"),
                (json!({"prompt": "a", "size": "big"}), "size"),
                (json!({"prompt": "a", "size": "0x9"}), "size"),
                (json!({"prompt": "a", "response_format": "url"}), "response_format"),
                (json!({"prompt": "a", "stream": true}), "stream"),
            ] {
                assert_eq!(sent(shape, &body).unwrap_err().param(), Some(param), "{body}");
            }
            let body = json!({"prompt": "a", "quality": "high", "seed": 1, "signalbox": {}});
            let told = sent(shape, &body).unwrap().1.join("; ");
            assert!(told.contains("quality") && told.contains("dropped: seed"), "{told}");
        }
        assert!(Shape::Cohere.encode_pictures(br#"{"prompt":"a"}"#).is_err());
    }

    #[test]
    fn pictures_are_read_and_why_there_are_none_is_told() {
        let of = |shape: Shape, body: &str| {
            shape
                .decode_pictures(body.as_bytes())
                .map(|pictures| (pictures.count(), String::from_utf8(pictures.encode(7)).unwrap()))
        };
        let stability = r#"{"seeds":[2130420379],"finish_reasons":[null],"images":["eA=="]}"#;
        let expected = r#"{"created":7,"data":[{"b64_json":"eA=="}]}"#.to_owned();
        assert_eq!(of(Shape::BedrockStability, stability).unwrap(), (1, expected));
        let imagen = r#"{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"eA=="},{"raiFilteredReason":"no"},{"bytesBase64Encoded":"eQ=="}]}"#;
        assert_eq!(of(Shape::Imagen, imagen).unwrap().0, 2);
        for (shape, body, reason) in [
            (
                Shape::BedrockStability,
                r#"{"finish_reasons":["Filter reason: prompt"]}"#,
                "Filter reason: prompt",
            ),
            (Shape::Imagen, r#"{"predictions":[{"raiFilteredReason":"Unsafe."}]}"#, "Unsafe."),
            (Shape::Imagen, "{}", "does not say why"),
            (Shape::Imagen, "[]", "cannot be read"),
        ] {
            let error = of(shape, body).unwrap_err();
            assert!(matches!(error, TranslateError::InvalidResponse { .. }));
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
