//! Who calls the management API, and what the key allows.

use crate::{Control, Problem};
use axum::extract::FromRequestParts;
use domain::{Access, ApiKey, KeyHash};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

/// A caller with a key that works. There is no other way to make one than to show such a key.
#[derive(Clone, Debug)]
pub struct Actor(ApiKey);

/// A caller who may look at everything of its organization.
#[derive(Clone, Debug)]
pub struct Reader(pub Actor);

/// A caller who may change everything of its organization.
#[derive(Clone, Debug)]
pub struct Writer(pub Actor);

impl Actor {
    /// The key that was shown.
    pub fn key(&self) -> &ApiKey {
        &self.0
    }

    /// Refuses a key that may not look.
    pub fn may_read(&self) -> Result<(), Problem> {
        if self.0.permissions.manage < Access::Read {
            return Err(Problem::NotPermitted("this key lacks the permission `manage: read`"));
        }
        Ok(())
    }

    /// Refuses a key that may not change anything.
    pub fn may_write(&self) -> Result<(), Problem> {
        if self.0.permissions.manage < Access::Write {
            return Err(Problem::NotPermitted("this key lacks the permission `manage: write`"));
        }
        Ok(())
    }
}

/// The key a caller shows: `Authorization: Bearer …` or `x-api-key`, as on the data plane.
fn shown_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes).and_then(|value| {
        let (scheme, key) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
    });
    bearer
        .or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()))
        .filter(|key| !key.is_empty())
}

impl FromRequestParts<Control> for Actor {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let shown = shown_key(&parts.headers).ok_or(Problem::MissingKey)?;
        let snapshot = (control.snapshot)();
        let key = snapshot.key(&KeyHash::of(shown)).filter(|key| key.is_usable(control.clock.now()));
        key.cloned().map(Actor).ok_or(Problem::InvalidKey)
    }
}

impl FromRequestParts<Control> for Reader {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, control).await?;
        actor.may_read()?;
        Ok(Self(actor))
    }
}

impl FromRequestParts<Control> for Writer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, control).await?;
        actor.may_write()?;
        Ok(Self(actor))
    }
}
