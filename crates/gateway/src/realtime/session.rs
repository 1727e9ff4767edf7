//! The task of a session: relays until one side ends it or something runs out.
//!
//! It is never aborted, only asked to stop. Whatever happens, the entry it owns writes exactly one record.

use super::farewell::End;
use super::pace::Pace;
use super::side::{Ear, Heard, Mouth, Side};
use super::spending::{Edit, Spending};
use super::{Bounds, Place};
use crate::inference::admit;
use crate::inference::call::{TICK, failures};
use crate::providers::Target;
use crate::rates::Standing;
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::{Gateway, auth};
use domain::{Account, AttemptId, KeyHash, Money, Timestamp};
use llm::realtime::{self, CallerEvent, ErrorEvent, ProviderEvent, Unreadable};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::journal::{Record, record::Checkpoint};
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::{Bytes as Payload, Utf8Bytes};

/// Both sides are asked whether they are there: a host that has vanished is noticed by what it does not acknowledge.
const PING: Duration = Duration::from_secs(30);

/// A session that runs.
pub struct Session {
    /// The shared state.
    pub gateway: Arc<Gateway>,
    /// What is written down of it, and held for it.
    pub entry: Entry,
    /// Who is asked.
    pub target: Target,
    /// What it costs, and may cost.
    pub spending: Spending,
    /// Its one attempt.
    pub attempt: Attempt,
    /// How fast its caller's sound is taken.
    pub pace: Pace,
    /// Whose limits apply.
    pub account: Arc<Account>,
    /// The key that was shown.
    pub key: KeyHash,
    /// How far the caller's rate limits are used up.
    pub standing: Option<Standing>,
    /// How long it may be, and its messages.
    pub bounds: Bounds,
    /// Its place among the sessions.
    pub _place: Place,
}

/// One try of one target.
pub struct Attempt {
    /// Its name in the journal.
    pub id: AttemptId,
    /// When it started.
    pub started: Instant,
    /// The same on the clock.
    pub started_at: Timestamp,
    /// The provider's HTTP status; zero while none has come.
    pub status: u16,
    /// When the first piece of an answer came.
    pub first_token: Option<Instant>,
    /// What the journal knows: the amount held, tokens of the answers.
    pub noted: (Money, u64),
}

impl Session {
    /// Relays until something ends it.
    pub async fn run(mut self, mut caller: Side, mut provider: Side) {
        let end = self.relay(&mut caller, &mut provider).await;
        self.part(Some(caller), provider, end).await;
    }

    async fn relay(&mut self, caller: &mut Side, provider: &mut Side) -> End {
        let began = Instant::now();
        let (mut heard, mut pinged) = (began, began);
        let mut look = began + TICK;
        loop {
            // Who does not take what it is told is not listened to either: nothing piles up, and nothing is begun whose
            // end could not be seen.
            let pause = self.pace.pause(Instant::now());
            let (hears_caller, hears_provider) = (
                caller.mouth.is_free() && provider.mouth.is_free() && pause.is_none(),
                caller.mouth.is_free(),
            );
            let (tells_caller, tells_provider) = (!caller.mouth.is_free(), !provider.mouth.is_free());
            let end = tokio::select! {
                told = caller.mouth.speak(), if tells_caller => told.err().map(|_| End::CallerGone),
                told = provider.mouth.speak(), if tells_provider => told.err().map(|_| End::ProviderGone),
                said = caller.ear.hear(), if hears_caller => {
                    heard = if said.is_event() { Instant::now() } else { heard };
                    self.on_caller(said, &mut caller.mouth, &mut provider.mouth)
                }
                said = provider.ear.hear(), if hears_provider => {
                    heard = if said.is_event() { Instant::now() } else { heard };
                    self.on_provider(said, &mut caller.mouth)
                }
                () = sleep_until(pause.unwrap_or(look).into()), if pause.is_some() => None,
                () = sleep_until(look.into()) => {
                    look = Instant::now() + TICK;
                    if pinged.elapsed() >= PING && caller.mouth.is_free() && provider.mouth.is_free() {
                        pinged = Instant::now();
                        caller.mouth.tell(Message::Ping(Payload::new()));
                        provider.mouth.tell(Message::Ping(Payload::new()));
                    }
                    self.run_out(began, heard, &caller.mouth, &provider.mouth)
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// What has run out, if anything has.
    fn run_out(&mut self, began: Instant, heard: Instant, caller: &Mouth, provider: &Mouth) -> Option<End> {
        let stall = self.gateway.limits.write_stall;
        let is_stuck = |mouth: &Mouth| mouth.busy_since().is_some_and(|since| since.elapsed() >= stall);
        if self.gateway.tasks.is_over() {
            Some(End::Stopped(Refusal::ShuttingDown))
        } else if let Err(refusal) = self.look_again() {
            Some(End::Stopped(refusal))
        } else if began.elapsed() >= self.bounds.length {
            Some(End::Stopped(Refusal::SessionOver("the session has lasted as long as one may")))
        } else if heard.elapsed() >= self.bounds.idle {
            Some(End::Stopped(Refusal::SessionOver(
                "nothing was said for as long as a session may be silent",
            )))
        } else if is_stuck(caller) {
            Some(End::CallerGone)
        } else if is_stuck(provider) {
            Some(End::ProviderGone)
        } else {
            None
        }
    }

    /// Takes the key and its limits as they are now: one that may call no more ends its sessions.
    fn look_again(&mut self) -> Result<(), Refusal> {
        let now = self.gateway.clock.now();
        let account = auth::authenticate_hash(&self.gateway.snapshot.load(), &self.key, now)?.account;
        if !Arc::ptr_eq(&account, &self.account) {
            self.account = account;
            self.spending.set_limited(super::is_limited(&self.account))?;
        }
        Ok(())
    }

    /// Relays what a caller says, once it is paid for.
    fn on_caller(&mut self, said: Heard, caller: &mut Mouth, provider: &mut Mouth) -> Option<End> {
        let text = match said {
            Heard::Message(Message::Text(text)) => text,
            Heard::Message(Message::Binary(_)) => {
                let refusal = Refusal::invalid("events are JSON in text messages");
                caller.tell(self.error(&refusal, None));
                return None;
            }
            Heard::Message(Message::Close(frame)) => return Some(End::CallerClosed(frame)),
            // Answered already, on this side alone.
            Heard::Message(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => return None,
            Heard::TooLong => {
                return Some(End::Stopped(Refusal::MessageTooLarge(self.bounds.message_bytes_max)));
            }
            Heard::Gone => return Some(End::CallerGone),
        };
        let event = realtime::read_caller(&text);
        // Sound comes often and is long: its id is of no use here.
        let sound = if let Ok(CallerEvent::Sound(bytes)) = event { Some(bytes) } else { None };
        let raw = if sound.is_some() { None } else { realtime::parse(text.clone().into()) };
        let event = match event {
            Ok(_) if raw.is_none() && sound.is_none() => Err(Unreadable::NotAnEvent),
            event => event,
        };
        let event = event.map_err(|error| Refusal::invalid(error.to_string()));
        let named = raw.as_ref().and_then(realtime::event_id);
        let new_id = || format!("event_{}", self.gateway.request_id());
        let before = self.spending.conversation();
        let edit =
            match event.and_then(|event| self.spending.hear_caller(&event, &text, new_id, named.clone())) {
                Ok(edit) => edit,
                Err(refusal) => {
                    caller.tell(self.error(&refusal, named.as_deref()));
                    return None;
                }
            };
        if let (Some(bytes), Some(rate)) = (sound, self.spending.sound_bytes_per_second()) {
            self.pace.heard(bytes, rate, Instant::now());
        }
        if let Err(refusal) = self.cover() {
            // It was not relayed: nothing comes of it.
            if let Edit::Id(ours) | Edit::IdAndModel(ours) = &edit {
                self.spending.failed(ours);
            }
            self.spending.take_back(before);
            return Some(End::Stopped(refusal));
        }
        let edited = raw.and_then(|mut raw| {
            match &edit {
                Edit::None => return None,
                Edit::Id(ours) => raw.set_string("event_id", ours),
                Edit::IdAndModel(ours) => {
                    raw.set_string("event_id", ours);
                    realtime::set_within(&mut raw, "session", "model", Some(&self.target.model_id));
                }
            }
            Utf8Bytes::try_from(raw.to_bytes()).ok()
        });
        provider.tell(Message::Text(edited.unwrap_or(text)));
        None
    }

    /// Counts what a provider says, and relays it.
    fn on_provider(&mut self, said: Heard, caller: &mut Mouth) -> Option<End> {
        let text = match said {
            Heard::Message(Message::Text(text)) => text,
            Heard::Message(Message::Binary(bytes)) => {
                caller.tell(Message::Binary(bytes));
                return None;
            }
            Heard::Message(Message::Close(Some(frame))) if frame.reason.contains(realtime::BAD_KEY) => {
                return Some(End::Stopped(self.bad_key(&[])));
            }
            Heard::Message(Message::Close(frame)) => return Some(End::ProviderClosed(frame)),
            Heard::Message(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => return None,
            Heard::TooLong => {
                let message = format!("a message is longer than {} bytes", self.bounds.message_bytes_max);
                return Some(End::Stopped(Refusal::BrokenStream(message)));
            }
            Heard::Gone => return Some(End::ProviderGone),
        };
        let counted = self.count(&text);
        match counted {
            Ok(edited) => caller.tell(Message::Text(edited.unwrap_or(text))),
            Err(refusal) => return Some(End::Stopped(refusal)),
        }
        self.cover().err().map(End::Stopped)
    }

    /// The provider refuses our own key: as callers are told when it opens no socket because of it.
    fn bad_key(&self, error: &[u8]) -> Refusal {
        failures::provider_error(&self.target, 401, error)
    }

    /// An error of the provider's as its caller is told: under the name that the caller gave the event at fault, and
    /// without our key.
    fn edit_error(&mut self, text: &Utf8Bytes, event_id: Option<&str>) -> Utf8Bytes {
        let text = Utf8Bytes::from(self.target.provider.without_key(text.to_string()));
        let Some(theirs) = event_id.and_then(|id| self.spending.failed(id)) else { return text };
        let edited = realtime::parse(text.clone().into()).and_then(|mut raw| {
            realtime::set_within(&mut raw, "error", "event_id", theirs.as_deref());
            Utf8Bytes::try_from(raw.to_bytes()).ok()
        });
        edited.unwrap_or(text)
    }

    /// Counts an event of the provider's. Gives it edited, where it is an error.
    pub fn count(&mut self, text: &Utf8Bytes) -> Result<Option<Utf8Bytes>, Refusal> {
        match realtime::read_provider(text) {
            ProviderEvent::Session { is_new, id, now } => {
                if is_new {
                    self.entry.note(|record| record.response_id = id);
                }
                self.spending.configured(&now, is_new, text.len() as u64)?;
            }
            ProviderEvent::Started(id) => self.spending.started(id)?,
            ProviderEvent::Done { id, has_failed, usage } => self.spending.done(&id, usage, has_failed),
            ProviderEvent::Committed => self.spending.committed(),
            ProviderEvent::Transcribed(usage) => self.spending.transcribed(usage, false),
            ProviderEvent::NotTranscribed => self.spending.transcribed(None, true),
            ProviderEvent::Error { is_of_credential: true, .. } => return Err(self.bad_key(text.as_bytes())),
            ProviderEvent::Error { event_id, is_of_credential: false } => {
                if event_id.is_none() {
                    self.spending.doubt();
                }
                return Ok(Some(self.edit_error(text, event_id.as_deref())));
            }
            ProviderEvent::Content => {
                self.attempt.first_token.get_or_insert_with(Instant::now);
            }
            ProviderEvent::Other => {}
        }
        Ok(None)
    }

    /// Sees to it that all is held that may have to be paid before the session can be ended.
    fn cover(&mut self) -> Result<(), Refusal> {
        let (needed, held) = (self.spending.needed(), self.entry.held());
        let Some(hold) = self.entry.hold.as_mut().filter(|_| needed > held) else { return Ok(()) };
        let missing = Money::from_nano(needed.nano().saturating_sub(held.nano()));
        if hold.extend(&self.account, missing.saturating_add(self.spending.slack())).is_err() {
            hold.extend(&self.account, missing).map_err(|over| admit::refuse(&over))?;
        }
        let noted = (hold.amount(), self.spending.output_tokens());
        if self.attempt.noted != noted {
            self.attempt.noted = noted;
            let (held, output_tokens) = noted;
            let checkpoint = Checkpoint { attempt: self.attempt.id, held, output_tokens };
            self.entry.journal().record(&Record::Checkpoint(&checkpoint));
        }
        Ok(())
    }

    /// What the caller is told of a failure, because of its event of this id.
    pub fn error(&self, refusal: &Refusal, event_id: Option<&str>) -> Message {
        let id = format!("event_{}", self.entry.id);
        let message = refusal.to_string();
        let (status, code, param) = (refusal.status(), refusal.code(), refusal.param());
        Message::text(realtime::error(&ErrorEvent {
            id: &id,
            status,
            code,
            message: &message,
            param,
            event_id,
        }))
    }
}

/// What of a side is heard, to its end: what is said is let go.
pub async fn drain(ear: &mut Ear) {
    while let Heard::Message(_) = ear.hear().await {}
}
