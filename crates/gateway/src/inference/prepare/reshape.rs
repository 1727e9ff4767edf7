//! Translating what is no conversation: requests for vectors and rankings, in the shape of the provider's vendor.

use super::refused;
use crate::bodies::Held;
use crate::inference::shape_of;
use crate::providers::Target;
use crate::refusal::Refusal;
use crate::upstream::Payload;
use domain::Usage;
use domain::record::Operation;
use llm::ir::{VectorFormat, Warning};
use llm::protocol::{Encoded, Shape, rerank};
use llm::provider::RouteKind;
use llm::raw::RawObject;
use llm::tokens;

/// What an answer of vectors must hold, and how its caller wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vectors {
    /// One for each of so many inputs.
    pub inputs: usize,
    /// How they are written.
    pub format: VectorFormat,
}

/// A request as its provider gets it.
pub(super) struct Reshaped {
    pub body: Payload,
    /// What could not be carried.
    pub warnings: Vec<Warning>,
    /// Of a request for vectors.
    pub vectors: Option<Vectors>,
    /// What it consumes, where its provider does not tell and it is known here.
    pub about: Option<Usage>,
}

/// Translates a body, which is held with its share. `model`: as the caller named it.
pub(super) fn reshape(
    operation: Operation,
    body: RawObject,
    mut held: Held,
    model: &str,
    target: &Target,
) -> Result<Reshaped, Refusal> {
    let route = target.endpoint.route;
    let whole = body.to_bytes();
    drop(body);
    // Once it has been read it need not lie beside what is written of it.
    held.let_go();
    let (encoded, vectors, about) = if route.kind == RouteKind::Rerank {
        (rerank::encode_for_voyage(&whole, &target.model_id), None, None)
    } else {
        let inbound = shape_of(operation).unwrap_or(Shape::OpenAi);
        let request = inbound.decode_embeddings(&whole, model).map_err(refused)?;
        let vectors = Vectors { inputs: request.inputs.len(), format: request.format };
        let about = Usage { input: tokens::of_inputs(&request), ..Usage::ZERO };
        (route.shape.encode_embeddings(&request, &target.model_id), Some(vectors), Some(about))
    };
    let Encoded { body, warnings, .. } = encoded.map_err(refused)?;
    Ok(Reshaped { body: held.replaced_by(body).into(), warnings, vectors, about })
}
