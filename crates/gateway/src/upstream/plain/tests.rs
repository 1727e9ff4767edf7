//! What plain connections promise.

use super::super::Payload;
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A provider that answers `bodies` on each connection, then closes it. Tells of each end that it sees.
struct Provider {
    uri: Uri,
    connections: Arc<AtomicUsize>,
    ends: mpsc::UnboundedReceiver<()>,
}

async fn provider(answers: &'static [&'static str]) -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/v1/x?y", listener.local_addr().unwrap()).parse().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (told, ends) = mpsc::unbounded_channel();
    let count = connections.clone();
    crate::Tasks::default().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let told = told.clone();
            crate::Tasks::default().spawn(async move {
                let mut buffer = [0; 4096];
                for answer in answers {
                    let read = stream.read(&mut buffer).await.unwrap();
                    if read == 0 {
                        break;
                    }
                    let head = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
                    assert!(head.starts_with("post /v1/x?y http/1.1\r\n"), "{head}");
                    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                // Until the other side closes, where there is nothing more to answer and nothing was cut.
                if answers.last().is_some_and(|last| last.ends_with("...")) {
                    let _ = stream.read(&mut buffer).await;
                }
                let _ = told.send(());
            });
        }
    });
    Provider { uri, connections, ends }
}

fn plain() -> Plain {
    Plain::new(HttpConnector::new(), Duration::from_secs(60))
}

async fn begin(plain: &Plain, uri: &Uri) -> Result<PlainBody, UpstreamError> {
    let route = PlainRoute::of(uri).unwrap();
    let mut request = Request::new(Payload::from(Bytes::from_static(b"{}")).outgoing());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = route.path.clone();
    request.headers_mut().insert(http::header::HOST, route.host.clone());
    plain.send(&route, uri, &mut Some(request)).await.map(|(_, body)| body)
}

async fn whole(plain: &Plain, uri: &Uri) -> Result<String, UpstreamError> {
    let mut body = begin(plain, uri).await?;
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| UpstreamError::Cut)?;
        all.extend(frame.into_data().unwrap());
    }
    Ok(String::from_utf8(all).unwrap())
}

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_one_call_after_the_other() {
    let provider = provider(&[WHOLE, CHUNKED, EMPTY, WHOLE]).await;
    let plain = plain();
    for expected in ["ab", "abc", "", "ab"] {
        assert_eq!(whole(&plain, &provider.uri).await.unwrap(), expected);
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_at_once_have_connections_of_their_own() {
    let provider = provider(&[WHOLE, WHOLE]).await;
    let plain = plain();
    for _ in 0..2 {
        let (a, b) = tokio::join!(whole(&plain, &provider.uri), whole(&plain, &provider.uri));
        assert_eq!((a.unwrap(), b.unwrap()), ("ab".into(), "ab".into()));
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let mut provider = provider(&[WHOLE]).await;
    let plain = plain();
    for connections in 1..=3 {
        assert_eq!(whole(&plain, &provider.uri).await.unwrap(), "ab");
        assert_eq!(provider.connections.load(Ordering::SeqCst), connections);
        provider.ends.recv().await.unwrap();
        // The end has to come through the loopback.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_dropped_closes_its_connection() {
    let mut provider = provider(&["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nab..."]).await;
    let plain = plain();
    let mut body = begin(&plain, &provider.uri).await.unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    provider.ends.recv().await.unwrap();
    assert!(plain.lock().lines.values().all(VecDeque::is_empty));
}

#[tokio::test]
async fn what_is_cut_is_an_error_and_not_an_end() {
    let provider = provider(&["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nab"]).await;
    assert_eq!(whole(&plain(), &provider.uri).await, Err(UpstreamError::Cut));
    let silent = self::provider(&[""]).await;
    assert_eq!(whole(&plain(), &silent.uri).await, Err(UpstreamError::NoAnswer));
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    assert_eq!(whole(&plain(), &uri).await, Err(UpstreamError::Connect));
}

#[tokio::test]
async fn idle_connections_are_closed_after_a_while() {
    let mut provider = provider(&[WHOLE, WHOLE]).await;
    let plain = Plain::new(HttpConnector::new(), Duration::from_millis(20));
    assert_eq!(whole(&plain, &provider.uri).await.unwrap(), "ab");
    provider.ends.recv().await.unwrap();
    let is_watched = || plain.lock().is_watched;
    while is_watched() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn only_plain_addresses_have_a_plain_route() {
    let route = |uri: &str| PlainRoute::of(&uri.parse().unwrap());
    let host = |uri: &str| route(uri).unwrap().host;
    assert_eq!(host("http://a.example/v1"), "a.example");
    assert_eq!(host("http://a.example:80/v1"), "a.example");
    assert_eq!(host("http://[::1]:8000/v1"), "[::1]:8000");
    assert_eq!(route("https://a.example/v1"), None);
}
