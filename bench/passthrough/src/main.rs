//! The Rust floor: how cheap a gateway on hyper can be, and what each duty adds.
//!
//!   passthrough --upstream 127.0.0.1:9100 [--listen 127.0.0.1:9200] [--mode raw] [--threads 2]
//!               [--stack axum|hyper|percore] [--db FILE] [--pool IDLE-CONNECTIONS]
//!
//! Modes, each with what the one before it does:
//!   raw    both bodies streamed through, headers copied
//!   auth   API key looked up, credentials swapped for the upstream's
//!   route  request body read whole, `model` and `stream` taken out by a typed partial parse
//!          (nothing else is kept), route looked up, body forwarded as it came
//!   usage  usage taken from the answer: typed partial parse (JSON), or a scan of each SSE
//!          frame for "usage"; frames forwarded as they came
//!   log    one record for each request sent over a channel to a thread that writes batches
//!          to SQLite (WAL, synchronous=NORMAL)
//!   value  as `log`, but every body and every SSE event goes through serde_json::Value
//!          and is serialised again: what a naive gateway does
//!   synclog as `usage`, but each record is inserted before the answer ends (one
//!          transaction each): what a naive logger does
//!
//! Stacks: `axum` (axum on tokio's multi-thread runtime), `hyper` (the same without axum),
//! `percore` (one single-thread runtime, listener (SO_REUSEPORT) and client pool per thread).

mod gate;
mod records;
mod tap;

use bytes::Bytes;
use gate::{BoxError, Gate, Mode, RequestBody};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Arguments {
    listen: String,
    upstream: String,
    mode: Mode,
    threads: usize,
    stack: String,
    database: String,
    pool: usize,
}

fn read_arguments() -> Arguments {
    let mut arguments = Arguments {
        listen: "127.0.0.1:9200".to_owned(),
        upstream: "127.0.0.1:9100".to_owned(),
        mode: Mode::Raw,
        threads: 2,
        stack: "axum".to_owned(),
        database: String::new(),
        pool: usize::MAX,
    };
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--listen" => arguments.listen = value,
            "--upstream" => arguments.upstream = value,
            "--threads" => arguments.threads = value.parse().expect("--threads N"),
            "--stack" => arguments.stack = value,
            "--db" => arguments.database = value,
            "--pool" => arguments.pool = value.parse().expect("--pool N"),
            "--mode" => arguments.mode = Mode::parse(&value).expect("--mode: no such mode"),
            _ => panic!("unknown option {name}"),
        }
    }
    let needs_database = matches!(arguments.mode, Mode::Log | Mode::Value | Mode::SyncLog);
    assert!(!needs_database || !arguments.database.is_empty(), "--db FILE");
    arguments
}

fn client<B>(pool: usize) -> Client<HttpConnector, RequestBody<B>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(pool)
        .build(connector)
}

fn listener(address: SocketAddr) -> tokio::net::TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
        .expect("a socket");
    socket.set_reuse_address(true).expect("reuse of addresses");
    socket.set_reuse_port(true).expect("reuse of ports");
    socket.set_nonblocking(true).expect("a socket that does not block");
    socket.bind(&address.into()).expect("--listen: a free port");
    socket.listen(4096).expect("a listener");
    tokio::net::TcpListener::from_std(socket.into()).expect("a listener")
}

async fn serve_hyper(address: SocketAddr, gate: Arc<Gate>) {
    let listener = listener(address);
    let client = client::<Incoming>(gate.pool);
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let _ = connection.set_nodelay(true);
        let (gate, client) = (gate.clone(), client.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (gate, client) = (gate.clone(), client.clone());
                async move { Ok::<_, Infallible>(gate.handle(client, request).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

async fn serve_axum(address: SocketAddr, gate: Arc<Gate>) {
    use axum::{body, extract, routing::post, serve::ListenerExt};
    let client = client::<body::Body>(gate.pool);
    let handler = move |request: extract::Request| {
        let (gate, client) = (gate.clone(), client.clone());
        async move { gate.handle(client, request).await.map(body::Body::new) }
    };
    let app = axum::Router::new()
        .route("/v1/chat/completions", post(handler.clone()))
        .route("/v1/messages", post(handler.clone()))
        .route("/v1/embeddings", post(handler));
    let listener = listener(address).tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("a server");
}

/// One runtime, listener and client pool for each thread.
fn serve_per_core(threads: usize, address: SocketAddr, gate: &Arc<Gate>) {
    let servers: Vec<_> = (0..threads)
        .map(|_| {
            let gate = gate.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(serve_hyper(address, gate));
            })
        })
        .collect();
    for server in servers {
        let _ = server.join();
    }
}

fn serve_shared(threads: usize, server: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    // The accept loop runs on a worker, not on the blocked main thread.
    runtime.expect("a runtime").block_on(async move {
        let _ = tokio::spawn(server).await;
    });
}

fn main() {
    let arguments = read_arguments();
    let address: SocketAddr = arguments.listen.parse().expect("--listen ADDRESS:PORT");
    assert!(address.ip().is_loopback(), "the floor listens on loopback only");
    let threads = arguments.threads.max(1);
    let gate = Arc::new(Gate::new(arguments.mode, arguments.upstream, arguments.pool, &arguments.database));
    match arguments.stack.as_str() {
        "percore" => serve_per_core(threads, address, &gate),
        "axum" => serve_shared(threads, serve_axum(address, gate)),
        "hyper" => serve_shared(threads, serve_hyper(address, gate)),
        _ => panic!("--stack: axum, hyper or percore"),
    }
}
