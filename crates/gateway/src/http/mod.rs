//! The HTTP surface of the data plane: thin handlers over [`crate::inference`].

pub mod google_models;
pub mod health;
pub mod models;
mod privacy;
mod stored;

use crate::auth::GOOGLE_KEY;
use crate::inference::called::{CONVERSE, Called, query_value};
use crate::inference::{protocol_of, reply, serve};
use crate::{Gateway, Refusal, realtime};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use domain::record::Operation;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Response, Uri, request};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use llm::Protocol;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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
        .route("/v1beta/models", get(google_models::list))
        .route("/v1beta/models/{*id}", get(google_models::retrieve))
        .route("/v1/responses/{id}", get(stored::read).delete(stored::delete))
        .route("/v1/responses/{id}/cancel", post(stored::cancel))
        .route("/v1/responses/{id}/input_items", get(stored::input_items))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(unknown)
        .merge(beside.with_state(()))
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway.clone());
    Service { gateway, rest: TowerToHyperService::new(rest) }
}

/// The inference endpoint at a path, and what the path says of the call.
pub fn called_at(path: &str) -> Option<Called> {
    let operation = match path {
        "/v1/chat/completions" => Operation::ChatCompletions,
        "/v1/responses" => Operation::Responses,
        "/v1/responses/input_tokens" => Operation::CountInputTokens,
        "/v1/messages" | "/anthropic/v1/messages" => Operation::Messages,
        "/v1/messages/count_tokens" | "/anthropic/v1/messages/count_tokens" => Operation::CountTokens,
        "/v1/embeddings" => Operation::Embeddings,
        "/v1/completions" => Operation::Completions,
        "/v1/rerank" => Operation::Rerank,
        "/v1/moderations" => Operation::Moderations,
        "/v1/images/generations" => Operation::ImageGenerations,
        "/v1/images/edits" => Operation::ImageEdits,
        "/v1/audio/speech" => Operation::Speech,
        "/v1/audio/transcriptions" => Operation::Transcriptions,
        "/v1/audio/translations" => Operation::Translations,
        _ => return Called::of_path(path),
    };
    Some(operation.into())
}

/// Google's callers may show their key in the address. From here on it is a header, which nobody writes down.
fn take_key(head: &mut request::Parts) {
    let shown = query_value(head.uri.query(), "key").and_then(|key| HeaderValue::from_str(key).ok());
    if let Some(mut key) = shown.filter(|_| !head.headers.contains_key(GOOGLE_KEY)) {
        key.set_sensitive(true);
        head.headers.insert(GOOGLE_KEY, key);
    }
}

/// Without `alt=sse` Google streams one JSON list, which this gateway does not.
fn check_stream(called: &Called, uri: &Uri) -> Result<(), Refusal> {
    let is_sse = query_value(uri.query(), "alt") == Some("sse");
    if called.model.is_some() && called.is_stream && !is_sse {
        let message =
            "streams are server-sent events here: add `?alt=sse` to the address, as Google's SDKs do";
        return Err(Refusal::invalid_param("alt", message));
    }
    Ok(())
}

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        match called_at(request.uri().path()) {
            Some(called) if request.method() == Method::POST => {
                let gateway = self.gateway.clone();
                Box::pin(async move {
                    let (mut head, body) = request.into_parts();
                    let protocol = protocol_of(called.operation);
                    if protocol == Protocol::Gemini {
                        take_key(&mut head);
                        if let Err(refusal) = check_stream(&called, &head.uri) {
                            return Ok(reply::refusal(Protocol::Gemini, gateway.request_id(), &refusal));
                        }
                    }
                    let mut response = serve(&gateway, &called, &head.headers, body).await;
                    reply::name_request(protocol, response.headers_mut());
                    Ok(response)
                })
            }
            None if request.uri().path() == realtime::PATH => {
                let gateway = self.gateway.clone();
                Box::pin(async move { Ok(realtime::serve(&gateway, request).await) })
            }
            _ => self.rest.call(request).boxed(),
        }
    }
}

/// The protocol in which a path's callers expect errors.
fn protocol_of_path(path: &str) -> Protocol {
    if path.starts_with(CONVERSE) {
        Protocol::BedrockConverse
    } else if path.starts_with("/v1beta/") || Called::of_path(path).is_some() {
        Protocol::Gemini
    } else if path.contains("/messages") {
        Protocol::AnthropicMessages
    } else {
        Protocol::OpenAiChat
    }
}

async fn unknown(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    if called_at(path).is_some() {
        return wrong_method(State(gateway), request).await;
    }
    let start = || path.chars().take(200).collect();
    let refusal = Refusal::NoSuchEndpoint(start());
    reply::refusal(protocol_of_path(path), gateway.request_id(), &refusal)
}

async fn wrong_method(State(gateway): State<Arc<Gateway>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    // What is done with a model of Google's protocol stands at the end of the path, and may be unknown.
    let is_of_models = path.starts_with("/v1beta/models/") || path.starts_with("/v1/models/");
    let is_unknown = request.method() == Method::POST && is_of_models;
    let refusal = match is_unknown {
        true => Refusal::NoSuchEndpoint(path.chars().take(200).collect()),
        false => Refusal::MethodNotAllowed(request.method().to_string()),
    };
    reply::refusal(protocol_of_path(request.uri().path()), gateway.request_id(), &refusal)
}
