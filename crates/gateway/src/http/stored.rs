//! Stored answers of the Responses API: read, deleted, cancelled, and what went into them. The provider is asked, for the
//! key that the answer was given to; nothing of that is billed.
//!
//! <https://platform.openai.com/docs/api-reference/responses/get> and its neighbours, read 2026-11-26.

use crate::inference::call::failures;
use crate::inference::{ask, reply};
use crate::providers::{Endpoint, Target};
use crate::stored::{ID_BYTES_MAX, Where};
use crate::upstream::Collected;
use crate::{Gateway, Refusal, auth};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use domain::record::Operation;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response};
use llm::Protocol;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::requests::AnswerOrigin;

/// How their ids begin.
const PREFIX: &str = "resp_";
/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Shared = State<Arc<Gateway>>;

/// Reads one.
pub async fn read(
    State(gateway): Shared,
    Path(id): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    relay(&gateway, &headers, Asking { method: Method::GET, id: &id, of_it: None, query }).await
}

/// Deletes one.
pub async fn delete(
    State(gateway): Shared,
    Path(id): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    relay(&gateway, &headers, Asking { method: Method::DELETE, id: &id, of_it: None, query }).await
}

/// Cancels one that is being made in the background.
pub async fn cancel(
    State(gateway): Shared,
    Path(id): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    relay(&gateway, &headers, Asking { method: Method::POST, id: &id, of_it: Some("cancel"), query }).await
}

/// Lists what went into one.
pub async fn input_items(
    State(gateway): Shared,
    Path(id): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let asking = Asking { method: Method::GET, id: &id, of_it: Some("input_items"), query };
    relay(&gateway, &headers, asking).await
}

/// What is asked of an answer.
struct Asking<'a> {
    method: Method,
    id: &'a str,
    of_it: Option<&'static str>,
    query: RawQuery,
}

async fn relay(gateway: &Arc<Gateway>, headers: &HeaderMap, asking: Asking<'_>) -> Response<Body> {
    let request = gateway.request_id();
    match answer(gateway, headers, &asking).await {
        Ok(mut response) => {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Ok(id) = HeaderValue::try_from(request.to_string()) {
                headers.insert("x-request-id", id);
            }
            response
        }
        Err(refusal) => reply::refusal(Protocol::OpenAiResponses, request, &refusal),
    }
}

async fn answer(
    gateway: &Gateway,
    headers: &HeaderMap,
    asking: &Asking<'_>,
) -> Result<Response<Body>, Refusal> {
    let unknown = || Refusal::StoredByProvider(asking.id.chars().take(ID_BYTES_MAX).collect());
    if !asking.id.starts_with(PREFIX) {
        let path = format!("/v1/responses/{}", asking.id);
        let is_known = asking.of_it.is_none() && super::called_at(&path).is_some();
        return Err(match is_known {
            true => Refusal::MethodNotAllowed(asking.method.to_string()),
            false => Refusal::NoSuchEndpoint(path.chars().take(ID_BYTES_MAX).collect()),
        });
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if asking.id.len() > ID_BYTES_MAX || !asking.id.bytes().all(is_letter) {
        return Err(unknown());
    }
    let principal = auth::authenticate(&gateway.snapshot.load(), headers, gateway.clock.now())?;
    gateway.check_open()?;
    let _slot = gateway.gate.enter(principal.key).await.map_err(|_| gateway.shed())?;
    let rates = &principal.account.rates;
    let _admission =
        if rates.is_empty() { None } else { Some(gateway.rates.admit(rates, 0, Instant::now())?) };
    let query = asking.query.0.as_deref().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    if pairs.any(|(name, value)| name == "stream" && value != "false") {
        let message = "a stored answer is not streamed here: ask for it without `stream`";
        return Err(Refusal::invalid_param("stream", message));
    }
    let found = gateway.stored.find(asking.id, principal.key).await.map_err(|error| {
        tracing::error!(%error, "stored answers cannot be looked up");
        gateway.overloaded()
    })?;
    let target = target(gateway, found.ok_or_else(unknown)?).ok_or_else(unknown)?;
    let endpoint = endpoint(&target, asking, query).ok_or_else(unknown)?;
    let target = Target { endpoint: endpoint.into(), ..target };
    let asking = async {
        let headers = target.provider.headers(false, &[]);
        let mut answer =
            gateway.upstream.ask(asking.method.clone(), &target, headers, &*gateway.clock).await?;
        let collected = answer.collect(gateway.limits.answer_bytes_max).await?;
        Ok((answer.status, collected))
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await.map_err(|_| Refusal::Timeout("no answer"))?;
    match asked {
        Ok((status, Collected::Whole(body))) if status.is_success() => Ok(Response::new(Body::from(body))),
        Ok((status, Collected::Whole(body))) => {
            Err(failures::provider_error(&target, status.as_u16(), &body))
        }
        Ok((_, Collected::TooLong)) => {
            Err(Refusal::InvalidResponse(format!("longer than {} bytes", gateway.limits.answer_bytes_max)))
        }
        Err(error) => Err(failures::no_answer(&target, &error)),
    }
}

/// Who is asked, by the route that answers are stored by: whoever the name that the caller gave leads to, if that is still
/// who gave the answer, and else the provider by its own name. `None`: it is not there any more.
fn target(gateway: &Gateway, place: Where) -> Option<Target> {
    let AnswerOrigin { provider, model, requested } = match place {
        Where::At(target) => return Some(*target),
        Where::Recorded(origin) => origin,
    };
    let providers = gateway.providers.load();
    let by = |name: &str| {
        let target = providers.target(name, ask(Operation::Responses, false)).ok()?;
        let is_it = target.provider.name.as_str() == provider
            && target.endpoint.route.protocol == Protocol::OpenAiResponses;
        is_it.then_some(target)
    };
    by(&requested).or_else(|| by(&format!("{provider}/{model}")))
}

fn endpoint(target: &Target, asking: &Asking<'_>, query: &str) -> Option<Endpoint> {
    let one = target.endpoint.below(Some(asking.id), &[])?;
    let it = if asking.of_it.is_some() { one.below(asking.of_it, &[])? } else { one };
    if query.is_empty() { Some(it) } else { it.elsewhere(&format!("{}?{query}", it.uri)) }
}
