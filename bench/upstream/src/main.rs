//! Upstream simulator for gateway benchmarks and fault tests.
//!
//! Speaks just enough of three wire formats to look like a provider:
//!   POST …/chat/completions   OpenAI chat (JSON, or SSE when "stream": true)
//!   POST …/embeddings         OpenAI embeddings (float or base64)
//!   POST …/messages           Anthropic messages (JSON, or typed SSE events)
//!   GET  …/models             a model list
//!   GET  /__stats             counters as JSON
//!
//! Behaviour is chosen per request by `key=value` pairs, looked for in this order
//! (a later place overrides an earlier one):
//!   1. the command line (`--set key=value,key=value`)
//!   2. the model name, `…mock:key=value,key=value` or the short form `fault-429`
//!   3. the header `x-mock: key=value,key=value`
//!   4. a marker anywhere in the body, `@mock{key=value,key=value}`; put it in a user
//!      message and it passes through any gateway untouched.
//!
//! Keys: latency (ms before the first byte), pause (ms between the head of a stream and its first event), chunks (SSE
//! content chunks), delay (ms between chunks), size (bytes of text in each chunk / in a non-stream answer x chunks),
//! in / out (token usage reported), dims (embedding width), every (apply the fault to every
//! N-th request only), after (chunks sent before a mid-stream fault), and
//! fault = HTTP status | hang | reset | cut | stall | badjson | errevent; honour (1: end the answer at the
//! request's limit on output tokens, with the finish reason that says so), bill (`full`: an aborted call is
//! billed as if it had run to its end), tools (1: a stream in OpenAI's format is the arguments of a tool call), quote
//! (1: errors quote the caller's key) and tag (a number that is repeated on the invoice).
//!
//! `--invoice FILE` appends two JSON lines for every call that arrived whole: what it was, and at its end the tokens
//! produced and billed (see `invoice.rs`). A stream then counts one token for each content chunk, whatever `out` says,
//! as it does with `honour=1`. An answer that fails in place of its first byte (a status, reset, badjson) bills
//! nothing. With `size` of 4 or more, and `size` x chunks of at least 4 x `out` in plain answers, no text has more
//! tokens than a quarter of its bytes.
//!
//! Each streamed content chunk begins with `t=<CLOCK_MONOTONIC ns, 16 digits> `, taken when
//! the chunk is handed to the socket, so a client on the same machine can tell the one-way
//! delay of each chunk. The first one also carries `a=<ns>`, when the request had arrived
//! here whole, so the way in can be told from the way out and from the simulator's own wait.

mod invoice;
mod knobs;
mod stream;
mod tools;
mod wire;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use invoice::{Arrival, Call};
use knobs::{Fault, Knobs};
use std::{
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use stream::{Answer, SseStream, StreamPlan};
use wire::{Api, Usage};

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static STREAMS: AtomicU64 = AtomicU64::new(0);
static STREAMS_ABORTED: AtomicU64 = AtomicU64::new(0);
static CHUNKS: AtomicU64 = AtomicU64::new(0);
static FAULTS: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static UNAUTHORIZED: AtomicU64 = AtomicU64::new(0);

/// What the command line asked for.
struct Settings {
    base: Knobs,
    required_key: Option<String>,
    /// What the operating system may hold of an answer that is not read.
    send_buffer: Option<usize>,
}

/// `CLOCK_MONOTONIC` in nanoseconds: the load generator compares stamps with its own reading.
fn mono_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Chat(Api),
    Embeddings,
}

impl Operation {
    fn of(path: &str) -> Option<Operation> {
        if path.ends_with("/chat/completions") {
            Some(Operation::Chat(Api::OpenAi))
        } else if path.ends_with("/messages") {
            Some(Operation::Chat(Api::Anthropic))
        } else if path.ends_with("/embeddings") {
            Some(Operation::Embeddings)
        } else {
            None
        }
    }

    fn api(self) -> Api {
        match self {
            Operation::Chat(api) => api,
            Operation::Embeddings => Api::OpenAi,
        }
    }
}

async fn handle(
    settings: &'static Settings,
    fd: i32,
    request: Request<Incoming>,
) -> Result<Response<Answer>, io::Error> {
    if request.method() == Method::GET {
        return Ok(look_up(request.uri().path()));
    }
    let number = REQUESTS.fetch_add(1, Relaxed);
    let Some(operation) = Operation::of(request.uri().path()) else {
        return Ok(refuse(Api::OpenAi, 404, None));
    };
    if !is_authorized(settings, request.headers()) {
        UNAUTHORIZED.fetch_add(1, Relaxed);
        return Ok(refuse(operation.api(), 401, credential(request.headers())));
    }
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let list = header("x-mock");
    let attempt = header("x-client-request-id").unwrap_or_default();
    let key = credential(request.headers()).map(str::to_owned);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let arrived_ns = mono_ns();
    let model = wire::find_string(&body, b"\"model\"").unwrap_or("mock");
    let mut knobs = Knobs::of_request(settings.base, number, model, list.as_deref(), &body);
    let is_stream = wire::find_true(&body, b"\"stream\"");
    if is_stream && (invoice::is_open() || knobs.honours_limit) {
        knobs.count_chunks();
    }
    knobs.calls_tool &= is_stream && operation.api() == Api::OpenAi;
    let tokens_max = wire::tokens_max(&body);
    let is_cut = knobs.limit(tokens_max);
    let usage = Usage { is_cut, ..knobs.usage(body.len()) };
    let key = key.filter(|_| knobs.quotes_key);
    let arrival = Arrival { number, attempt: &attempt, model, is_stream, tokens_max };
    let mut call = invoice::is_open().then(|| Call::begin(&arrival, &knobs, usage));
    if knobs.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(knobs.latency_ms)).await;
    }
    if let Some(outcome) = fail_early(knobs.fault, operation.api(), fd, key.as_deref()).await {
        call.iter_mut().for_each(Call::end_refused);
        return outcome;
    }
    match operation {
        Operation::Embeddings => {
            call.iter_mut().for_each(Call::end_whole);
            Ok(json(200, wire::embeddings(&body, &knobs, model, usage.input)))
        }
        Operation::Chat(api) if is_stream => Ok(stream(StreamPlan {
            api,
            knobs,
            include_usage: wire::find_true(&body, b"\"include_usage\""),
            model: model.to_owned(),
            usage,
            arrived_ns,
            call,
            key,
        })),
        Operation::Chat(api) => {
            call.iter_mut().for_each(Call::end_whole);
            let text =
                wire::with_text(knobs.chunk_bytes, knobs.chunks, |t| wire::answer(api, model, t, usage));
            Ok(if knobs.fault == Fault::Cut { cut_short(text.into()) } else { json(200, text) })
        }
    }
}

fn look_up(path: &str) -> Response<Answer> {
    if path == "/__stats" {
        return json(200, statistics());
    }
    if path.ends_with("/models") {
        return json(200, wire::MODELS);
    }
    json(200, "{\"status\":\"ok\"}")
}

fn statistics() -> String {
    let fields = [
        ("requests", &REQUESTS),
        ("streams", &STREAMS),
        ("chunks", &CHUNKS),
        ("aborted", &STREAMS_ABORTED),
        ("faults", &FAULTS),
        ("connections", &CONNECTIONS),
        ("unauthorized", &UNAUTHORIZED),
    ];
    let pairs: Vec<String> =
        fields.iter().map(|(name, count)| format!("\"{name}\":{}", count.load(Relaxed))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn is_authorized(settings: &Settings, headers: &HeaderMap) -> bool {
    let Some(key) = &settings.required_key else { return true };
    credential(headers) == Some(key)
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()))
}

/// The faults that take the place of an answer.
async fn fail_early(
    fault: Fault,
    api: Api,
    fd: i32,
    key: Option<&str>,
) -> Option<Result<Response<Answer>, io::Error>> {
    if fault != Fault::None {
        FAULTS.fetch_add(1, Relaxed);
    }
    match fault {
        Fault::Status(status) if status >= 300 => Some(Ok(refuse(api, status, key))),
        Fault::Hang => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            Some(Err(io::Error::other("hang")))
        }
        Fault::Reset => {
            reset_on_close(fd);
            Some(Err(io::Error::other("reset")))
        }
        Fault::BadJson => Some(Ok(json(200, wire::BROKEN_JSON))),
        Fault::None | Fault::Status(_) | Fault::Cut | Fault::Stall | Fault::ErrorEvent => None,
    }
}

/// With a linger time of zero, closing sends RST instead of FIN.
fn reset_on_close(fd: i32) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor belongs to the connection that is being served, and the option's size is right.
    unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as u32,
        );
    }
}

fn respond(status: u16, content_type: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("x-request-id", HeaderValue::from_static("req_mock"));
    response
}

fn json(status: u16, body: impl Into<Bytes>) -> Response<Answer> {
    respond(status, "application/json", Answer::Full(Full::new(body.into())))
}

fn refuse(api: Api, status: u16, key: Option<&str>) -> Response<Answer> {
    let mut response = json(status, wire::error(api, status, key));
    if status == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn stream(plan: StreamPlan) -> Response<Answer> {
    STREAMS.fetch_add(1, Relaxed);
    let mut response = respond(200, "text/event-stream", Answer::Stream(Box::new(SseStream::new(plan))));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn cut_short(whole: Bytes) -> Response<Answer> {
    let half = whole.slice(..whole.len() / 2);
    respond(200, "application/json", Answer::Short(Some(half), whole.len() as u64))
}

fn serve(address: SocketAddr, settings: &'static Settings) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        if let Some(bytes) = settings.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        let listener = tokio::net::TcpListener::from_std(socket.into())?;
        loop {
            let Ok((connection, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            CONNECTIONS.fetch_add(1, Relaxed);
            let _ = connection.set_nodelay(true);
            let fd = connection.as_raw_fd();
            tokio::task::spawn_local(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(false)
                    .serve_connection(TokioIo::new(connection), service_fn(move |r| handle(settings, fd, r)))
                    .await;
            });
        }
    })
}

fn main() -> io::Result<()> {
    let mut address = "127.0.0.1:9100".to_owned();
    let mut threads = 1usize;
    let mut settings = Settings { base: Knobs::DEFAULT, required_key: None, send_buffer: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match name.as_str() {
            "--listen" => address = value,
            "--threads" => threads = value.parse().expect("--threads N"),
            "--set" => settings.base.apply(&value),
            "--invoice" => invoice::open(Path::new(&value))?,
            "--send-buffer" => settings.send_buffer = Some(value.parse().expect("--send-buffer BYTES")),
            "--require-key" => settings.required_key = Some(value),
            _ => {
                eprintln!(
                    "usage: upstream [--listen 127.0.0.1:9100] [--threads 1] [--set k=v,…] [--require-key KEY] \
                     [--invoice FILE] [--send-buffer BYTES]"
                );
                std::process::exit(2);
            }
        }
    }
    let address: SocketAddr = address.parse().expect("--listen ADDRESS:PORT");
    assert!(address.ip().is_loopback(), "the simulator listens on loopback only");
    let settings: &'static Settings = Box::leak(Box::new(settings));
    let servers: Vec<_> =
        (0..threads.max(1)).map(|_| std::thread::spawn(move || serve(address, settings))).collect();
    for server in servers {
        server.join().expect("a server thread")?;
    }
    Ok(())
}
