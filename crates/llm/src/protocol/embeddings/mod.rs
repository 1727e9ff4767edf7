//! Embeddings: requests and answers in every shape, read into [`crate::ir`] and written from it.
//!
//! Whether a translation takes place is the caller's choice, as for conversations: where both sides have one shape, bytes
//! pass through. Vectors are numbers that are never read unless they must be written another way; there are as many as
//! inputs, or the answer is refused.

mod cohere;
mod gemini;
mod openai;
mod task;
mod titan;
mod vector;
mod vertex;
mod voyage;

use super::fields::{Fields, invalid};
use super::{Encoded, Shape, TranslateError};
use crate::ir::{
    EmbeddingContent, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Truncation, Vector, VectorFormat,
    Warnings,
};
use domain::Money;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub use gemini::name_models;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];

/// Inputs of one call at the most, where it is taken apart.
const INPUTS_MAX: usize = 4_096;

impl Shape {
    /// Reads a request for vectors. `model`: as the caller named it, in the address or in the body. Refuses in a shape
    /// that nobody calls in.
    pub fn decode_embeddings(self, body: &[u8], model: &str) -> Result<EmbeddingRequest, TranslateError> {
        match self {
            Shape::OpenAi => openai::decode_request(body),
            Shape::GeminiEmbed => gemini::decode_embed(body, model),
            Shape::GeminiBatch => gemini::decode_batch(body, model),
            Shape::VertexEmbed
            | Shape::VertexPredict
            | Shape::Cohere
            | Shape::Voyage
            | Shape::BedrockTitan
            | Shape::BedrockCohere
            | Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi
            | Shape::BlackForestLabs
            | Shape::Stability
            | Shape::BedrockStability
            | Shape::Imagen => {
                Err(invalid("", format!("requests are not taken in the shape `{}`", self.as_str())))
            }
        }
    }

    /// Writes a request for a model, by the name that its provider has for it. Fails where something essential cannot be
    /// said.
    pub fn encode_embeddings(
        self,
        request: &EmbeddingRequest,
        model: &str,
    ) -> Result<Encoded, TranslateError> {
        if request.inputs.is_empty() {
            return Err(invalid("input", "there is nothing to make a vector of"));
        }
        if request.inputs.iter().any(|input| input.content == EmbeddingContent::Tokens) {
            return Err(no_tokens());
        }
        let mut warnings = Warnings::of_shapes(request.shape, self);
        let body = match self {
            Shape::OpenAi => openai::encode_request(request, model, &mut warnings),
            Shape::GeminiEmbed => gemini::encode_embed(request, model, &mut warnings),
            Shape::GeminiBatch => gemini::encode_batch(request, model, &mut warnings),
            Shape::VertexEmbed => vertex::encode_embed(request, &mut warnings),
            Shape::VertexPredict => vertex::encode_predict(request, &mut warnings),
            Shape::Cohere => cohere::encode_request(request, model, &mut warnings),
            Shape::Voyage => voyage::encode_request(request, model, &mut warnings),
            Shape::BedrockTitan => titan::encode_request(request, model, &mut warnings),
            Shape::BedrockCohere => cohere::encode_for_bedrock(request, model, &mut warnings),
            Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi
            | Shape::BlackForestLabs
            | Shape::Stability
            | Shape::BedrockStability
            | Shape::Imagen => Err(no_vectors(self)),
        }?;
        warn_rest(request, self, &mut warnings);
        Ok(Encoded { body, warnings: warnings.take(), is_form_emulated: false })
    }

    /// Reads the vectors of an answer, which must be as many as the inputs.
    pub fn decode_vectors(self, body: &[u8], inputs: usize) -> Result<EmbeddingResponse<'_>, TranslateError> {
        let response = match self {
            Shape::OpenAi => openai::decode_response(body),
            Shape::GeminiEmbed | Shape::VertexEmbed => gemini::decode_embedding(body),
            Shape::GeminiBatch => gemini::decode_embeddings(body),
            Shape::VertexPredict => vertex::decode_predictions(body),
            Shape::Cohere | Shape::BedrockCohere => cohere::decode_response(body),
            Shape::Voyage => voyage::decode_response(body),
            Shape::BedrockTitan => titan::decode_response(body),
            Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi
            | Shape::BlackForestLabs
            | Shape::Stability
            | Shape::BedrockStability
            | Shape::Imagen => Err(no_vectors(self)),
        };
        let response = response.map_err(TranslateError::in_response)?;
        match response.vectors.len() {
            count if count == inputs => Ok(response),
            count => Err(TranslateError::InvalidResponse {
                message: format!("{count} vectors came for {inputs} inputs"),
            }),
        }
    }

    /// Writes an answer. `cost` becomes `usage.cost` (`usageMetadata.cost`), a number of US dollars. Where nobody calls in
    /// a shape, it is as OpenAI has it. Fails where a vector of the provider's is none.
    pub fn encode_vectors(
        self,
        response: &EmbeddingResponse<'_>,
        format: VectorFormat,
        cost: Option<Money>,
    ) -> Result<Vec<u8>, TranslateError> {
        match self {
            Shape::GeminiEmbed => gemini::encode_embedding(response, cost),
            Shape::GeminiBatch => gemini::encode_embeddings(response, cost),
            Shape::OpenAi
            | Shape::VertexEmbed
            | Shape::VertexPredict
            | Shape::Cohere
            | Shape::Voyage
            | Shape::BedrockTitan
            | Shape::BedrockCohere
            | Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi
            | Shape::BlackForestLabs
            | Shape::Stability
            | Shape::BedrockStability
            | Shape::Imagen => openai::encode_response(response, format, cost),
        }
    }
}

/// The items of a list of inputs.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element::<&'de RawValue>()? {
                    if items.len() >= INPUTS_MAX {
                        return Err(A::Error::custom(format!("one call takes {INPUTS_MAX} inputs, no more")));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Collect).map(Items)
    }
}

/// Takes a list of inputs apart. What is made of an input is longer than the shortest: there may be only so many.
fn items<'a>(path: &str, raw: &'a RawValue) -> Result<Vec<&'a RawValue>, TranslateError> {
    super::fields::read::<Items<'a>>(path, raw).map(|items| items.0)
}

fn no_vectors(shape: Shape) -> TranslateError {
    invalid("", format!("no vectors are asked for in the shape `{}`", shape.as_str()))
}

/// The inputs as texts.
fn texts<'a>(request: &'a EmbeddingRequest, warnings: &mut Warnings) -> Result<Vec<&'a str>, TranslateError> {
    let mut text = |input: &'a EmbeddingInput| match &input.content {
        EmbeddingContent::Text(text) => Ok(text.as_str()),
        EmbeddingContent::Parts { text: Some(text), .. } => {
            warnings.add("content.parts", "several texts of one content were joined by line ends");
            Ok(text.as_str())
        }
        EmbeddingContent::Parts { text: None, .. } => {
            Err(invalid("content.parts", "the model's provider takes texts only"))
        }
        EmbeddingContent::Tokens => Err(no_tokens()),
    };
    request.inputs.iter().map(&mut text).collect()
}

fn no_tokens() -> TranslateError {
    invalid("input", "the model's provider takes texts only, no tokens: send the texts themselves")
}

/// The only input, for models that take one.
fn only_input(request: &EmbeddingRequest) -> Result<&EmbeddingInput, TranslateError> {
    match request.inputs.as_slice() {
        [input] => Ok(input),
        inputs => Err(invalid(
            "input",
            format!("this model takes one text a call, and {} came: make a call for each", inputs.len()),
        )),
    }
}

/// Tells that documents' titles are lost.
fn warn_titles(request: &EmbeddingRequest, warnings: &mut Warnings) {
    if request.inputs.iter().any(|input| input.title.is_some()) {
        warnings.add("title", "dropped: the provider takes no titles");
    }
}

/// Tells of what no shape but the request's own can carry.
fn warn_rest(request: &EmbeddingRequest, to: Shape, warnings: &mut Warnings) {
    if request.user.is_some() && to != Shape::OpenAi {
        warnings.add("user", "dropped: the provider is told of no end users");
    }
    let names = request.extra.iter().map(|field| &field.name).chain(&request.ignored);
    let names: Vec<&str> = names.map(String::as_str).collect();
    if !names.is_empty() {
        warnings.add("unknown fields", format!("dropped: {}", names.join(", ")));
    }
}

/// Reads what becomes of inputs that are too long: Cohere's word, or whether they are cut at all.
fn truncation(fields: &mut Fields<'_>) -> Result<Option<Truncation>, TranslateError> {
    let cut = |is_cut: bool| if is_cut { Truncation::End } else { Truncation::Never };
    let by_flag: Option<bool> = fields.get("truncation")?;
    let word = match fields.raw("truncate") {
        None => return Ok(by_flag.map(cut)),
        Some(raw) if matches!(raw.get(), "true" | "false") => return Ok(Some(cut(raw.get() == "true"))),
        Some(raw) => super::fields::text("truncate", raw)?.to_ascii_uppercase(),
    };
    match word.as_str() {
        "NONE" => Ok(Some(Truncation::Never)),
        "START" | "LEFT" => Ok(Some(Truncation::Start)),
        "END" | "RIGHT" => Ok(Some(Truncation::End)),
        _ => Err(invalid("truncate", format!("expected NONE, START or END, got `{word}`"))),
    }
}

/// A vector as JSON has it.
fn vector<'a>(path: &str, raw: &'a RawValue) -> Result<Vector<'a>, TranslateError> {
    match raw.get().as_bytes().first() {
        Some(b'[') => Ok(Vector::Numbers(raw.get())),
        Some(b'"') => super::fields::text(path, raw).map(Vector::Base64),
        _ => Err(invalid(path, "expected a vector")),
    }
}

/// An answer that tells nothing but its vectors.
fn bare(vectors: Vec<Vector<'_>>) -> EmbeddingResponse<'_> {
    EmbeddingResponse { id: String::new(), model: String::new(), vectors, usage: None }
}

/// A body as text.
fn utf8(body: &[u8]) -> Result<&str, TranslateError> {
    std::str::from_utf8(body).map_err(|_| invalid("", "the body is not UTF-8"))
}

/// Reads a whole body of some type.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, TranslateError> {
    serde_json::from_str(utf8(body)?).map_err(|error| invalid("", error))
}

/// A text that may be absent.
fn owned(text: Option<Cow<'_, str>>) -> String {
    text.unwrap_or_default().into_owned()
}

#[cfg(test)]
mod tests;
