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
    let of_provider = |provider: &Arc<Provider>| -> Vec<Value> {
        let models = provider.catalog.models().iter().filter(|model| provider.serves(model));
        models.map(|model| entry(provider, model)).collect()
    };
    let models: Vec<Value> = providers.iter().flat_map(of_provider).collect();
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
        Some((provider, model)) => respond(&entry(provider, model)),
        None => refuse(Refusal::UnknownModel(id)),
    }
}

fn entry(provider: &Provider, model: &Model) -> Value {
    let methods: &[&str] = match model.mode {
        Mode::Chat | Mode::Responses => &["generateContent", "streamGenerateContent", "countTokens"],
        Mode::Embedding
        | Mode::Completion
        | Mode::Rerank
        | Mode::Moderation
        | Mode::Image
        | Mode::Speech
        | Mode::Transcription
        | Mode::Realtime
        | Mode::Other => &[],
    };
    json!({
        "name": format!("models/{}/{}", provider.name, model.id),
        "version": "",
        "displayName": model.name,
        "description": format!("{} at {}", model.name, provider.spec.name),
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": methods,
        "thinking": model.capabilities.reasoning,
    })
}
