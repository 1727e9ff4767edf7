//! How a session ends: answers that are under way are stopped, so that their provider says what they cost; both sides
//! are told, and everything is written down.

use super::session::{Session, drain};
use super::side::{Heard, Mouth, Side};
use crate::record::micros;
use crate::refusal::Refusal;
use domain::record::Outcome;
use domain::{AttemptRecord, Money, Usage, UsageSource};
use llm::realtime;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

/// To tell one side something at the end. All of a farewell is done in less time than a process that ends waits for it.
const TELL: Duration = Duration::from_millis(300);
/// For the provider to say what stopped answers have cost, and for the caller to close its side.
const LISTEN: Duration = Duration::from_millis(2_000);
/// Of a reason, in a frame that closes (RFC 6455, 5.5).
const REASON_BYTES_MAX: usize = 123;

/// Why a session ends.
#[derive(Debug)]
pub enum End {
    /// The caller has closed it.
    CallerClosed(Option<CloseFrame>),
    /// The caller has left without a word.
    CallerGone,
    /// The provider has closed it.
    ProviderClosed(Option<CloseFrame>),
    /// The provider has left without a word.
    ProviderGone,
    /// We end it.
    Stopped(Refusal),
}

impl End {
    /// The failure that it is, if it is one.
    fn failure(&self) -> Option<Refusal> {
        match self {
            End::Stopped(refusal) => Some(refusal.clone()),
            End::ProviderGone => Some(Refusal::BrokenStream("the connection is gone".to_owned())),
            End::ProviderClosed(Some(frame)) if !is_ordinary(frame.code) => {
                Some(Refusal::BrokenStream(format!("it was closed with the code {}", u16::from(frame.code))))
            }
            End::ProviderClosed(_) | End::CallerClosed(_) | End::CallerGone => None,
        }
    }
}

fn is_ordinary(code: CloseCode) -> bool {
    matches!(code, CloseCode::Normal | CloseCode::Away | CloseCode::Status)
}

/// A frame with a code that may be sent; others only stand for what was not.
fn sendable(frame: Option<CloseFrame>) -> Option<CloseFrame> {
    frame.filter(|frame| frame.code.is_allowed())
}

/// How a failure closes the caller's socket.
fn code_of(refusal: &Refusal) -> CloseCode {
    match refusal.status() {
        401..=403 | 412 => CloseCode::Policy,
        413 => CloseCode::Size,
        408 => CloseCode::Normal,
        _ if matches!(refusal, Refusal::ShuttingDown) => CloseCode::Away,
        _ => CloseCode::Error,
    }
}

async fn say(mouth: &mut Mouth, message: Message) {
    // Whoever does not take it has left, or will hear of the end by the connection's.
    let _ = timeout(TELL, mouth.say(message)).await;
}

/// Tells the caller its last words, and sees its side closed.
async fn tell_caller(mut caller: Side, last_words: Vec<Message>) {
    let must_listen = !last_words.is_empty();
    // A close of the caller's is answered by the socket itself.
    let _ = timeout(TELL, caller.mouth.speak()).await;
    for message in last_words {
        say(&mut caller.mouth, message).await;
    }
    if must_listen {
        // A connection that is closed while something of the other side's is unread takes back what was written last.
        let _ = timeout(LISTEN, drain(&mut caller.ear)).await;
    }
}

impl Session {
    /// Ends the session on both sides and writes it down.
    pub async fn part(mut self, caller: Option<Side>, mut provider: Side, end: End) {
        let is_heard = !matches!(end, End::ProviderClosed(_) | End::ProviderGone);
        if is_heard {
            self.cancel(&mut provider.mouth).await;
        }
        let last_words = self.last_words(&end);
        let telling = async {
            if let Some(caller) = caller {
                tell_caller(caller, last_words).await;
            }
        };
        let listening = async {
            if is_heard {
                let _ = timeout(LISTEN, self.listen(&mut provider)).await;
            }
        };
        tokio::join!(telling, listening);
        let frame = match &end {
            End::CallerClosed(frame) => sendable(frame.clone()),
            End::CallerGone | End::ProviderClosed(_) | End::ProviderGone | End::Stopped(_) => {
                Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() })
            }
        };
        say(&mut provider.mouth, Message::Close(frame)).await;
        self.conclude(end);
    }

    /// Stops the answers that are under way.
    async fn cancel(&mut self, provider: &mut Mouth) {
        let ids: Vec<String> = self.spending.running().map(str::to_owned).collect();
        let saying = async {
            for id in &ids {
                provider.say(Message::text(realtime::cancel(id))).await?;
            }
            Ok::<(), super::side::Gone>(())
        };
        let _ = timeout(TELL, saying).await;
    }

    /// Hears what is under way to its end.
    async fn listen(&mut self, provider: &mut Side) {
        while !self.spending.is_idle() {
            let before = self.spending.running().count();
            let Heard::Message(message) = provider.ear.hear().await else { return };
            let Message::Text(text) = message else { continue };
            if self.count(&text).is_err() {
                return;
            }
            // What begins only now is stopped too, also what was asked for.
            if self.spending.running().count() > before {
                self.cancel(&mut provider.mouth).await;
            }
        }
    }

    /// What the caller is told: why, and that it is over. Nothing, where it knows or is not there.
    fn last_words(&self, end: &End) -> Vec<Message> {
        let failure = end.failure();
        let frame = match end {
            End::CallerGone | End::CallerClosed(_) => return Vec::new(),
            End::ProviderClosed(frame) => sendable(frame.clone()).map(|frame| self.without_key(frame)),
            End::ProviderGone | End::Stopped(_) => None,
        };
        let ours = || {
            let code = failure.as_ref().map_or(CloseCode::Normal, code_of);
            let reason = failure.as_ref().map_or("", Refusal::own_code);
            CloseFrame { code, reason: reason.into() }
        };
        let close = Message::Close(Some(frame.unwrap_or_else(ours)));
        let error = failure.as_ref().map(|refusal| self.error(refusal, None));
        error.into_iter().chain([close]).collect()
    }

    /// A frame of the provider's, as its caller gets it.
    fn without_key(&self, CloseFrame { code, reason }: CloseFrame) -> CloseFrame {
        let reason = self.target.provider.without_key(reason.to_string());
        let fits = reason.len() <= REASON_BYTES_MAX;
        CloseFrame { code, reason: if fits { reason.into() } else { Utf8Bytes::default() } }
    }

    /// Writes down what the session was and cost.
    pub fn conclude(&mut self, end: End) {
        let failure = end.failure();
        let outcome = match (&end, &failure) {
            (End::CallerGone, _) => Outcome::ClientGone,
            (_, Some(refusal)) => refusal.outcome(),
            (_, None) => Outcome::Success,
        };
        let since = |from: Instant| self.attempt.first_token.map_or(0, |first| micros(first - from));
        let first_token_us = since(self.entry.started);
        let has_begun = self.attempt.status == 101;
        let record = AttemptRecord {
            provider: self.target.provider.label.clone(),
            model: self.target.model_id.clone(),
            is_byok: false,
            status: self.attempt.status,
            outcome,
            error: failure.as_ref().map(ToString::to_string).unwrap_or_default(),
            started_at: self.attempt.started_at,
            duration_us: micros(self.attempt.started.elapsed()),
            first_token_us: since(self.attempt.started),
            usage: Usage::ZERO,
            usage_source: UsageSource::None,
            cost: Money::ZERO,
            held: if has_begun { self.entry.held() } else { Money::ZERO },
            is_unpriced: false,
        };
        let records = self.spending.take_records(record);
        self.entry.intended = None;
        self.entry.note(|request| {
            request.first_token_us = first_token_us;
            request.attempts = records;
        });
        match failure {
            Some(refusal) => self.entry.fail(101, &refusal),
            None => self.entry.end(if has_begun { 101 } else { 499 }, outcome),
        }
    }
}
