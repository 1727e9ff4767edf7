//! `GET /v1/models` and `GET /v1/models/{id}`: what may be asked for, with prices and limits.
//!
//! Public without a key; a key that is shown must be good. Fields as existing clients read them
//! (`docs/api/models.md`); prices are USD per token, as JSON numbers with exact decimals.

use super::google_models;
use super::privacy::{comments, geolocation};
use crate::inference::reply;
use crate::{Gateway, Provider, Refusal, auth};
use axum::body::Body;
use axum::extract::{Path, State};
use domain::{Account, Mode, Model, Price};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use llm::Protocol;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;

/// Lists all models.
pub async fn list(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response<Body> {
    if is_googles(&headers) {
        return google_models::list(State(gateway), headers).await;
    }
    let account = match check_key(&gateway, &headers) {
        Ok(account) => account,
        Err(refusal) => return reply::refusal(Protocol::OpenAiChat, gateway.request_id(), &refusal),
    };
    let providers = gateway.providers.load();
    let listed = providers.listed();
    let data: Vec<_> = listed
        .iter()
        .map(|(name, provider, model)| {
            entry((name, providers.region_of(name)), provider, &priced(account.as_deref(), provider, model))
        })
        .collect();
    respond(&json!({"object": "list", "data": data}))
}

/// One model, by its full name (which may have slashes).
pub async fn retrieve(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if is_googles(&headers) {
        return google_models::retrieve(State(gateway), Path(id), headers).await;
    }
    let refuse = |refusal| reply::refusal(Protocol::OpenAiChat, gateway.request_id(), &refusal);
    let account = match check_key(&gateway, &headers) {
        Ok(account) => account,
        Err(refusal) => return refuse(refusal),
    };
    let providers = gateway.providers.load();
    match providers.find(&id).filter(|(provider, model)| provider.serves(model)) {
        Some((provider, model)) => respond(&entry(
            (&id, providers.region_of(&id)),
            provider,
            &priced(account.as_deref(), provider, &model),
        )),
        None => refuse(Refusal::UnknownModel(id)),
    }
}

/// Google's SDKs ask at the same address, from version 3 on, and show their key in a way of their own.
fn is_googles(headers: &HeaderMap) -> bool {
    headers.contains_key(auth::GOOGLE_KEY)
}

/// No key is fine, a bad one is not. Gives whose prices count.
pub(super) fn check_key(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Arc<Account>>, Refusal> {
    match auth::authenticate(&gateway.snapshot.load(), headers, gateway.clock.now()) {
        Ok(principal) => Ok(Some(principal.account)),
        Err(Refusal::MissingKey) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A model as an account pays for it.
fn priced<'a>(account: Option<&Account>, provider: &Provider, model: &'a Model) -> Cow<'a, Model> {
    let own = account.and_then(|account| account.priced(&format!("{}/{}", provider.name, model.id), model));
    own.map_or(Cow::Borrowed(model), Cow::Owned)
}

pub(super) fn respond(body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Dollars per token as a JSON number.
fn per_token(price: Price) -> serde_json::Value {
    // Nano-dollars per million are femto-dollars per token: the nearest double prints as the short decimal.
    json!(price.amount_per_million().nano() as f64 / 1e15)
}

/// What is told of a model, under the name it is asked for by.
fn entry((name, region): (&str, Option<Arc<str>>), provider: &Provider, model: &Model) -> serde_json::Value {
    let base = model.price.as_ref().map(|price| price.base).unwrap_or_default();
    let can = model.capabilities;
    let api = match model.mode {
        Mode::Chat | Mode::Responses => "chat",
        Mode::Embedding => "embedding",
        Mode::Completion => "completion",
        Mode::Rerank => "rerank",
        Mode::Moderation => "moderation",
        Mode::Image => "image",
        Mode::Speech => "speech",
        Mode::Transcription => "transcription",
        Mode::Realtime => "realtime",
        Mode::Other => "other",
    };
    let (is_kept, days) = provider.catalog.privacy.keeps();
    let mut entry = json!({
        "id": name,
        "object": "model",
        "created": model.released_at,
        "owned_by": "system",
        "name": model.name,
        "description": format!("{} at {}", model.name, provider.spec.name),
        "api": api,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "supports_caching": can.caching,
        "supports_vision": can.vision,
        "supports_computer_use": can.computer_use,
        "supports_reasoning": can.reasoning,
        "supports_tool_calling": can.tools,
        "supports_web_search": can.web_search,
        "supports_image_generation": can.image_generation,
        "supports_output_json_object": can.json_object,
        "supports_output_json_schema": can.json_schema,
        "supports_json_schema": can.json_schema,
        "supports_role_developer": matches!(provider.spec.kind, "openai" | "openai-responses"),
        "geolocation": geolocation(provider, model, region.as_deref()),
        "data_retention": is_kept,
        "data_retention_days": days,
        "privacy_comments": comments(&provider.catalog.privacy),
    });
    if model.price.is_some() {
        entry["input_price"] = per_token(base.input);
        entry["output_price"] = per_token(base.output);
        entry["caching_price"] = per_token(base.cache_write.unwrap_or(base.input));
        entry["cached_price"] = per_token(base.cache_read.unwrap_or(base.input));
    }
    entry
}
