//! Translating a request: read into `llm::ir`, and written for its provider.
//!
//! The texts of a long body are neither read nor written: they are set aside, and what is sent has parts of the body that
//! arrived in their places. Should one be lost on the way, or the request be refused, it is done again with all of it:
//! only that counts.

use super::rewrite::think_as_named;
use super::{PIECE_BYTES_MIN, describe, hosted, refused};
use crate::bodies::Held;
use crate::providers::Target;
use crate::random;
use crate::refusal::Refusal;
use crate::upstream::Payload;
use bytes::Bytes;
use llm::Protocol;
use llm::ir::{OutputFormat, Reasoning, Warning};
use llm::protocol::{Encoded, TranslateError};
use llm::raw::RawObject;
use llm::set_aside::SetAside;
use llm::structured::Form;

/// A request as its provider gets it.
pub(super) struct Translated {
    pub body: Payload,
    /// How many answers are asked for.
    pub answers: u32,
    /// What could not be carried.
    pub warnings: Vec<Warning>,
    /// The form of the answer, where it is asked for in words.
    pub form: Option<Form>,
}

/// What must be known of a request beside its body.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub inbound: Protocol,
    /// In some protocols only the address tells these two.
    pub model: &'a str,
    pub is_stream: bool,
    /// Its provider is to keep the prompt.
    pub is_cached: bool,
    /// How much to think, where the model's name says so.
    pub reasoning: Option<&'a Reasoning>,
}

/// The long texts of a long body, and the body with marks in their place.
pub(in crate::inference) fn set_aside(body: &RawObject) -> Option<(Bytes, SetAside)> {
    let is_long = body.original().len() >= PIECE_BYTES_MIN;
    is_long.then(|| SetAside::of_texts(body, random::ten_bytes())).flatten()
}

/// Translates a body, which is held with its share.
pub(super) fn translate(
    body: RawObject,
    mut held: Held,
    how: How<'_>,
    target: &Target,
) -> Result<Translated, Refusal> {
    if let Some((marked, aside)) = set_aside(&body)
        && let Ok((encoded, answers, form)) = rewritten(marked, how, target)
    {
        let written = held.clone().replaced_by(encoded.body);
        let restored = aside.restore(vec![written]);
        if restored.is_complete {
            return Ok(Translated {
                body: restored.pieces.into(),
                answers,
                warnings: encoded.warnings,
                form,
            });
        }
    }
    // Once it has been read it need not lie beside what is written of it.
    let whole = body.to_bytes();
    drop(body);
    held.let_go();
    let (encoded, answers, form) = rewritten(whole, how, target).map_err(refused)?;
    Ok(Translated { body: held.replaced_by(encoded.body).into(), answers, warnings: encoded.warnings, form })
}

/// The body in the target's protocol, how many answers it asks for, and the form that it asks for in words.
fn rewritten(
    body: Bytes,
    how: How<'_>,
    target: &Target,
) -> Result<(Encoded, u32, Option<Form>), TranslateError> {
    let mut request = how.inbound.decode_request(&body)?;
    drop(body);
    how.model.clone_into(&mut request.model);
    request.stream = how.is_stream;
    think_as_named(&mut request, how.reasoning);
    // Usage is metered whether the caller wants to see it or not.
    request.include_usage = request.stream;
    let answers = request.sampling.n.unwrap_or(1);
    let mut encoded = target.endpoint.route.protocol.encode_request(&request, &describe(target))?;
    let form = asked_form(&request.output).filter(|_| encoded.is_form_emulated);
    encoded.body = hosted(encoded.body, target, how.is_cached);
    Ok((encoded, answers, form))
}

/// The form of an answer.
pub(super) fn asked_form(output: &OutputFormat) -> Option<Form> {
    match output {
        OutputFormat::Text => None,
        OutputFormat::Json => Some(Form { schema: None }),
        OutputFormat::Schema(schema) => {
            Some(Form { schema: schema.schema.as_ref().map(|schema| schema.get().to_owned()) })
        }
    }
}
