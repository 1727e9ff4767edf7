//! `Idempotency-Key`: the same call made twice is one call at the provider, and one charge.
//!
//! The first caller's call is owned by a task of its own ([`first`]), which goes on when that caller leaves.
//! Whoever sends the same while it runs follows it ([`follow`]); afterwards the answer comes from the store. A call
//! without the header costs one look-up of a header's name and touches nothing here.

mod first;
mod follow;
mod keeper;
mod kept;
mod running;

pub use keeper::{Keeper, Lost};
pub use kept::KeptHead;
pub use running::{Bounds, Entrance, Registry};

use crate::Gateway;
use crate::bodies::{Held, Share};
use crate::inference::called::Called;
use crate::inference::{body, protocol_of, reply};
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::shed::Slot;
use axum::body::Body;
use bytes::Bytes;
use domain::record::{Operation, Outcome};
use domain::{Claim, Clock, Fingerprint, IdempotencyKey, Principal, RequestId, Timestamp};
use first::First;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use keeper::Claims;
use std::sync::Arc;
use store::Db;
use tokio::sync::oneshot;

/// What a caller names its call by.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that change what a provider answers: under one key they must be the same as well.
const ASKING_HEADERS: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];
/// Longer bodies are digested on a thread of their own.
const BODY_BYTES_INLINE: usize = 256 * 1024;
/// The vendors' SDKs try again after 409 and 5xx, unless this tells them that it is of no use (`_should_retry` in
/// `_base_client.py` of `openai` and `anthropic`, read 2026-11-26).
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// In memory, while calls run.
    pub bounds: Bounds,
    /// In the store, in bytes.
    pub stored_bytes_max: u64,
}

/// Calls that are made under keys.
pub struct Idempotency {
    registry: Arc<Registry>,
    claims: Claims,
}

impl Idempotency {
    /// Makes one, and what writes for it: [`Keeper::run`] must run as long as it is used.
    pub fn new(db: Db, clock: Arc<dyn Clock>, options: Options) -> (Self, Keeper) {
        let (claims, keeper) = keeper::new(db, clock, options.stored_bytes_max);
        (Self { registry: Arc::new(Registry::new(options.bounds)), claims }, keeper)
    }

    /// How many keyed calls are running.
    pub fn running(&self) -> usize {
        self.registry.len()
    }
}

/// An authenticated call with an `Idempotency-Key`, its body unread.
pub struct Keyed<'a> {
    /// What is asked.
    pub called: &'a Called,
    /// Who asks.
    pub principal: &'a Principal,
    /// The head.
    pub headers: &'a HeaderMap,
    /// The request's id.
    pub id: RequestId,
    /// When it arrived.
    pub at: Timestamp,
}

impl Keyed<'_> {
    fn open(&self, gateway: &Gateway) -> Entry {
        Entry::open(gateway.recorder.clone(), self.id, self.principal, self.called.operation, self.at)
    }

    /// Says no, and writes it down.
    fn refuse(&self, mut entry: Entry, refusal: &Refusal) -> Response<Body> {
        entry.fail(refusal.status(), refusal);
        refusal_response(self.called.operation, self.id, refusal)
    }
}

/// Serves a call under a key: makes it, follows the one that runs, or gives the answer that is kept.
pub async fn serve(
    gateway: &Arc<Gateway>,
    idempotency: &Idempotency,
    call: Keyed<'_>,
    slot: Slot,
    (body, share): (Incoming, Option<Share>),
) -> Response<Body> {
    let mut entry = call.open(gateway);
    entry.take_slot(slot);
    let key = match key(&call) {
        Ok(key) => key,
        Err(refusal) => return call.refuse(entry, &refusal),
    };
    // A caller who leaves before all of the body is here has called, and nothing came of it.
    entry.end(499, Outcome::ClientGone);
    let read = match body::read(gateway, body, share).await {
        Ok(body) => fingerprint(&call, body).await,
        Err(refusal) => Err(refusal),
    };
    let (body, fingerprint) = match read {
        Ok(read) => read,
        Err(refusal) => return call.refuse(entry, &refusal),
    };
    let claim = Claim { key, fingerprint, request: call.id, org: call.principal.org, at: call.at };
    match idempotency.registry.enter(&claim) {
        Entrance::First(running) => {
            let (answer, answered) = oneshot::channel();
            let first = Box::new(First {
                gateway: gateway.clone(),
                claims: idempotency.claims.clone(),
                running,
                claim,
                called: call.called.clone(),
                account: call.principal.account.clone(),
                headers: call.headers.clone(),
                body,
                answer: Some(answer),
            });
            gateway.tasks.spawn(first.run(entry));
            // The task panicked: the entry has been recorded as such.
            let internal = || refusal_response(call.called.operation, call.id, &Refusal::Internal);
            answered.await.unwrap_or_else(|_| internal())
        }
        Entrance::Running(progress) => {
            // The call is on record already, once, and its body is where it is needed. Who follows needs no slot.
            entry.discard();
            drop(body);
            match follow::follow(gateway, protocol_of(call.called.operation), progress).await {
                Ok(answer) => answer,
                Err(refusal) => call.refuse(call.open(gateway), &refusal),
            }
        }
        Entrance::Other(first) => call.refuse(entry, &Refusal::IdempotencyKeyReused(first)),
    }
}

fn key(call: &Keyed<'_>) -> Result<IdempotencyKey, Refusal> {
    let refuse = |message: String| Refusal::invalid_param("Idempotency-Key", message);
    let mut values = call.headers.get_all(IDEMPOTENCY_KEY).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => {
            IdempotencyKey::new(call.principal.key, call.called.operation, value.as_bytes())
                .map_err(|error| refuse(error.to_string()))
        }
        _ => Err(refuse("`Idempotency-Key` may be sent only once".to_owned())),
    }
}

/// The digest of what is asked, beside the body it was made of.
async fn fingerprint(call: &Keyed<'_>, body: Held) -> Result<(Held, Fingerprint), Refusal> {
    let of = |called: &Called, headers: &HeaderMap, body: &Bytes| {
        let [version, beta, openai_beta] =
            ASKING_HEADERS.map(|name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes));
        // Calls whose address says nothing are digested as they always were.
        match called.model {
            Some(_) => {
                let [model, stream] = called.asked();
                Fingerprint::of(&[version, beta, openai_beta, model, stream, body])
            }
            None => Fingerprint::of(&[version, beta, openai_beta, body]),
        }
    };
    if body.bytes.len() <= BODY_BYTES_INLINE {
        let fingerprint = of(call.called, call.headers, &body.bytes);
        return Ok((body, fingerprint));
    }
    let (called, headers) = (call.called.clone(), call.headers.clone());
    let work = tokio::task::spawn_blocking(move || {
        let fingerprint = of(&called, &headers, &body.bytes);
        (body, fingerprint)
    });
    // The only fault of such a thread is a panic, which has been logged.
    work.await.map_err(|_| Refusal::Internal)
}

fn refusal_response(operation: Operation, id: RequestId, refusal: &Refusal) -> Response<Body> {
    let mut response = reply::refusal(protocol_of(operation), id, refusal);
    if response.status() == http::StatusCode::CONFLICT {
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}
