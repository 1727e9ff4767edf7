//! The control plane: the management API, over the store.
//!
//! [`router`] has all routes. A handler cannot be reached without an [`auth::Actor`], which exists only because
//! a key was found that works; what it may do is asked for by the type of the handler's argument
//! ([`auth::Reader`], [`auth::Writer`], [`keys::Readable`], [`keys::Writable`]). Everything is looked up with
//! the organization of the actor, so what belongs to another one is as unknown as what does not exist.
//!
//! No inference and no SQL here. Changes go to the store; running gateways hear of them as of any other.

pub mod amount;
pub mod auth;
pub mod body;
pub mod key_views;
pub mod keys;
pub mod org;
pub mod problem;
pub mod time;
pub mod usage;

pub use problem::Problem;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use domain::{Clock, Snapshot};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use std::fmt;
use std::sync::Arc;
use store::Db;

/// Gives the configuration that is in force.
pub type Snapshots = Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// What all handlers need.
#[derive(Clone)]
pub struct Control {
    /// Where everything is kept.
    pub db: Db,
    /// The configuration that keys are looked up in: the data plane's own.
    pub snapshot: Snapshots,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// All routes of the management API.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/v1/manage/apikey", get(keys::list).post(keys::create))
        .route("/v1/manage/apikey/{id}", get(keys::show).delete(keys::delete))
        .route("/v1/manage/apikey/{id}/limit", post(keys::set_limit).patch(keys::set_limit))
        .route("/v1/manage/apikey/{id}/label", post(keys::set_labels).patch(keys::set_labels))
        .route("/v1/manage/apikey/{id}/expiry", post(keys::set_expiry).patch(keys::set_expiry))
        .route("/v1/manage/apikey/{id}/rate", post(keys::set_rate).patch(keys::set_rate))
        .route("/v1/manage/apikey/{id}/usage", get(usage::of_key))
        .route("/v1/manage/org", get(org::show))
        .route("/v1/manage/org/usage", get(usage::of_org))
        .layer(map_response(never_store))
        .with_state(control)
}

/// Answers carry keys and figures: no cache may keep one.
async fn never_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}
