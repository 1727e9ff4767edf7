//! Opening a session: the provider's socket first, so that its refusal is an ordinary answer, then the caller's.

use super::farewell::End;
use super::pace::Pace;
use super::session::{Attempt, Session};
use super::side::Side;
use super::{Admitted, handshake};
use crate::Gateway;
use crate::inference::call::{self, CLIENT_REQUEST_ID, ERROR_BYTES_MAX, TICK, failures};
use crate::inference::reply;
use crate::providers::Target;
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::upstream::{Collected, UpstreamError, socket::Opened};
use axum::body::Body;
use bytes::Bytes;
use domain::AttemptId;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use hyper::upgrade::Upgraded;
use llm::Protocol;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::journal::Position;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Role;

/// For a caller to be behind its connection, once it has our consent.
const CONSENT_WAIT: Duration = Duration::from_secs(3);
/// For a provider to say whether it opens a socket.
const OPEN_WAIT: Duration = Duration::from_secs(30);
const BETA: HeaderName = HeaderName::from_static("openai-beta");

type Reply = oneshot::Sender<Response<Body>>;

/// Why there is no socket: the provider's status, where it gave one, and what the caller is told.
struct NotOpened {
    status: u16,
    refusal: Refusal,
    headers: Option<Box<HeaderMap>>,
}

impl From<Refusal> for NotOpened {
    fn from(refusal: Refusal) -> Self {
        Self { status: 0, refusal, headers: None }
    }
}

/// Hands the session to a task of its own and waits for what its caller is answered.
pub async fn start(gateway: &Arc<Gateway>, admitted: Admitted, entry: Entry) -> Response<Body> {
    let id = entry.id;
    let (reply, answer) = oneshot::channel();
    let Admitted { asked, target, account, key, spending, warnings, standing, on_upgrade, place } = admitted;
    let attempt = Attempt {
        id: AttemptId { request: id, number: 1 },
        started: Instant::now(),
        started_at: gateway.clock.now(),
        status: 0,
        first_token: None,
        noted: (entry.held(), 0),
    };
    let (gateway, bounds) = (gateway.clone(), gateway.limits.realtime);
    let tasks = gateway.tasks.clone();
    let mut session = Session {
        gateway,
        entry,
        target,
        spending,
        attempt,
        account,
        key,
        standing,
        bounds,
        pace: Pace::new(Instant::now()),
        _place: place,
    };
    session.entry.note(|record| record.warnings = warnings);
    tasks.spawn(async move {
        let Some((upgraded, reply)) = session.open(reply, asked.beta.as_ref()).await else { return };
        let consent = session.with_head(None, |head| reply::with_head(head, handshake::consent(&asked)));
        let caller = match reply.send(consent) {
            Ok(()) => timeout(CONSENT_WAIT, on_upgrade).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        let longest = session.bounds.message_bytes_max;
        let provider = Side::new(upgraded, Role::Client, longest).await;
        match caller {
            Some(caller) => session.run(Side::new(caller, Role::Server, longest).await, provider).await,
            None => session.part(None, provider, End::CallerGone).await,
        }
    });
    match answer.await {
        Ok(response) => response,
        // The task panicked; its entry has been recorded as such.
        Err(_) => reply::refusal(Protocol::OpenAiChat, id, &Refusal::Internal),
    }
}

impl Session {
    /// Writes down what is about to be done, and opens the provider's socket. `None`: there is none, and the caller
    /// knows why.
    async fn open(&mut self, mut reply: Reply, beta: Option<&HeaderValue>) -> Option<(Upgraded, Reply)> {
        let written = self.entry.intend(self.attempt.id, &self.target, true, self.spending.is_unpriced());
        let position = match written.map_err(call::not_written) {
            Ok(position) => position,
            Err(refusal) => {
                self.entry.fail(refusal.status(), &refusal);
                let _ = reply.send(reply::refusal(Protocol::OpenAiChat, self.entry.id, &refusal));
                return None;
            }
        };
        let opened = tokio::select! {
            biased;
            opened = timeout(OPEN_WAIT, self.dial(position, beta)) => opened.unwrap_or_else(|_| {
                Err(NotOpened::from(Refusal::Timeout("no socket")))
            }),
            () = reply.closed() => {
                self.conclude(End::CallerGone);
                return None;
            }
            () = self.is_over() => Err(NotOpened::from(Refusal::ShuttingDown)),
        };
        match opened {
            Ok(upgraded) => {
                self.attempt.status = 101;
                Some((upgraded, reply))
            }
            Err(NotOpened { status, refusal, headers }) => {
                self.attempt.status = status;
                self.conclude(End::Stopped(refusal.clone()));
                self.entry.fail(refusal.status(), &refusal);
                self.with_head(headers.as_deref(), |head| {
                    // The caller may have gone at this very moment; the record stands all the same.
                    let _ = reply.send(reply::failure(Protocol::OpenAiChat, head, &refusal));
                });
                None
            }
        }
    }

    /// Resolves when the process must end.
    async fn is_over(&self) {
        while !self.gateway.tasks.is_over() {
            sleep(TICK).await;
        }
    }

    /// Asks for the provider's socket, once the disk has what was written down.
    async fn dial(&self, position: Position, beta: Option<&HeaderValue>) -> Result<Upgraded, NotOpened> {
        self.entry.journal().settled(position).await.map_err(call::not_written)?;
        let mut answer = match self.ask(beta).await? {
            Opened::Open(upgraded) => return Ok(upgraded),
            Opened::Refused(answer) => answer,
        };
        let status = answer.status.as_u16();
        let body = match answer.collect(ERROR_BYTES_MAX).await {
            Ok(Collected::Whole(body)) => body,
            Ok(Collected::TooLong) | Err(_) => Bytes::new(),
        };
        let refusal = match status {
            400.. => failures::provider_error(&self.target, status, &body),
            _ => Refusal::InvalidResponse("the provider opened no WebSocket".to_owned()),
        };
        Err(NotOpened { status, refusal, headers: Some(Box::new(answer.headers)) })
    }

    async fn ask(&self, beta: Option<&HeaderValue>) -> Result<Opened, Refusal> {
        let Target { provider, endpoint, model_id, .. } = &self.target;
        let mut own: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(2);
        own.extend(HeaderValue::try_from(self.attempt.id.to_string()).ok().map(|id| (CLIENT_REQUEST_ID, id)));
        own.extend(beta.map(|beta| (BETA, beta.clone())));
        let headers = provider.headers(false, &own);
        let model: String = form_urlencoded::byte_serialize(model_id.as_bytes()).collect();
        let uri: Uri = format!("{}?model={model}", endpoint.uri).parse().map_err(|_| Refusal::Internal)?;
        let Gateway { upstream, clock, .. } = &*self.gateway;
        let mut opened = upstream.open_socket(&self.target, uri.clone(), headers.clone(), &**clock).await;
        if let Err(UpstreamError::Connect) = opened {
            // Nothing was sent.
            opened = upstream.open_socket(&self.target, uri, headers, &**clock).await;
        }
        opened.map_err(|error| failures::no_answer(&self.target, &error))
    }

    fn with_head<T>(
        &self,
        provider_headers: Option<&HeaderMap>,
        write: impl FnOnce(&reply::Head<'_>) -> T,
    ) -> T {
        write(&reply::Head {
            id: self.entry.id,
            provider: Some(&self.target.provider.header),
            warnings: self.entry.record().map_or(&[], |record| &record.warnings),
            clamped: None,
            standing: self.standing,
            provider_headers,
        })
    }
}
