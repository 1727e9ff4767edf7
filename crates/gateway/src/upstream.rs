//! The way to providers: pooled connections, and the demo provider in this process.

mod payload;
mod plain;
pub mod socket;

pub use payload::{Outgoing, Payload};
pub use plain::PlainRoute;

use crate::credentials::{CredentialError, Exchange, Unsigned};
use crate::providers::{Endpoint, Target};
use bytes::Bytes;
use domain::Clock;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use llm::provider::StreamFraming;
use plain::{Plain, PlainBody};
use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Idle connections kept for each provider: more than requests are ever in flight to one, since a new
/// connection costs three times a request.
const POOL_IDLE_MAX: usize = 1_024;
const POOL_IDLE: Duration = Duration::from_secs(60);
/// Longest piece of an answer read at once.
const READ_BUFFER: usize = 32 * 1024;

/// What the operating system holds of an answer that is not read: without a bound it grows to megabytes, which
/// the provider takes for delivered and bills. Enough for 2.5 MB/s over a round trip of 100 ms.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: nothing was sent, so trying again is safe.
    #[error("cannot connect")]
    Connect,
    /// There is nothing to prove that we may: nothing was sent.
    #[error("no credential: {0}")]
    NoCredential(CredentialError),
    /// The connection failed before the answer's head.
    #[error("the connection failed before an answer came")]
    NoAnswer,
    /// The connection failed within the answer.
    #[error("the connection failed in the middle of the answer")]
    Cut,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Outgoing>;

thread_local! {
    static CORE: Cell<usize> = const { Cell::new(0) };
}

/// Says that this thread is the core of this number: its calls use connections of their own.
pub fn enter_core(index: usize) {
    CORE.set(index);
}

/// The way to providers: clients for each core, since a connection is served by the runtime it was made on.
#[derive(Clone, Debug)]
pub struct Upstream {
    cores: Arc<[Core]>,
    sockets: socket::Opener,
    exchange: Exchange,
}

/// The clients of one core.
#[derive(Debug)]
struct Core {
    plain: Plain,
    any: HttpClient,
}

/// A provider's answer: its head, and its body to be read piece by piece.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Remote(Incoming),
    Plain(PlainBody),
    Demo { pieces: std::vec::IntoIter<Vec<u8>>, pause: Duration, due: Instant },
}

impl Upstream {
    /// Clients for so many cores, which give up connecting after `connect`.
    pub fn new(connect: Duration, cores: usize) -> Self {
        let cores = (0..cores.max(1)).map(|_| Core::new(connect)).collect();
        Self { cores, sockets: socket::Opener::new(tcp(connect)), exchange: Exchange::default() }
    }

    /// Sends a body to a target and waits for the head of the answer. No `async` of its own: every call pays for the size
    /// of its future.
    pub fn send<'a>(
        &'a self,
        target: &'a Target,
        headers: HeaderMap,
        body: &'a Payload,
        clock: &'a dyn Clock,
    ) -> impl Future<Output = Result<Answer, UpstreamError>> + 'a {
        self.carry(Method::POST, target, headers, body, clock)
    }

    /// Fetches what everybody may have who knows its address: no credential is shown.
    pub async fn fetch(&self, endpoint: &Endpoint, headers: HeaderMap) -> Result<Answer, UpstreamError> {
        self.exchange(endpoint, Method::GET, headers, &Bytes::new().into()).await
    }

    /// Asks a target for something by a method, without a body.
    pub async fn ask(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
        clock: &dyn Clock,
    ) -> Result<Answer, UpstreamError> {
        self.carry(method, target, headers, &Bytes::new().into(), clock).await
    }

    async fn carry(
        &self,
        method: Method,
        target: &Target,
        mut headers: HeaderMap,
        body: &Payload,
        clock: &dyn Clock,
    ) -> Result<Answer, UpstreamError> {
        if target.provider.is_demo() {
            return Ok(demo(target.endpoint.route.path, &body.to_bytes(), clock.now()));
        }
        if let Some(credential) = &target.provider.credential {
            let unsigned = Unsigned {
                method: method.clone(),
                uri: &target.endpoint.uri,
                body: body.pieces(),
                region: target.region.as_deref(),
            };
            // Kept out of this future, whose size every request pays for.
            let authorized =
                Box::pin(credential.authorize(&self.exchange, clock.now(), &unsigned, &mut headers)).await;
            authorized.map_err(UpstreamError::NoCredential)?;
        }
        self.exchange(&target.endpoint, method, headers, body).await
    }

    /// Sends a request to an endpoint and waits for the head of the answer. Redirects are not followed.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        method: Method,
        headers: HeaderMap,
        body: &Payload,
    ) -> Result<Answer, UpstreamError> {
        let core = &self.cores[CORE.get() % self.cores.len()];
        let uri = &endpoint.uri;
        let mut request = Request::new(body.outgoing());
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        if let Some(route) = &endpoint.plain {
            request.headers_mut().insert(HOST, route.host.clone());
            *request.uri_mut() = route.path.clone();
            let (head, body) = core.plain.send(route, uri, &mut Some(request)).await?;
            return Ok(Answer { status: head.status, headers: head.headers, body: Body::Plain(body) });
        }
        *request.uri_mut() = uri.clone();
        match core.any.request(request).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                Ok(Answer { status: head.status, headers: head.headers, body: Body::Remote(body) })
            }
            Err(error) => {
                tracing::debug!(%error, host = uri.host(), "no answer from the provider");
                Err(if error.is_connect() { UpstreamError::Connect } else { UpstreamError::NoAnswer })
            }
        }
    }
}

impl Core {
    /// Clients that give up connecting after `connect`.
    fn new(connect: Duration) -> Self {
        let tcp = tcp(connect);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp.clone());
        let any = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(POOL_IDLE_MAX)
            .http1_max_buf_size(READ_BUFFER)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .build(connector);
        Self { plain: Plain::new(tcp, POOL_IDLE), any }
    }
}

fn tcp(connect: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_recv_buffer_size(Some(RECEIVE_BUFFER));
    tcp.set_connect_timeout(Some(connect));
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    tcp
}

fn demo(path: &str, body: &[u8], now: domain::Timestamp) -> Answer {
    let reply = llm::provider::demo::respond(path, body, now.unix_seconds());
    let kind = if reply.is_stream { "text/event-stream" } else { "application/json" };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Answer {
        status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK),
        headers,
        body: Body::Demo { pieces: reply.pieces.into_iter(), pause: reply.pause, due: Instant::now() },
    }
}

impl Answer {
    /// Whether the body is a stream in this framing.
    pub fn is_stream(&self, framing: StreamFraming) -> bool {
        self.is_of_type(framing.media_type().as_bytes())
    }

    /// Whether the body is JSON.
    pub fn is_json(&self) -> bool {
        self.is_of_type(b"application/json")
    }

    fn is_of_type(&self, wanted: &[u8]) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let kind = kind.and_then(|kind| kind.get(..wanted.len()));
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(wanted))
    }

    /// The next piece of the body; `None` at its end. Dropping the answer before the end closes the
    /// connection, which tells the provider to stop.
    pub async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        match &mut self.body {
            Body::Remote(incoming) => loop {
                if let Some(piece) = piece(incoming.frame().await?) {
                    return Some(piece);
                }
            },
            Body::Plain(body) => loop {
                if let Some(piece) = piece(body.frame().await?) {
                    return Some(piece);
                }
            },
            Body::Demo { pieces, pause, due } => {
                // Waits first and takes then: whoever stops waiting loses nothing.
                tokio::time::sleep_until(*due).await;
                *due = Instant::now() + *pause;
                pieces.next().map(|piece| Ok(piece.into()))
            }
        }
    }

    /// The whole body, as long as it has at most `bytes_max` bytes.
    pub async fn collect(&mut self, bytes_max: usize) -> Result<Collected, UpstreamError> {
        let Some(first) = self.next().await else { return Ok(Collected::Whole(Bytes::new())) };
        let first = first?;
        if first.len() > bytes_max {
            return Ok(Collected::TooLong);
        }
        let Some(second) = self.next().await else { return Ok(Collected::Whole(first)) };
        let mut all = Vec::with_capacity(first.len() * 4);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second?);
        while all.len() <= bytes_max {
            let Some(piece) = self.next().await else { return Ok(Collected::Whole(all.into())) };
            all.extend_from_slice(&piece?);
        }
        Ok(Collected::TooLong)
    }
}

/// What a frame of a body carries for us: its bytes; trailers are nothing to us.
fn piece(frame: Result<Frame<Bytes>, hyper::Error>) -> Option<Result<Bytes, UpstreamError>> {
    frame.map_err(|_| UpstreamError::Cut).map(|frame| frame.into_data().ok()).transpose()
}

/// A body read whole.
#[derive(Debug)]
pub enum Collected {
    /// All of it.
    Whole(Bytes),
    /// It was longer than allowed; the rest was not read.
    TooLong,
}
