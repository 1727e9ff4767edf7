//! `/v1/manage/org`: the organization of the key that asks.

use crate::amount::Amount;
use crate::auth::Reader;
use crate::{Control, Problem, body};
use axum::extract::State;
use axum::response::Response;
use domain::{Enforcement, Money, Scope, Window, Windows};
use http::StatusCode;
use serde::Serialize;

#[derive(Serialize)]
struct OrgView {
    id: String,
    name: String,
    /// What is left of a hard limit for all time. Without one there is no balance: nothing is paid ahead.
    balance: Option<Amount>,
    monthly_limit: Amount,
    monthly_spend: Amount,
}

/// `GET /v1/manage/org`.
pub async fn show(State(control): State<Control>, Reader(actor): Reader) -> Result<Response, Problem> {
    let id = actor.key().org;
    let scope = Scope::Organization(id);
    let windows = Windows::at(control.clock.now());
    let mut limits = control.db.limits_of(id).await?;
    limits.retain(|limit| limit.scope == scope);
    let limit = |window| limits.iter().find(|limit| limit.window == window);
    let spent = async |window| control.db.spent(scope, window, windows.start(window)).await;
    let balance = match limit(Window::Total).filter(|limit| limit.enforcement == Enforcement::Hard) {
        Some(limit) => Some(Amount(limit.amount - spent(Window::Total).await?)),
        None => None,
    };
    let name = control.db.organization(id).await?.map(|org| org.name).unwrap_or_default();
    let view = OrgView {
        id: id.to_string(),
        name,
        balance,
        monthly_limit: Amount(limit(Window::Month).map_or(Money::ZERO, |limit| limit.amount)),
        monthly_spend: Amount(spent(Window::Month).await?),
    };
    body::answer(StatusCode::OK, &view)
}
