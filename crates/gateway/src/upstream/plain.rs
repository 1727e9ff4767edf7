//! Connections without encryption, to providers next door: HTTP/1.1, driven by the call that uses them.
//!
//! hyper's own pool gives each connection a task, which a request wakes twice and each piece of an answer once,
//! and starts a third task to take the connection back. Here the call polls its connection itself, and nobody
//! does while it is idle: a tenth less work per request. Encrypted connections, which may turn out to be
//! HTTP/2, are left to hyper's pool.

use super::{Outgoing, POOL_IDLE_MAX, READ_BUFFER, UpstreamError};
use bytes::Bytes;
use foldhash::HashMap;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tower_service::Service;

/// Where a plain connection leads, in the forms that its requests need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainRoute {
    /// Host and port.
    pub authority: Authority,
    /// The `host` header.
    pub host: HeaderValue,
    /// Path and query.
    pub path: Uri,
}

impl PlainRoute {
    /// The route of an address. `None`: it asks for encryption.
    pub fn of(uri: &Uri) -> Option<Self> {
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTP))?;
        let host = match authority.port_u16() {
            None | Some(80) => HeaderValue::from_str(authority.host()),
            Some(port) => HeaderValue::from_str(&format!("{}:{port}", authority.host())),
        };
        let path = Uri::from(uri.path_and_query()?.clone());
        Some(Self { authority: authority.clone(), host: host.ok()?, path })
    }
}

/// A connection, and who speaks on it.
struct Line {
    sender: SendRequest<Outgoing>,
    connection: Connection<TokioIo<TcpStream>, Outgoing>,
    is_over: bool,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl Line {
    /// Lets the connection go on: writes what is to be written, reads what is there.
    fn drive(&mut self, context: &mut Context<'_>) {
        if !self.is_over {
            self.is_over = Pin::new(&mut self.connection).poll(context).is_ready();
        }
    }

    /// Sends a request. After an `Err` it is back in its place if nothing of it was sent.
    async fn ask(&mut self, request: &mut Option<Request<Outgoing>>) -> Result<Response<Incoming>, ()> {
        // Whether the other side has closed it meanwhile is seen here.
        let is_ready = poll_fn(|context| {
            self.drive(context);
            if self.is_over {
                Poll::Ready(false)
            } else {
                self.sender.poll_ready(context).map(|ready| ready.is_ok())
            }
        });
        if !is_ready.await {
            return Err(());
        }
        let mut asking = pin!(self.sender.try_send_request(request.take().ok_or(())?));
        let asked = poll_fn(|context| {
            if !self.is_over {
                self.is_over = Pin::new(&mut self.connection).poll(context).is_ready();
            }
            asking.as_mut().poll(context)
        });
        asked.await.map_err(|mut error| *request = error.take_message())
    }
}

#[derive(Debug, Default)]
struct Idle {
    lines: HashMap<Authority, VecDeque<(Instant, Box<Line>)>>,
    /// Somebody looks after those that are idle for too long.
    is_watched: bool,
}

/// The plain connections of one core.
#[derive(Clone, Debug)]
pub struct Plain {
    connector: HttpConnector,
    /// How long a connection may be idle.
    patience: Duration,
    idle: Arc<Mutex<Idle>>,
}

impl Plain {
    /// No connections yet; the connector makes them, and they may be idle for so long.
    pub fn new(connector: HttpConnector, patience: Duration) -> Self {
        Self { connector, patience, idle: Arc::default() }
    }

    /// Sends a request and waits for the head of the answer. It is lent, so that it lies in one future only.
    pub async fn send(
        &self,
        route: &PlainRoute,
        uri: &Uri,
        request: &mut Option<Request<Outgoing>>,
    ) -> Result<(http::response::Parts, PlainBody), UpstreamError> {
        loop {
            let (mut line, is_fresh) = match self.take(&route.authority) {
                Some(line) => (line, false),
                None => (Box::pin(self.connect(uri)).await?, true),
            };
            match line.ask(request).await {
                Ok(answer) => {
                    let (head, incoming) = answer.into_parts();
                    let home = Some((line, self.clone(), route.authority.clone()));
                    return Ok((head, PlainBody { incoming, home }));
                }
                // It was closed while it was idle.
                Err(()) if !is_fresh && request.is_some() => {}
                Err(()) => return Err(UpstreamError::NoAnswer),
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<Box<Line>, UpstreamError> {
        let mut connector = self.connector.clone();
        let connecting = async {
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(uri.clone()).await
        };
        let stream = connecting.await.map_err(|error| {
            tracing::debug!(%error, "no connection to the provider");
            UpstreamError::Connect
        })?;
        let made = Builder::new().max_buf_size(READ_BUFFER).handshake(stream).await;
        let (sender, connection) = made.map_err(|_| UpstreamError::Connect)?;
        Ok(Box::new(Line { sender, connection, is_over: false }))
    }

    /// The connection that was used last: the others are let go earlier.
    fn take(&self, authority: &Authority) -> Option<Box<Line>> {
        let mut idle = self.lock();
        let lines = idle.lines.get_mut(authority)?;
        let (since, line) = lines.pop_back()?;
        if since.elapsed() < self.patience {
            return Some(line);
        }
        lines.clear();
        None
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "shutdown need not wait for it: idle connections just close"
    )]
    fn give_back(&self, authority: Authority, line: Box<Line>) {
        let mut idle = self.lock();
        let lines = idle.lines.entry(authority).or_default();
        if lines.len() >= POOL_IDLE_MAX {
            lines.pop_front();
        }
        lines.push_back((Instant::now(), line));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(self.clone().watch());
        }
    }

    /// Closes connections that were idle for too long, until there are none.
    async fn watch(self) {
        loop {
            tokio::time::sleep(self.patience / 2).await;
            let mut idle = self.lock();
            idle.lines.retain(|_, lines| {
                lines.retain(|(since, _)| since.elapsed() < self.patience);
                !lines.is_empty()
            });
            if idle.lines.is_empty() {
                idle.is_watched = false;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // A panic leaves whole connections in whole lists.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer on a plain connection, which is given back at its end. Dropped before, it closes the
/// connection.
#[derive(Debug)]
pub struct PlainBody {
    incoming: Incoming,
    home: Option<(Box<Line>, Plain, Authority)>,
}

impl PlainBody {
    /// The next frame; `None` at the end.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let frame = poll_fn(|context| self.poll(context)).await;
        if frame.is_none()
            && let Some((line, plain, authority)) = self.home.take()
            && !line.is_over
            && line.sender.is_ready()
        {
            plain.give_back(authority, line);
        }
        frame
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let first = Pin::new(&mut self.incoming).poll_frame(context);
        let Some((line, _, _)) = &mut self.home else { return first };
        match first {
            // At the end the connection must notice that it is free.
            Poll::Ready(None) if !line.sender.is_ready() => {
                line.drive(context);
                first
            }
            Poll::Ready(_) => first,
            Poll::Pending => {
                line.drive(context);
                Pin::new(&mut self.incoming).poll_frame(context)
            }
        }
    }
}

#[cfg(test)]
mod tests;
