//! Whether the process lives, whether it takes requests, and its counters.

use crate::{Gateway, Phase};
use axum::body::Body;
use axum::extract::State;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use std::sync::Arc;

fn json(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `GET /healthz`: the process answers.
pub async fn live() -> Response<Body> {
    json(StatusCode::OK, r#"{"status":"ok"}"#)
}

/// `GET /readyz`: requests are to be sent here. 503 while starting, from the moment the process is told to stop, and
/// while calls cannot be written down.
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let unready = |body| json(StatusCode::SERVICE_UNAVAILABLE, body);
    match gateway.progress.phase() {
        Phase::Starting => unready(r#"{"status":"not ready"}"#),
        Phase::Leaving | Phase::Stopping => unready(r#"{"status":"shutting down"}"#),
        Phase::Serving if gateway.recorder.journal.is_full() => unready(r#"{"status":"storage exhausted"}"#),
        Phase::Serving => json(StatusCode::OK, r#"{"status":"ready"}"#),
    }
}

/// `GET /metrics`: counters in OpenMetrics text.
pub async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let budgets = &gateway.recorder.budgets;
    gateway.metrics.money(budgets.held(), budgets.overage());
    gateway.metrics.calls(gateway.tasks.len(), gateway.gate.waiting(), gateway.abandoned.len());
    gateway.metrics.bodies(gateway.bodies.taken());
    let mut response = Response::new(Body::from(gateway.metrics.encode()));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
