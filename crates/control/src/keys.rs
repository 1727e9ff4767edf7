//! `/v1/manage/apikey`: making, showing, changing and deleting API keys.

use crate::auth::{Actor, Reader, Writer};
use crate::key_views::{CreateKey, KeyView, SetExpiry, SetLabels, SetLimit, SetRate};
use crate::{Control, Problem, body};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use domain::{ApiKey, KeyId, KeyState, Money, NewKey, RateLimit, Scope, Timestamp, Window, Windows};
use http::StatusCode;
use http::request::Parts;
use serde_json::json;

/// A key that the caller may look at: its own, or any of its organization with `manage: read`. It may be
/// deleted.
pub struct Readable {
    /// The key.
    pub key: ApiKey,
}

/// A key that the caller may change. It is not deleted.
pub struct Writable {
    /// Who calls.
    pub actor: Actor,
    /// The key.
    pub key: ApiKey,
}

impl FromRequestParts<Control> for Readable {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, control).await?;
        let id = key_id(parts, control, &actor).await;
        if id.parsed != Some(actor.key().id) {
            actor.may_read()?;
        }
        Ok(Self { key: id.find(control, &actor).await? })
    }
}

impl FromRequestParts<Control> for Writable {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let Writer(actor) = Writer::from_request_parts(parts, control).await?;
        let id = key_id(parts, control, &actor).await;
        let key = id.find(control, &actor).await?;
        if is_deleted(&key) {
            return Err(Problem::NoSuchKey(id.text));
        }
        Ok(Self { actor, key })
    }
}

/// The id of a path, as it was written and what it means.
struct PathId {
    text: String,
    parsed: Option<KeyId>,
}

impl PathId {
    async fn find(&self, control: &Control, actor: &Actor) -> Result<ApiKey, Problem> {
        let unknown = || Problem::NoSuchKey(self.text.clone());
        let id = self.parsed.ok_or_else(unknown)?;
        control.db.key(actor.key().org, id).await?.ok_or_else(unknown)
    }
}

async fn key_id(parts: &mut Parts, control: &Control, actor: &Actor) -> PathId {
    // What is no text is no id.
    let path = Path::<String>::from_request_parts(parts, control).await;
    let text = path.map_or_else(|_| String::new(), |Path(text)| text);
    let parsed = if text == "self" { Some(actor.key().id) } else { read_id(&text) };
    PathId { text: text.chars().take(64).collect(), parsed }
}

/// `key_…` as we write it, or the bare UUID in it, with dashes or without.
fn read_id(text: &str) -> Option<KeyId> {
    if let Ok(id) = text.parse() {
        return Some(id);
    }
    let is_uuid = matches!((text.len(), text.matches('-').count()), (36, 4) | (32, 0));
    is_uuid.then(|| format!("key_{}", text.replace('-', "")).parse().ok()).flatten()
}

fn is_deleted(key: &ApiKey) -> bool {
    matches!(key.state, KeyState::Deleted { .. })
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// `GET /v1/manage/apikey`.
pub async fn list(State(control): State<Control>, Reader(actor): Reader) -> Result<Response, Problem> {
    let org = actor.key().org;
    let month = Windows::at(control.clock.now()).start(Window::Month);
    let spent = control.db.key_balances(org, Window::Month, month).await?;
    let (limits, rates) = (control.db.limits_of(org).await?, control.db.rate_limits_of(org).await?);
    let keys = control.db.keys_of(org).await?;
    let view = |key: &ApiKey| {
        let spent = spent.get(&key.id.to_string()).copied().unwrap_or(Money::ZERO);
        KeyView::of(key, &limits, &rates, spent)
    };
    body::answer(StatusCode::OK, &json_object("keys", keys.iter().map(view).collect::<Vec<_>>()))
}

fn json_object<T>(name: &'static str, value: T) -> std::collections::BTreeMap<&'static str, T> {
    std::collections::BTreeMap::from([(name, value)])
}

/// `GET /v1/manage/apikey/{id}`.
pub async fn show(State(control): State<Control>, readable: Readable) -> Result<Response, Problem> {
    let key = readable.key;
    if is_deleted(&key) {
        return Err(Problem::NoSuchKey(key.id.to_string()));
    }
    let month = Windows::at(control.clock.now()).start(Window::Month);
    let spent = control.db.spent(Scope::Key(key.id), Window::Month, month).await?;
    let (limits, rates) = (control.db.limits_of(key.org).await?, control.db.rate_limits_of(key.org).await?);
    body::answer(StatusCode::OK, &KeyView::of(&key, &limits, &rates, spent))
}

/// `POST /v1/manage/apikey`. The secret is in this answer and nowhere else.
///
/// What the creator's spending counts against, the new key's does too, and it ends no later.
pub async fn create(
    State(control): State<Control>,
    Writer(actor): Writer,
    body: Body,
) -> Result<Response, Problem> {
    let asked: CreateKey = body::json(body).await?;
    let (creator, now) = (actor.key(), control.clock.now());
    let asked_end = asked.expires_at()?;
    if asked_end.is_some_and(|end| end <= now) {
        return Err(Problem::invalid("expires_at: lies in the past"));
    }
    let new = NewKey {
        org: creator.org,
        name: asked.name()?.to_owned(),
        expires_at: asked_end.or(end_of(creator)),
        permissions: asked.permissions(creator.permissions)?,
        scopes: creator.scopes.clone(),
        labels: asked.labels()?,
    };
    within_life(creator, new.expires_at)?;
    let text = NewKey::text(random()?);
    let key = new.into_key(&text, random()?, now);
    // Before the key: it must not work for a moment without its limit.
    if let Some(limit) = asked.limit(Scope::Key(key.id))? {
        control.db.set_limit(key.org, limit).await?;
    }
    control.db.insert_key(&key).await?;
    tracing::info!(key = %key.id, by = %creator.id, "key made");
    body::answer(StatusCode::CREATED, &json!({"api_key_id": key.id.to_string(), "api_key": text}))
}

fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn end_of(key: &ApiKey) -> Option<Timestamp> {
    match key.state {
        KeyState::Active { expires_at } => expires_at,
        KeyState::Deleted { at } => Some(at),
    }
}

/// A key that ends gives no key a longer life than its own.
fn within_life(actor: &ApiKey, expires_at: Option<Timestamp>) -> Result<(), Problem> {
    match end_of(actor) {
        Some(end) if expires_at.is_none_or(|asked| asked > end) => Err(Problem::NotPermitted(
            "a key cannot be given a longer life than the key that asks for it has",
        )),
        _ => Ok(()),
    }
}

/// `DELETE /v1/manage/apikey/{id}`.
pub async fn delete(State(control): State<Control>, target: Writable) -> Result<Response, Problem> {
    if !control.db.delete_key(target.key.id, control.clock.now()).await? {
        return Err(Problem::NoSuchKey(target.key.id.to_string()));
    }
    tracing::info!(key = %target.key.id, by = %target.actor.key().id, "key deleted");
    Ok(no_content())
}

/// `POST /v1/manage/apikey/{id}/limit`. Zero is no limit.
pub async fn set_limit(
    State(control): State<Control>,
    target: Writable,
    body: Body,
) -> Result<Response, Problem> {
    let limit = body::json::<SetLimit>(body).await?.limit(Scope::Key(target.key.id))?;
    if limit.amount > Money::ZERO {
        control.db.set_limit(target.key.org, limit).await?;
    } else {
        control.db.remove_limit(target.key.org, limit.scope, limit.window).await?;
    }
    Ok(no_content())
}

/// `POST /v1/manage/apikey/{id}/label`. Replaces all labels.
pub async fn set_labels(
    State(control): State<Control>,
    target: Writable,
    body: Body,
) -> Result<Response, Problem> {
    let labels = body::json::<SetLabels>(body).await?.labels()?;
    if !control.db.set_key_labels(target.key.id, &labels).await? {
        return Err(Problem::NoSuchKey(target.key.id.to_string()));
    }
    Ok(no_content())
}

/// `POST /v1/manage/apikey/{id}/expiry`. A time that has come ends the key now and for good.
pub async fn set_expiry(
    State(control): State<Control>,
    target: Writable,
    body: Body,
) -> Result<Response, Problem> {
    let expires_at = body::json::<SetExpiry>(body).await?.expires_at()?;
    within_life(target.actor.key(), expires_at)?;
    if !control.db.set_key_expiry(target.key.id, expires_at, control.clock.now()).await? {
        return Err(Problem::KeyExpired);
    }
    Ok(no_content())
}

/// `POST /v1/manage/apikey/{id}/rate`.
pub async fn set_rate(
    State(control): State<Control>,
    target: Writable,
    body: Body,
) -> Result<Response, Problem> {
    let asked: SetRate = body::json(body).await?;
    let scope = Scope::Key(target.key.id);
    let all = control.db.rate_limits_of(target.key.org).await?;
    let present = all.into_iter().find(|(of, _)| *of == scope).map_or(RateLimit::default(), |(_, rate)| rate);
    control.db.set_rate_limit(target.key.org, scope, asked.change(present)?).await?;
    Ok(no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_the_uuid_in_it() {
        let id = KeyId::from_parts(Timestamp::from_unix_ms(1_800_000_000_000), [7; 10]);
        let hex = id.to_string()["key_".len()..].to_owned();
        let dashed =
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        for text in [id.to_string(), hex.clone(), dashed.clone(), dashed.to_uppercase()] {
            assert_eq!(read_id(&text), Some(id), "{text}");
        }
        for text in ["", "self", "key_", "org_0", &hex[1..], &format!("org_{hex}"), &"-".repeat(36)] {
            assert_eq!(read_id(text), None, "{text}");
        }
    }
}
