//! The binary as a child process, with nothing of the test's own environment.

use super::{PATIENCE, Reply};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn command(config: &Path, data: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.env_clear().envs(variables.iter().copied());
    command.arg("--config").arg(config).arg("--data-dir").arg(data).args(arguments);
    command
}

/// Runs a command to its end, on a folder with the settings `signalbox.toml`.
pub fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let file = folder.join("signalbox.toml");
    if !file.exists() {
        std::fs::write(&file, "").unwrap();
    }
    command(&file, &folder.join("data"), arguments, variables).output().unwrap()
}

/// A running `signalbox serve`.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its settings and data.
    pub folder: TempDir,
    child: std::process::Child,
    log: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Process {
    /// Starts one with these settings and variables, and waits until it listens.
    pub fn start(config: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("signalbox.toml"), config).unwrap();
        Self::start_in(folder, variables)
    }

    /// Starts one on a folder that is there already.
    pub fn start_in(folder: TempDir, variables: &[(&str, &str)]) -> Self {
        let (file, data): (PathBuf, PathBuf) =
            (folder.path().join("signalbox.toml"), folder.path().join("data"));
        let mut child = command(&file, &data, &["--listen", "127.0.0.1:0", "serve"], variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            gather(child.stdout.take().unwrap(), log.clone()),
            gather(child.stderr.take().unwrap(), log.clone()),
        ];
        let mut process = Self { address: SocketAddr::from(([0, 0, 0, 0], 0)), folder, child, log, readers };
        process.address = process.wait_for_address();
        process
    }

    fn wait_for_address(&mut self) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let log = self.log();
            let plain = log.split("listening on ").nth(1).and_then(|rest| rest.split("://").nth(1));
            let end = |c: char| !(c.is_ascii_digit() || c == '.' || c == ':');
            if let Some(address) = plain.and_then(|rest| rest.split(end).next()?.parse().ok()) {
                return address;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended early: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it never listened: {}", self.log());
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Posts a body with a key: the answer's status and body.
    pub async fn post(&self, path: &str, key: &str, body: &str) -> (u16, String) {
        let request = http::Request::post(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {key}"));
        self.send(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
    }

    /// Gets a path without a key: the answer's status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.send(http::Request::get(format!("http://{}{path}", self.address)).body(Full::default()).unwrap())
            .await
    }

    /// Posts a body and waits for the head of the answer: its status, if one comes.
    pub async fn try_post(&self, path: &str, key: &str, body: &str) -> Option<u16> {
        let request = http::Request::post(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {key}"));
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = tokio::time::timeout(PATIENCE, client.request(request)).await.unwrap();
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Posts a body under an `Idempotency-Key`: the answer, if one comes.
    pub async fn keyed(&self, path: &str, api_key: &str, key: &str, body: &str) -> Option<Reply> {
        let request = http::Request::post(format!("http://{}{path}", self.address))
            .header("authorization", format!("Bearer {api_key}"))
            .header("idempotency-key", key);
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = tokio::time::timeout(PATIENCE, client.request(request)).await.unwrap().ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Reply { status: head.status.as_u16(), headers: head.headers, body, is_cut: false })
    }

    /// Calls the management API: the answer's status and body.
    pub async fn manage(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://{}/v1/manage/{path}", self.address))
            .header("authorization", format!("Bearer {key}"));
        self.send(request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()).await
    }

    async fn send(&self, request: http::Request<Full<Bytes>>) -> (u16, String) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = tokio::time::timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Runs another command on its folder.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), arguments, &[])
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(done.unwrap().success());
    }

    /// Waits for its end: its exit code and everything it has printed.
    pub async fn exit(mut self) -> (Option<i32>, String, TempDir) {
        let until = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < until, "it does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (code, self.log(), folder)
    }

    /// Waits until so many requests are recorded, as `signalbox requests tail --json` tells them.
    pub async fn recorded(&self, count: usize) -> Vec<serde_json::Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let records = tail(self.folder.path());
            if records.len() >= count {
                return records;
            }
            let seen: Vec<_> = records.iter().map(|record| (&record["at"], &record["outcome"])).collect();
            assert!(Instant::now() < until, "{} of {count} records: {seen:?}\n{}", seen.len(), self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What `signalbox requests tail --json` prints, oldest first.
pub fn tail(folder: &Path) -> Vec<serde_json::Value> {
    let output = run(folder, &["requests", "tail", "--json", "-n", "1000"], &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(
    mut from: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<String>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    })
}
