//! The gateway's duties, each switched on by the mode.

use crate::{
    records::{self, Record, Usage},
    tap::Tap,
};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderValue},
    http::{request, response},
};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};
use tokio::sync::mpsc;

/// What is done to each request, in the order of what it costs.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub enum Mode {
    Raw,
    Auth,
    Route,
    Usage,
    Log,
    Value,
    SyncLog,
}

impl Mode {
    pub fn parse(name: &str) -> Option<Mode> {
        match name {
            "raw" => Some(Mode::Raw),
            "auth" => Some(Mode::Auth),
            "route" => Some(Mode::Route),
            "usage" => Some(Mode::Usage),
            "log" => Some(Mode::Log),
            "value" => Some(Mode::Value),
            "synclog" => Some(Mode::SyncLog),
            _ => None,
        }
    }
}

pub type OutBody = UnsyncBoxBody<Bytes, hyper::Error>;
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request goes no further.
type Refused = (StatusCode, &'static str);

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    #[expect(dead_code, reason = "read because a gateway needs it; the floor has no use for it")]
    stream: bool,
}

#[derive(Deserialize)]
struct Answer {
    usage: Option<Usage>,
}

pub struct Gate {
    pub mode: Mode,
    pub pool: usize,
    authority: String,
    keys: HashMap<Vec<u8>, u32>,
    routes: HashMap<String, u32>,
    upstream_key: HeaderValue,
    log: mpsc::UnboundedSender<Record>,
    database: Option<Mutex<rusqlite::Connection>>,
}

impl Gate {
    /// A thousand keys, `sk-bench-0` and on, and a hundred routes beside `mock`: tables of a real size.
    pub fn new(mode: Mode, upstream: String, pool: usize, database: &str) -> Gate {
        let (log, receiver) = mpsc::unbounded_channel();
        if matches!(mode, Mode::Log | Mode::Value) {
            let path = database.to_owned();
            std::thread::spawn(move || records::write_batches(&path, receiver));
        }
        Gate {
            mode,
            pool,
            authority: upstream,
            keys: (0..1000u32).map(|n| (format!("sk-bench-{n}").into_bytes(), n)).collect(),
            routes: (0..100u32).map(|n| (format!("mock-{n}"), n)).chain([("mock".to_owned(), 100)]).collect(),
            upstream_key: HeaderValue::from_static("Bearer sk-upstream"),
            log,
            database: (mode == Mode::SyncLog).then(|| Mutex::new(records::open(database))),
        }
    }

    pub fn record(&self, record: Record) {
        match self.mode {
            Mode::Log | Mode::Value => {
                let _ = self.log.send(record);
            }
            Mode::SyncLog => {
                if let Some(database) = &self.database {
                    records::insert(&database.lock().expect("no panic"), &record);
                }
            }
            Mode::Raw | Mode::Auth | Mode::Route | Mode::Usage => {}
        }
    }

    pub async fn handle<B>(
        self: Arc<Self>,
        client: Client<HttpConnector, RequestBody<B>>,
        request: Request<B>,
    ) -> Response<OutBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        self.forward(client, request).await.unwrap_or_else(|(status, text)| {
            let mut response = Response::new(whole(Bytes::from_static(text.as_bytes())));
            *response.status_mut() = status;
            response
        })
    }

    async fn forward<B>(
        self: Arc<Self>,
        client: Client<HttpConnector, RequestBody<B>>,
        request: Request<B>,
    ) -> Result<Response<OutBody>, Refused>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let start = Instant::now();
        let (mut head, body) = request.into_parts();
        let key = if self.mode >= Mode::Auth { self.authorize(&mut head.headers)? } else { 0 };
        self.redirect(&mut head)?;
        let (route, body) = if self.mode >= Mode::Route {
            let bytes = body.collect().await.map_err(|_| (StatusCode::BAD_REQUEST, "bad body"))?.to_bytes();
            let (route, bytes) = self.route(&mut head.headers, bytes)?;
            (route, RequestBody::Whole(Some(bytes)))
        } else {
            (0, RequestBody::Through(body))
        };
        let response = client
            .request(Request::from_parts(head, body))
            .await
            .map_err(|_| (StatusCode::BAD_GATEWAY, "{\"error\":{\"message\":\"upstream\"}}"))?;
        let (head, body) = response.into_parts();
        if self.mode < Mode::Usage {
            return Ok(Response::from_parts(head, body.boxed_unsync()));
        }
        let record =
            Record { key, route, status: head.status.as_u16(), usage: Usage::default(), duration_us: 0 };
        let content_type = head.headers.get(header::CONTENT_TYPE);
        if content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
            return Ok(Response::from_parts(head, Tap::new(self, body, record, start).boxed_unsync()));
        }
        self.answer(head, body, record, start).await
    }

    /// Looks the caller's key up and puts the upstream's in its place.
    fn authorize(&self, headers: &mut HeaderMap) -> Result<u32, Refused> {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes));
        let key = bearer.and_then(|key| self.keys.get(key)).copied();
        let key = key.ok_or((StatusCode::UNAUTHORIZED, "{\"error\":{\"message\":\"bad key\"}}"))?;
        headers.insert(header::AUTHORIZATION, self.upstream_key.clone());
        Ok(key)
    }

    fn redirect(&self, head: &mut request::Parts) -> Result<(), Refused> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.as_str())
            .path_and_query(path)
            .build()
            .map_err(|_| (StatusCode::BAD_REQUEST, "bad path"))?;
        head.headers.remove(header::HOST);
        head.headers.remove(header::CONNECTION);
        Ok(())
    }

    fn route(&self, headers: &mut HeaderMap, body: Bytes) -> Result<(u32, Bytes), Refused> {
        const BAD_JSON: Refused = (StatusCode::BAD_REQUEST, "bad JSON");
        let number = |model: &str| self.routes.get(model).copied().unwrap_or(0);
        if self.mode != Mode::Value {
            let head: Head = serde_json::from_slice(&body).map_err(|_| BAD_JSON)?;
            let route = number(&head.model);
            return Ok((route, body));
        }
        let mut value: serde_json::Value = serde_json::from_slice(&body).map_err(|_| BAD_JSON)?;
        let model = value["model"].as_str().unwrap_or("").to_owned();
        let route = number(&model);
        value["model"] = model.into();
        let rewritten = serde_json::to_vec(&value).expect("a value is JSON");
        headers.insert(header::CONTENT_LENGTH, rewritten.len().into());
        Ok((route, rewritten.into()))
    }

    /// An answer that is not streamed: read whole, its usage noted.
    async fn answer(
        &self,
        mut head: response::Parts,
        body: Incoming,
        mut record: Record,
        start: Instant,
    ) -> Result<Response<OutBody>, Refused> {
        const CUT: Refused = (StatusCode::BAD_GATEWAY, "{\"error\":{\"message\":\"upstream cut\"}}");
        let mut bytes = body.collect().await.map_err(|_| CUT)?.to_bytes();
        if self.mode == Mode::Value {
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                record.usage = serde_json::from_value(value["usage"].clone()).unwrap_or_default();
                bytes = serde_json::to_vec(&value).expect("a value is JSON").into();
                head.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
            }
        } else if let Ok(answer) = serde_json::from_slice::<Answer>(&bytes) {
            record.usage = answer.usage.unwrap_or_default();
        }
        record.duration_us = start.elapsed().as_micros() as u64;
        self.record(record);
        Ok(Response::from_parts(head, whole(bytes)))
    }
}

fn whole(bytes: Bytes) -> OutBody {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A request body on its way to the upstream.
pub enum RequestBody<B> {
    Through(B),
    Whole(Option<Bytes>),
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            RequestBody::Through(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            RequestBody::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Through(body) => body.is_end_stream(),
            RequestBody::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Through(body) => body.size_hint(),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
        }
    }
}
