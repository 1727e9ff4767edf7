//! `GET /v1beta/models` and `GET /v1beta/models/{id}`: the same models in Google's shape, for Google's SDKs.
//!
//! <https://ai.google.dev/api/models>, read 2026-11-26. All models stand on one page.

use super::models::{check_key, respond};
use crate::inference::reply;
use crate::{Gateway, Provider, Refusal};
use axum::body::Body;
use axum::extract::{Path, State};
use domain::{Mode, Model};
use http::{HeaderMap, Response};
use llm::Protocol;
use serde_json::{Value, json};
use std::sync::Arc;

/// Lists all models.
pub async fn list(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response<Body> {
    if let Err(refusal) = check_key(&gateway, &headers) {
        return reply::refusal(Protocol::Gemini, gateway.request_id(), &refusal);
    }
    let providers = gateway.providers.load();
    let listed = providers.listed();
    let models: Vec<Value> =
        listed.iter().map(|(name, provider, model)| entry(name, provider, model)).collect();
    respond(&json!({ "models": models }))
}

/// One model, by its full name (which may have slashes).
pub async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let refuse = |refusal| reply::refusal(Protocol::Gemini, gateway.request_id(), &refusal);
    if let Err(refusal) = check_key(&gateway, &headers) {
        return refuse(refusal);
    }
    match gateway.providers.load().find(&id).filter(|(provider, model)| provider.serves(model)) {
        Some((provider, model)) => respond(&entry(&id, provider, &model)),
        None => refuse(Refusal::UnknownModel(id)),
    }
}

/// What is told of a model, under the name it is asked for by.
fn entry(name: &str, provider: &Provider, model: &Model) -> Value {
    let methods: &[&str] = match model.mode {
        Mode::Chat | Mode::Responses => &["generateContent", "streamGenerateContent", "countTokens"],
        Mode::Embedding => &["embedContent", "batchEmbedContents"],
        Mode::Completion
        | Mode::Rerank
        | Mode::Moderation
        | Mode::Image
        | Mode::Speech
        | Mode::Transcription
        | Mode::Realtime
        | Mode::Other => &[],
    };
    json!({
        "name": format!("models/{name}"),
        "version": "",
        "displayName": model.name,
        "description": format!("{} at {}", model.name, provider.spec.name),
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": methods,
        "thinking": model.capabilities.reasoning,
    })
}
