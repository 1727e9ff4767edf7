//! Translating what is no conversation: requests for vectors, rankings, sound and pictures, in the shape of the provider's vendor.

use super::refused;
use crate::bodies::Held;
use crate::inference::intake::Intake;
use crate::inference::shape_of;
use crate::providers::Target;
use crate::refusal::Refusal;
use crate::upstream::Payload;
use bytes::Bytes;
use domain::Usage;
use domain::record::Operation;
use http::HeaderValue;
use llm::ir::{VectorFormat, Warning};
use llm::job::Job;
use llm::protocol::sound::{Sent, SentTranscription, TranscriptFormat};
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
    /// What it is, where that is no JSON.
    pub content_type: Option<HeaderValue>,
    /// What could not be carried.
    pub warnings: Vec<Warning>,
    /// Of a transcription: how its caller wants it.
    pub transcript: Option<TranscriptFormat>,
    /// Of a request for vectors.
    pub vectors: Option<Vectors>,
    /// What follows it, where the work is not answered at once.
    pub job: Option<Job>,
    /// What it consumes, where its provider does not tell and it is known here.
    pub about: Option<Usage>,
}

/// Translates a request. What it says in its address is written into that of the target.
pub(super) fn reshape(
    operation: Operation,
    intake: &mut Intake,
    target: &mut Target,
) -> Result<Reshaped, Refusal> {
    let shape = target.endpoint.route.shape;
    match (target.endpoint.route.kind, &intake.form) {
        (RouteKind::Speech, _) => {
            let sent = shape.encode_speech(&intake.body.to_bytes(), &target.model_id).map_err(refused)?;
            addressed(sent, None, target)
        }
        (RouteKind::Transcriptions, Some(form)) => {
            let asked = shape.encode_transcription(form, &target.model_id).map_err(refused)?;
            let SentTranscription { sent, format } = asked;
            addressed(sent, Some(format), target)
        }
        (RouteKind::ImageGenerations, _) => {
            let sent = shape.encode_pictures(&intake.body.to_bytes(), &target.model_id).map_err(refused)?;
            addressed(sent, None, target)
        }
        (RouteKind::ImageEdits, Some(form)) => {
            let asked = shape.encode_edit(form, &intake.body.to_bytes(), &target.model_id);
            let mut sent = asked.map_err(refused)?;
            // Its files stand in what is written, which takes their share.
            intake.form = None;
            let mut held = std::mem::take(&mut intake.held);
            held.let_go();
            sent.body = vec![held.replaced_by(sent.body.concat())];
            addressed(sent, None, target)
        }
        _ => {
            let empty = RawObject::parse(Bytes::from_static(b"{}")).map_err(|_| Refusal::Internal)?;
            let body = std::mem::replace(&mut intake.body, empty);
            of_body(operation, body, std::mem::take(&mut intake.held), &intake.model, target)
        }
    }
}

/// A request that says some of it in its address.
fn addressed(
    sent: Sent,
    transcript: Option<TranscriptFormat>,
    target: &mut Target,
) -> Result<Reshaped, Refusal> {
    let Sent { segment, query, body, content_type, warnings, job } = sent;
    let endpoint = target.endpoint.below(segment.as_deref(), &query).ok_or(Refusal::Internal)?;
    target.endpoint = endpoint.into();
    // A type that no header can carry says as little as none.
    let content_type = HeaderValue::try_from(content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    Ok(Reshaped {
        body: body.into(),
        content_type: Some(content_type),
        warnings,
        transcript,
        vectors: None,
        job,
        about: None,
    })
}

/// Translates a body, which is held with its share. `model`: as the caller named it.
fn of_body(
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
    let body = held.replaced_by(body).into();
    Ok(Reshaped { body, content_type: None, warnings, transcript: None, vectors, job: None, about })
}
