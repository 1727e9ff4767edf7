//! The life of an inference request.
//!
//! [`serve`] runs in the connection's task up to the moment the upstream call starts; [`call`] then owns
//! it in a task of its own, which no leaving caller can cut short.

pub mod call;
pub mod intake;
pub mod prepare;
pub mod relay;
pub mod reply;
pub mod stream;

use crate::record::Entry;
use crate::refusal::Refusal;
use crate::{Gateway, auth};
use axum::body::Body;
use bytes::Bytes;
use domain::record::{Operation, Outcome};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use intake::Intake;
use prepare::Next;
use llm::Protocol;
use llm::provider::RouteKind;
use std::sync::Arc;

/// The protocol an endpoint speaks.
pub const fn protocol_of(operation: Operation) -> Protocol {
    match operation {
        Operation::ChatCompletions | Operation::Embeddings => Protocol::OpenAiChat,
        Operation::Messages | Operation::CountTokens => Protocol::AnthropicMessages,
    }
}

/// What an endpoint asks of a provider.
pub const fn route_of(operation: Operation) -> RouteKind {
    match operation {
        Operation::ChatCompletions | Operation::Messages => RouteKind::Chat,
        Operation::Embeddings => RouteKind::Embeddings,
        Operation::CountTokens => RouteKind::CountTokens,
    }
}

/// Serves one inference call. Strangers are refused before they can occupy anything.
pub async fn serve(
    gateway: &Arc<Gateway>,
    operation: Operation,
    headers: &HeaderMap,
    body: Incoming,
) -> Response<Body> {
    let protocol = protocol_of(operation);
    let id = gateway.request_id();
    let refuse = |refusal: Refusal| reply::refusal(protocol, id, &refusal);
    let now = gateway.clock.now();
    let principal = match auth::authenticate(&gateway.snapshot.load(), headers, now) {
        Ok(principal) => principal,
        Err(refusal) => return refuse(refusal),
    };
    if !gateway.is_ready() {
        return refuse(Refusal::ShuttingDown);
    }
    // Taken first: whatever happens below, this request can be written down.
    let slot = match gateway.recorder.slot().await {
        Ok(slot) => slot,
        Err(refusal) => return refuse(refusal),
    };
    let mut entry = Entry::open(slot, id, principal, operation, now);
    match steps(gateway, operation, headers, body, &mut entry).await {
        Ok(Next::Call(prepared)) => call::start(gateway, prepared, entry).await,
        Ok(Next::Estimate { input_tokens }) => {
            entry.end(200, Outcome::Success);
            let warnings = ["input_tokens: estimated, the provider cannot count".to_owned()];
            let head = reply::Head { id, provider: None, warnings: &warnings, provider_headers: None };
            let body = format!("{{\"input_tokens\":{input_tokens}}}");
            reply::whole(&head, body.into(), false, entry.started.elapsed())
        }
        Err(refusal) => {
            entry.fail(refusal.status(), &refusal);
            refuse(refusal)
        }
    }
}

/// The order of the lines is the order of enforcement.
async fn steps(
    gateway: &Arc<Gateway>,
    operation: Operation,
    headers: &HeaderMap,
    body: Incoming,
    entry: &mut Entry,
) -> Result<Next, Refusal> {
    // Until the call task takes over, a vanished caller drops this future: the record then says so.
    entry.end(499, Outcome::ClientGone);
    let body = read_body(gateway, body).await?;
    let mut intake: Intake = intake::read(operation, body, &gateway.default_model)?;
    let told = intake::read_headers(headers, &mut intake.metadata);
    entry.note(|record| {
        record.model_requested = intake.model.as_str().into();
        record.is_stream = intake.is_stream;
        record.metadata = intake.metadata.take().filter(|metadata| !metadata.is_empty());
    });
    told?;
    let protocol = protocol_of(operation);
    let providers = gateway.providers.load();
    let target = match providers.target(&intake.model, route_of(operation), protocol) {
        // A provider that cannot count is no obstacle: then the gateway estimates.
        Err(Refusal::WrongEndpoint { .. }) if operation == Operation::CountTokens => {
            providers.target(&intake.model, RouteKind::Chat, protocol)?
        }
        found => found?,
    };
    prepare::prepare(operation, intake, target, headers)
}

/// Reads the body within its bounds.
async fn read_body(gateway: &Gateway, body: Incoming) -> Result<Bytes, Refusal> {
    let max = gateway.limits.body_bytes_max;
    let read = tokio::time::timeout(gateway.limits.request_read, Limited::new(body, max).collect());
    match read.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Refusal::BodyTooLarge(max)),
        Ok(Err(error)) => Err(Refusal::invalid(format!("the request body cannot be read: {error}"))),
        Err(_) => Err(Refusal::BodyTooSlow(gateway.limits.request_read.as_secs())),
    }
}
