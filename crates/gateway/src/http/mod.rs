//! The HTTP surface of the data plane: thin handlers over [`crate::inference`].

pub mod health;
pub mod models;

use crate::inference::{reply, serve};
use crate::{Gateway, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::get;
use domain::record::Operation;
use futures_util::FutureExt;
use http::{Method, Response};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use llm::Protocol;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Answers that OpenAI's Responses API keeps, and what hangs on them; their ids begin so.
const STORED_ANSWERS: &str = "/v1/responses/resp_";

/// The data plane as a service for hyper.
///
/// Inference calls are told apart here, by their path alone, and go straight to [`serve`]: a router and its
/// layers would cost a few microseconds each of them. Everything else goes through axum.
#[derive(Clone)]
pub struct Service {
    gateway: Arc<Gateway>,
    rest: TowerToHyperService<Router>,
}

/// All routes of the data plane, and `beside` them those of other planes, whose paths are their own.
pub fn router(gateway: Arc<Gateway>, beside: Router) -> Service {
    let rest = Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(unknown)
        .merge(beside.with_state(()))
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway.clone());
    Service { gateway, rest: TowerToHyperService::new(rest) }
}

/// The inference endpoint at a path.
pub fn operation_at(path: &str) -> Option<Operation> {
    match path {
        "/v1/chat/completions" => Some(Operation::ChatCompletions),
        "/v1/responses" => Some(Operation::Responses),
        "/v1/messages" | "/anthropic/v1/messages" => Some(Operation::Messages),
        "/v1/messages/count_tokens" | "/anthropic/v1/messages/count_tokens" => Some(Operation::CountTokens),
        "/v1/embeddings" => Some(Operation::Embeddings),
        "/v1/completions" => Some(Operation::Completions),
        "/v1/rerank" => Some(Operation::Rerank),
        "/v1/moderations" => Some(Operation::Moderations),
        "/v1/images/generations" => Some(Operation::ImageGenerations),
        "/v1/images/edits" => Some(Operation::ImageEdits),
        "/v1/audio/speech" => Some(Operation::Speech),
        "/v1/audio/transcriptions" => Some(Operation::Transcriptions),
        "/v1/audio/translations" => Some(Operation::Translations),
        _ => None,
    }
}

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        match operation_at(request.uri().path()) {
            Some(operation) if request.method() == Method::POST => {
                let gateway = self.gateway.clone();
                Box::pin(async move {
                    let (head, body) = request.into_parts();
                    Ok(serve(&gateway, operation, &head.headers, body).await)
                })
            }
            _ => self.rest.call(request).boxed(),
        }
    }
}

/// The protocol in which a path's callers expect errors.
fn protocol_of_path(path: &str) -> Protocol {
    if path.contains("/messages") { Protocol::AnthropicMessages } else { Protocol::OpenAiChat }
}

async fn unknown(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    if operation_at(path).is_some() {
        return wrong_method(State(gateway), request).await;
    }
    let start = || path.chars().take(200).collect();
    let refusal = match path.starts_with(STORED_ANSWERS) {
        true => Refusal::StoredByProvider(start()),
        false => Refusal::NoSuchEndpoint(start()),
    };
    reply::refusal(protocol_of_path(path), gateway.request_id(), &refusal)
}

async fn wrong_method(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let refusal = Refusal::MethodNotAllowed(request.method().to_string());
    reply::refusal(protocol_of_path(request.uri().path()), gateway.request_id(), &refusal)
}
