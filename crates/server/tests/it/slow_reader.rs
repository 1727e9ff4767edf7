//! Callers who do not read: the gateway holds a bounded amount for them and stops reading the provider.

use crate::support::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// More than all buffers between provider and caller hold together.
const MUCH: usize = 32 << 20;
/// What kernel buffers on both sides and the gateway itself may hold.
const HELD_MAX: usize = 20 << 20;

fn event(bytes: usize) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "~".repeat(bytes)
    )
}

/// A caller with small buffers who has sent a streamed chat and reads nothing yet.
async fn lazy_caller(app: &App) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(app.address).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{CHAT_STREAM}",
        CHAT_STREAM.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Waits until the provider cannot write any more: how much it has written.
async fn stalled(upstream: &Upstream) -> usize {
    let mut last = (0, 0);
    wait_until("the provider is held back", || {
        let written = upstream.calls().first().map_or(0, |call| call.written);
        last = if written == last.0 { (written, last.1 + 1) } else { (written, 0) };
        // So many looks without progress, two milliseconds each.
        last.1 > 60 && written > 0
    })
    .await;
    last.0
}

#[tokio::test]
async fn a_caller_who_pauses_holds_the_provider_back_and_gets_every_byte() {
    let piece = event(64 * 1024);
    let count = MUCH / piece.len();
    let upstream = Upstream::start([Answer::stream()
        .raw(format!("{:x}\r\n", count * piece.len()).as_bytes())
        .raw(piece.repeat(count).as_bytes())
        .raw(b"\r\n")
        .frames(&CHAT_FRAMES[3..])
        .end()])
    .await;
    let app = App::start(&provider("openai", &upstream)).await;
    let mut caller = lazy_caller(&app).await;
    let written = stalled(&upstream).await;
    assert!(written < HELD_MAX, "{written} bytes were taken from the provider");
    let mut all = Vec::new();
    caller.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.iter().filter(|byte| **byte == b'~').count(), 64 * 1024 * count);
    assert!(String::from_utf8_lossy(&all[all.len() - 200..]).contains("[DONE]"));
    assert!(all.ends_with(b"0\r\n\r\n"));
    drop(caller);
    assert_eq!(app.finish_one().await["outcome"], "success");
}

#[tokio::test]
async fn a_caller_who_never_reads_is_given_up() {
    let upstream =
        Upstream::start([Answer::stream().piece(event(64 * 1024).repeat(MUCH >> 16).as_bytes()).end()]).await;
    let app =
        App::with(&provider("openai", &upstream), |limits| limits.write_stall = Duration::from_millis(300))
            .await;
    let mut caller = lazy_caller(&app).await;
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let record = &app.recorded(1).await[0];
    assert_eq!(record["outcome"], "client_gone");
    assert!(record["output_tokens"].as_i64() > Some(0));
    // What waited for it may still be read, but it does not look whole.
    let mut all = Vec::new();
    let _ = caller.read_to_end(&mut all).await;
    assert!(!all.ends_with(b"0\r\n\r\n"));
    drop(caller);
    app.finish_one().await;
}

/// From now on nothing that is sent to this socket arrives, and nothing is answered.
#[cfg(target_os = "linux")]
fn vanish(caller: &socket2::Socket) -> std::io::Result<()> {
    const RETURN: u16 = 6;
    caller.attach_filter(&[socket2::SockFilter::new(RETURN, 0, 0, 0)])
}

/// Most machines let everyone filter what a socket receives, some only root.
#[cfg(target_os = "linux")]
#[expect(clippy::print_stderr, reason = "a test that cannot be carried out is not silent about it")]
fn may_vanish() -> bool {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    match vanish(&socket) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("not tested: socket filters are not permitted here");
            false
        }
        attached => attached.map(|()| true).unwrap(),
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_caller_whose_host_vanishes_is_given_up_though_little_is_sent() {
    if !may_vanish() {
        return;
    }
    let upstream = Upstream::start([Answer::stream()
        .frames(&CHAT_FRAMES[..2])
        .gate()
        .frames(&CHAT_FRAMES[2..3])
        .hang()])
    .await;
    let app =
        App::with(&provider("openai", &upstream), |limits| limits.write_stall = Duration::from_millis(300))
            .await;
    let mut caller = lazy_caller(&app).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("Hello") {
        caller.read_buf(&mut seen).await.unwrap();
    }
    vanish(&socket2::SockRef::from(&caller)).unwrap();
    upstream.open_gate();
    assert_eq!(upstream.ended().await, Ended::Cancelled);
    let record = &app.recorded(1).await[0];
    assert_eq!(record["outcome"], "client_gone");
    assert!(record["output_tokens"].as_i64() > Some(0), "{record}");
    drop(caller);
    app.finish_one().await;
}

#[tokio::test]
async fn a_caller_who_stops_reading_just_before_the_end_is_given_up() {
    // One event of this size waits in the connection, the other in the gateway: the end has no room.
    let big = event(7 << 20);
    let body = [big.as_str(), &big, CHAT_FRAMES[3], CHAT_FRAMES[5]].concat();
    let upstream = Upstream::start([Answer::stream().piece(body.as_bytes()).end()]).await;
    let app =
        App::with(&provider("openai", &upstream), |limits| limits.write_stall = Duration::from_millis(300))
            .await;
    let caller = lazy_caller(&app).await;
    upstream.called(1).await;
    let record = app.recorded(1).await.remove(0);
    assert!(record["output_tokens"].as_i64() > Some(1_000_000), "{record}");
    drop(caller);
    app.finish_one().await;
}
