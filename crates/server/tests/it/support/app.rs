//! The gateway under test: the real wiring, the real store, a real port.

use super::{PATIENCE, wait_until};
use bytes::Bytes;
use domain::{Clock, Money, OrgId, Organization, SystemClock, Timestamp};
use gateway::{Gateway, Limits};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use server::config::{self, Environment, Flags};
use server::{bootstrap, listener, wire};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use store::Db;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The key that tests show.
pub const KEY: &str = "sbx_test_canary_0123456789abcdef0123456789abcdef";

/// A running gateway. A test ends with [`App::finish`], which checks that nothing is left unsettled.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its settings and data, which go when it does.
    _folder: TempDir,
    /// A second handle on its store, as another process has one.
    pub db: Db,
    /// Where everything belongs.
    pub org: OrgId,
    gateway: Option<Arc<Gateway>>,
    stop: CancellationToken,
    deadline: CancellationToken,
    written: CancellationToken,
    serving: Option<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    /// Ids of answers to calls that must be recorded.
    answered: Mutex<Vec<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl App {
    /// Starts one with this configuration.
    pub async fn start(config: &str) -> Self {
        Self::with(config, |_| {}).await
    }

    /// Starts one with bounds that the configuration, which counts in seconds, cannot express.
    pub async fn with(config: &str, change: impl FnOnce(&mut Limits)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signalbox.toml");
        std::fs::write(&file, config).unwrap();
        let flags = Flags {
            config: Some(file),
            data_dir: Some(folder.path().join("data")),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        };
        let environment = Environment::of(&[]);
        let settings = config::load(&flags, &environment).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let db = wire::open_store(&settings.data_dir).await.unwrap();
        bootstrap::first_start(&db, Some(KEY), &*clock).await.unwrap();
        let org = db.first_organization().await.unwrap().unwrap().id;
        let wire::Parts { mut gateway, applier, metrics, keeper } =
            wire::build(&settings, &environment, &db, clock).await.unwrap();
        change(&mut Arc::get_mut(&mut gateway).unwrap().limits);
        let tls = listener::tls(&settings.tls).unwrap();
        let socket = listener::bind(settings.listen, gateway.limits.write_stall).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, deadline) = (CancellationToken::new(), CancellationToken::new());
        let written = CancellationToken::new();
        let writer = tokio::task::spawn(gateway::record::write(applier, metrics, written.clone()));
        let keeper = keeper.map(|keeper| tokio::task::spawn(keeper.run(written.clone())));
        let router = wire::service(&gateway, db.clone());
        let cores = vec![tokio::runtime::Handle::current()];
        let listener = listener::Listener { socket, tls, service: router, cores };
        let serving = listener::serve(listener, stop.clone(), deadline.clone());
        gateway.progress.advance(gateway::Phase::Serving);
        Self {
            address,
            _folder: folder,
            db,
            org,
            gateway: Some(gateway),
            stop,
            deadline,
            written,
            serving: Some(tokio::task::spawn(serving)),
            writer: Some(writer),
            keeper,
            answered: Mutex::default(),
            // No pool: a client that drops an answer leaves.
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http(),
        }
    }

    /// What runs.
    pub fn gateway(&self) -> &Arc<Gateway> {
        self.gateway.as_ref().unwrap()
    }

    /// Stops taking requests, as a drain does first.
    pub fn stop_taking_requests(&self) {
        self.gateway().progress.advance(gateway::Phase::Stopping);
    }

    /// Hears of a change of the configuration, as the gateway does every second.
    pub async fn read_configuration(&self) {
        self.gateway().snapshot.store(Arc::new(self.db.snapshot().await.unwrap()));
    }

    /// A second organization, without keys.
    pub async fn other_organization(&self) -> OrgId {
        let other = Organization { id: other_organization(), name: "o".to_owned() };
        self.db.insert_organization(&other, Timestamp::from_unix_ms(i64::MAX)).await.unwrap();
        other.id
    }

    /// Waits until no call runs, and neither money nor memory is held.
    pub async fn settled(&self) {
        let gateway = self.gateway();
        let is_settled = || {
            gateway.tasks.is_empty()
                && gateway.recorder.budgets.held() == Money::ZERO
                && gateway.bodies.taken() == 0
        };
        wait_until("nothing is held", is_settled).await;
    }

    /// A request with the test's key, to be filled in.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Streaming {
        let path = request.uri().path();
        let is_call = request.method() == "POST" && !path.contains("nowhere") && !path.contains("/manage/");
        let sent = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let (head, body) = sent.expect("no answer came").expect("no answer").into_parts();
        let id = head.headers.get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        let status = head.status.as_u16();
        let is_served = self.gateway.as_ref().is_some_and(|gateway| gateway.takes_calls());
        if let Some(id) = id.filter(|_| is_call && is_served && status != 401) {
            self.answered.lock().unwrap().push(id);
        }
        Streaming { status, headers: head.headers, body, seen: Vec::new() }
    }

    /// This answer is to a call that is not written down.
    pub fn leaves_no_record(&self, reply: &Reply) {
        self.answered.lock().unwrap().retain(|id| id != reply.header("x-request-id"));
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        self.open(request).await.whole().await
    }

    /// Posts a body with the test's key.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(self.request("POST", path).body(Full::new(body.into())).unwrap()).await
    }

    /// Posts a body and waits for the head of the answer.
    pub async fn post_open(&self, path: &str, body: &str) -> Streaming {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.open(self.request("POST", path).body(Full::new(body)).unwrap()).await
    }

    /// Gets a path with the test's key.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path).body(Full::default()).unwrap()).await
    }

    /// Posts a body under an `Idempotency-Key` and waits for the head of the answer.
    pub async fn keyed_open(&self, path: &str, key: &str, body: &str) -> Streaming {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        self.open(self.request("POST", path).header("idempotency-key", key).body(body).unwrap()).await
    }

    /// Posts a body under an `Idempotency-Key`.
    pub async fn keyed(&self, path: &str, key: &str, body: &str) -> Reply {
        self.keyed_open(path, key, body).await.whole().await
    }

    /// Chat in OpenAI's protocol.
    pub async fn chat(&self, body: &str) -> Reply {
        self.post("/v1/chat/completions", Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Chat in Anthropic's protocol.
    pub async fn message(&self, body: &str) -> Reply {
        self.post("/v1/messages", Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Waits until so many requests stand in the store, newest first.
    pub async fn recorded(&self, count: usize) -> Vec<Value> {
        let waiting = async {
            loop {
                let records = self.db.latest_requests(self.org, 100_000).await.unwrap();
                if records.len() >= count {
                    return records;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the records are not all there")
    }

    /// Ends the gateway, checks that nothing is unsettled, and gives the records, newest first.
    pub async fn finish(mut self) -> Vec<Value> {
        let gateway = self.gateway.take().unwrap();
        wait_until("no call task is running", || gateway.tasks.is_empty()).await;
        self.stop.cancel();
        let mut serving = self.serving.take().unwrap();
        if tokio::time::timeout(PATIENCE, &mut serving).await.is_err() {
            self.deadline.cancel();
            panic!("a connection is still open");
        }
        let keyed = gateway.idempotency.as_ref().map_or(0, gateway::Idempotency::running);
        assert_eq!(keyed, 0, "a call under a key has ended and is still there");
        assert_eq!(gateway.bodies.taken(), 0, "a call has ended and its body is still held");
        let metrics = gateway.metrics.clone();
        let budgets = gateway.recorder.budgets.clone();
        gateway.recorder.journal.close();
        drop(gateway);
        self.written.cancel();
        let writer = self.writer.take().unwrap();
        tokio::time::timeout(PATIENCE, writer).await.expect("a record was never closed").unwrap();
        if let Some(keeper) = self.keeper.take() {
            tokio::time::timeout(PATIENCE, keeper).await.expect("the keeper does not end").unwrap();
        }
        assert_eq!(budgets.held(), Money::ZERO, "a call has ended and its money is still held");
        let verdict = self.db.verify().await.unwrap();
        assert_eq!(verdict.differences, [], "the ledger does not agree with what is derived from it");
        let mut records = self.db.latest_requests(self.org, 100_000).await.unwrap();
        records.extend(self.db.latest_requests(other_organization(), 100_000).await.unwrap());
        let counted = counted(&metrics.encode());
        assert_eq!(records.len(), counted, "a request was recorded more or less than once");
        for record in &records {
            assert_ne!(record["outcome"], "internal", "a task panicked or lost its request: {record}");
        }
        for id in self.answered.lock().unwrap().iter() {
            let count = records.iter().filter(|record| record["id"] == id.as_str()).count();
            assert_eq!(count, 1, "records of an answered call {id}");
        }
        records
    }

    /// [`App::finish`] for a test with one request.
    pub async fn finish_one(self) -> Value {
        let mut records = self.finish().await;
        assert_eq!(records.len(), 1, "exactly one request was expected: {records:?}");
        records.remove(0)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.writer.is_none(), "a test ends with `finish`");
        }
    }
}

/// How many requests the counters say were recorded.
fn counted(metrics: &str) -> usize {
    let lines = metrics.lines().filter(|line| line.starts_with("signalbox_requests_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// An answer whose head has come. Dropping it closes the connection.
pub struct Streaming {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    seen: Vec<u8>,
}

impl Streaming {
    /// The next piece; `None` at a clean end.
    pub async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("the answer hangs")?;
        Some(frame.map(|frame| {
            let piece = frame.into_data().unwrap_or_default();
            self.seen.extend_from_slice(&piece);
            piece
        }))
    }

    /// Reads until so many whole events were seen.
    pub async fn read_events(&mut self, count: usize) {
        while String::from_utf8_lossy(&self.seen).matches("\n\n").count() < count {
            self.next().await.expect("the stream ended early").expect("the stream broke");
        }
    }

    /// Reads until this text was seen.
    pub async fn read_until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.seen).contains(text) {
            self.next().await.expect("the stream ended early").expect("the stream broke");
        }
    }

    /// Reads the rest.
    pub async fn whole(mut self) -> Reply {
        let mut is_cut = false;
        while let Some(piece) = self.next().await {
            is_cut |= piece.is_err();
        }
        Reply { status: self.status, headers: self.headers, body: self.seen.into(), is_cut }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// The connection broke within the body.
    pub is_cut: bool,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// A header's text, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The data of all events.
    pub fn events(&self) -> Vec<&str> {
        self.text().split("\n\n").filter_map(|event| Some(event.split_once("data: ")?.1)).collect()
    }
}

fn other_organization() -> OrgId {
    OrgId::from_parts(Timestamp::from_unix_ms(1), [9; 10])
}
