//! Realtime sessions: a WebSocket of a caller's, relayed to one at a provider, and metered on the way.
//!
//! [`serve`] does what is done before any call: who calls, whether there is room, what it may cost. The provider's
//! socket is opened before the caller's ([`opening`]), so that every refusal is an ordinary answer. [`session`] owns both in
//! a task of its own; [`spending`] decides what must be held. See ADR 0016.

mod farewell;
mod handshake;
mod opening;
mod pace;
mod session;
mod side;
mod spending;
mod transcripts;

use crate::inference::ask;
use crate::inference::{admit, intake, reply};
use crate::providers::Target;
use crate::rates::{Admission, Standing};
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::shed::{Shed, Slot};
use crate::{Gateway, auth};
use axum::body::Body;
use domain::record::{Operation, Outcome};
use domain::{Account, Enforcement, KeyHash, KeyId, Principal, Timestamp};
use handshake::Asked;
use http::{Method, Response, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use llm::Protocol;
use spending::Spending;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where sessions are opened.
pub const PATH: &str = "/v1/realtime";

/// Bounds of sessions.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest message of either side, in bytes.
    pub message_bytes_max: usize,
    /// Silence of both sides.
    pub idle: Duration,
    /// From the beginning of a session to its end.
    pub length: Duration,
}

type Running = Arc<Mutex<HashMap<KeyId, usize>>>;

/// How many sessions run at once: of one key a quarter of them at the most.
#[derive(Debug)]
pub struct Sessions {
    running: Running,
    max: usize,
}

/// The right of one session to run; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    running: Running,
    key: KeyId,
}

impl Sessions {
    /// At most so many.
    pub fn new(max: usize) -> Self {
        Self { running: Arc::default(), max }
    }

    /// A place for a key, where one is free for it.
    fn enter(&self, key: KeyId) -> Option<Place> {
        let mut running = lock(&self.running);
        let own = running.get(&key).copied().unwrap_or(0);
        if own >= self.max.div_ceil(4) || running.values().sum::<usize>() >= self.max {
            return None;
        }
        running.insert(key, own + 1);
        drop(running);
        Some(Place { running: self.running.clone(), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = lock(&self.running);
        match running.get(&self.key).copied().unwrap_or(0) {
            0 | 1 => running.remove(&self.key),
            own => running.insert(self.key, own - 1),
        };
    }
}

/// Numbers are whole also where a thread panicked that held them.
fn lock(running: &Running) -> MutexGuard<'_, HashMap<KeyId, usize>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that may be opened.
struct Admitted {
    asked: Asked,
    target: Target,
    account: Arc<Account>,
    key: KeyHash,
    spending: Spending,
    warnings: Vec<String>,
    standing: Option<Standing>,
    on_upgrade: OnUpgrade,
    place: Place,
}

/// Opens a session, or says why not.
pub async fn serve(gateway: &Arc<Gateway>, mut request: http::Request<Incoming>) -> Response<Body> {
    let id = gateway.request_id();
    let refuse = |refusal: Refusal| reply::refusal(Protocol::OpenAiChat, id, &refusal);
    let now = gateway.clock.now();
    let (principal, place, slot) = match enter(gateway, &request, now).await {
        Ok(entered) => entered,
        Err(refusal) => return refuse(refusal),
    };
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (head, _) = request.into_parts();
    let key = KeyHash::of(handshake::key(&head.headers).unwrap_or_default());
    let mut entry = Entry::open(gateway.recorder.clone(), id, &principal, Operation::Realtime, now);
    entry.take_slot(slot);
    // Until the session's task takes over, a vanished caller drops this future: the record then says so.
    entry.end(499, Outcome::ClientGone);
    match admit(gateway, &principal.account, &head, &mut entry) {
        Ok((asked, target, spending, warnings)) => {
            let standing = entry.admission.as_ref().map(Admission::standing);
            let account = principal.account;
            let admitted =
                Admitted { asked, target, account, key, spending, warnings, standing, on_upgrade, place };
            opening::start(gateway, admitted, entry).await
        }
        Err(refusal) => {
            entry.fail(refusal.status(), &refusal);
            refuse(refusal)
        }
    }
}

/// Who calls, and whether there is room. Strangers are refused before they can occupy anything.
async fn enter<B>(
    gateway: &Gateway,
    request: &http::Request<B>,
    now: Timestamp,
) -> Result<(Principal, Place, Slot), Refusal> {
    if request.method() != Method::GET {
        return Err(Refusal::MethodNotAllowed(request.method().to_string()));
    }
    let shown = handshake::key(request.headers());
    let principal = auth::authenticate_key(&gateway.snapshot.load(), shown, now)?;
    gateway.check_open()?;
    let place = gateway.sessions.enter(principal.key).ok_or_else(|| gateway.shed())?;
    let slot = gateway.gate.enter(principal.key).await.map_err(|Shed| gateway.shed())?;
    Ok((principal, place, slot))
}

/// May it be opened: the order of the lines is the order of enforcement.
fn admit(
    gateway: &Gateway,
    account: &Arc<Account>,
    head: &request::Parts,
    entry: &mut Entry,
) -> Result<(Asked, Target, Spending, Vec<String>), Refusal> {
    let mut metadata = None;
    let told = intake::read_headers(&head.headers, &mut metadata);
    entry.note(|record| {
        record.is_stream = true;
        record.metadata = metadata;
    });
    told?;
    let asked = handshake::read(head)?;
    let model = model(head.uri.query().unwrap_or_default())?;
    entry.note(|record| record.model_requested = model.as_str().into());
    let ask = ask(Operation::Realtime, false);
    let target = gateway.providers.load().target(&model, ask)?.for_account(account);
    if !account.rates.is_empty() {
        // How much will be said nobody knows yet; it is counted at the end.
        entry.admission = Some(gateway.rates.admit(&account.rates, 1, Instant::now())?);
    }
    let spending = Spending::new(&target, &model, is_limited(account))?.for_account(account.clone());
    let at = entry.record().map_or_else(|| gateway.clock.now(), |record| record.at);
    let (hold, mut warnings) =
        admit::reserve(gateway, account, spending.least(), at).map_err(|over| admit::refuse(&over))?;
    // The ledger counts a call where it was admitted, also when the clock has stepped back before that day.
    let day = hold.day();
    entry.note(|record| record.at = record.at.max(day));
    entry.hold = Some(hold);
    let lifecycle = target.model.as_ref().and_then(|model| model.lifecycle.notice(at));
    warnings.extend(lifecycle.map(|notice| format!("model: {notice}")));
    Ok((asked, target, spending, warnings))
}

/// Whether a hard limit applies.
fn is_limited(account: &Account) -> bool {
    account.limits.iter().any(|limit| limit.enforcement == Enforcement::Hard)
}

/// The model that a query names.
fn model(query: &str) -> Result<String, Refusal> {
    let mut named = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "model" if named.is_none() => named = Some(value.into_owned()),
            "model" => return Err(Refusal::invalid_param("model", "the address names the model twice")),
            "intent" if value != "realtime" => {
                let message = "sessions that only write speech down are not served here";
                return Err(Refusal::invalid_param("intent", message));
            }
            "call_id" => {
                return Err(Refusal::invalid_param(
                    "call_id",
                    "calls that run elsewhere cannot be joined here",
                ));
            }
            _ => {}
        }
    }
    let message = "the address must name the model: `/v1/realtime?model=provider/model`";
    let named = named.filter(|model| !model.is_empty());
    intake::bounded_model(named.ok_or_else(|| Refusal::invalid_param("model", message))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_the_model_once_and_asks_for_nothing_else() {
        assert_eq!(model("model=openai%2Fgpt-realtime").unwrap(), "openai/gpt-realtime");
        assert_eq!(model("x=1&intent=realtime&model=openai/gpt-realtime").unwrap(), "openai/gpt-realtime");
        for query in ["", "model=", "model=a/b&model=a/c", "model=a/b&intent=transcription", "call_id=c"] {
            assert!(model(query).is_err(), "{query}");
        }
        assert!(model(&format!("model={}", "m".repeat(512))).is_ok());
        assert!(model(&format!("model={}", "m".repeat(513))).is_err());
    }

    #[test]
    fn a_place_is_free_again_when_its_session_has_ended() {
        let key = |number: u8| KeyId::from_bytes([number; 16]);
        let sessions = Sessions::new(1);
        let place = sessions.enter(key(1));
        assert!(place.is_some() && sessions.enter(key(2)).is_none());
        drop(place);
        assert!(sessions.enter(key(2)).is_some());
    }

    #[test]
    fn one_key_has_a_quarter_of_the_places() {
        let key = |number: u8| KeyId::from_bytes([number; 16]);
        let sessions = Sessions::new(8);
        let mut places: Vec<Place> = (0..2).filter_map(|_| sessions.enter(key(1))).collect();
        assert!(places.len() == 2 && sessions.enter(key(1)).is_none());
        places.extend(
            (2..5).flat_map(|number| [sessions.enter(key(number)), sessions.enter(key(number))]).flatten(),
        );
        assert!(places.len() == 8 && sessions.enter(key(9)).is_none());
        places.truncate(1);
        assert!(sessions.enter(key(1)).is_some(), "one of its two is free again");
    }
}
