//! Callers who do not read, providers who do not answer and bodies that are too long take bounded memory, and give it
//! back.
//!
//! What a stalled caller makes the provider produce in vain is measured too: it stands on the invoice, and somebody pays.

use crate::{
    client::{self, Ask},
    compare,
    failure::{Context, Failure},
    money::Price,
    process,
    rig::{Options, QUIET_WAIT_MAX, Rig},
};
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

const PRICE: Price = Price { input: 100, output: 400 };
const CONNECTION_KIB_MAX: u64 = 256;
const AFTER_PERCENT_MAX: u64 = 110;
/// What a body may take, in hundredths of its bytes.
const BODY_PERCENT_MAX: u64 = 150;
/// Kernel memory and bytes under way for each caller who does not read, at the most.
const OWED_KIB_MAX: u64 = 2_048;
/// A provider faster than any reader. The gateway asks for no more than the model's context holds.
const FAST: &str = "chunks=100000,size=2000";
const SILENT: &str = "latency=100000";
const CALLER_BUFFER: u32 = 4_096;
const BODY_BYTES: usize = 24 << 20;
const BODIES: usize = 4;

pub async fn run(options: &Options) -> Result<String, Failure> {
    let connections = if options.is_long { 2_000 } else { 100 };
    // Until whatever is fast has filled all buffers.
    let settle = Duration::from_millis(1_500 + 10 * connections as u64);
    process::allow_open_files()?;
    let mut rig = Rig::new("memory", options, PRICE, ["", ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    warm_up(rig.port, &key, connections).await?;
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    let process = rig.gateway.as_ref().map(crate::child::Program::id).unwrap_or_default();
    let base = process::rss_kib(process)?;
    let each = |rss: u64| rss.saturating_sub(base) / connections as u64;

    let kernel_before = process::sockets_kib()?;
    let stalled = open(rig.port, &key, FAST, connections).await?;
    sleep(settle).await;
    let per_stalled = each(process::rss_kib(process)?);
    let kernel = process::sockets_kib()?.saturating_sub(kernel_before) / connections as u64;
    drop(stalled);
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    let owed = produced_kib(&rig)? / connections as u64;

    let slow: Vec<_> = open(rig.port, &key, FAST, connections)
        .await?
        .into_iter()
        .map(|s| tokio::spawn(read_slowly(s)))
        .collect();
    sleep(settle).await;
    let per_slow = each(process::rss_kib(process)?);
    slow.iter().for_each(|reader| reader.abort());
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;

    let silent = open(rig.port, &key, SILENT, connections).await?;
    sleep(settle).await;
    let per_silent = each(process::rss_kib(process)?);
    drop(silent);
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;

    let refused = refuse_long_bodies(rig.port, &key).await?;
    let before_bodies = process::rss_kib(process)?;
    let bodies = hold_bodies(rig.port, &key).await?;
    sleep(settle).await;
    let body_kib = ((BODIES * BODY_BYTES) >> 10) as u64;
    let body_percent = process::rss_kib(process)?.saturating_sub(before_bodies) * 100 / body_kib;
    drop(bodies);
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    // The allocator gives memory back while it is used.
    for _ in 0..10 {
        warm_up(rig.port, &key, connections.min(100)).await?;
    }
    sleep(settle).await;
    let (after, peak) = (process::rss_kib(process)?, process::rss_peak_kib(process)?);
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let books = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "connections={connections} rss_per_stalled_stream_kib={per_stalled} rss_per_slow_stream_kib={per_slow} \
         rss_per_silent_call_kib={per_silent} kernel_kib_per_stalled_stream={kernel} owed_kib_per_stalled_stream={owed} \
         body_percent={body_percent} refused_unread={refused} rss_base_mib={} rss_peak_mib={} rss_after_mib={} lost={}",
        base >> 10,
        peak >> 10,
        after >> 10,
        books.lost
    );
    let is_bounded = per_stalled.max(per_slow).max(per_silent) <= CONNECTION_KIB_MAX
        && kernel.max(owed) <= OWED_KIB_MAX
        && body_percent <= BODY_PERCENT_MAX;
    let is_given_back = after <= base * AFTER_PERCENT_MAX / 100;
    if is_bounded && is_given_back && books.lost + books.duplicated + books.invented == 0 {
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\n{}", books.offences.join("\n"))))
}

/// As many calls at once as will be measured, so that what is made once for each is made.
async fn warm_up(port: u16, key: &str, calls: usize) -> Result<(), Failure> {
    let ask = Ask {
        knobs: "chunks=20,delay=5".to_owned(),
        is_stream: true,
        tokens_max: Some(50),
        leave_after: None,
    };
    let calls: Vec<_> = (0..calls)
        .map(|_| {
            let (key, ask) = (key.to_owned(), ask.clone());
            tokio::spawn(async move { client::send(port, &key, &ask).await })
        })
        .collect();
    for call in calls {
        let outcome = call.await.context("a call")?;
        if !outcome.is_whole() {
            return Err(Failure::new(format!("a call failed with status {}", outcome.status())));
        }
    }
    Ok(())
}

/// Callers who have asked and read nothing.
async fn open(port: u16, key: &str, knobs: &str, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let ask = Ask { knobs: knobs.to_owned(), is_stream: true, tokens_max: Some(1_000), leave_after: None };
    let request = ask.request(port, key, "");
    let mut callers = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = TcpSocket::new_v4().context("a socket")?;
        socket.set_recv_buffer_size(CALLER_BUFFER).context("a socket")?;
        let mut caller = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.context("connecting")?;
        caller.write_all(request.as_bytes()).await.context("sending")?;
        callers.push(caller);
    }
    Ok(callers)
}

async fn read_slowly(mut caller: TcpStream) {
    let mut piece = [0; 256];
    while caller.read(&mut piece).await.is_ok_and(|read| read > 0) {
        sleep(Duration::from_millis(250)).await;
    }
}

/// What the provider has produced for calls that ended early, in KiB.
fn produced_kib(rig: &Rig) -> Result<u64, Failure> {
    let mut chunks = 0;
    for line in rig.invoice_text()?.lines() {
        let value: serde_json::Value = serde_json::from_str(line).context("a line of the invoice")?;
        if value["ended"] == "aborted" {
            chunks += value["output_tokens"].as_u64().unwrap_or(0);
        }
    }
    Ok((chunks * 2_000) >> 10)
}

/// Bodies that say they are too long are refused before a byte of them is sent.
async fn refuse_long_bodies(port: u16, key: &str) -> Result<usize, Failure> {
    let mut refused = 0;
    for length in [1_u64 << 26, 1 << 30, 1 << 40] {
        let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-length: {length}\r\n\r\n"
        );
        caller.write_all(head.as_bytes()).await.context("sending")?;
        let mut answer = [0; 12];
        let read = timeout(Duration::from_secs(2), caller.read_exact(&mut answer)).await;
        let is_refused = matches!(read, Ok(Ok(_))) && answer.ends_with(b" 413");
        if !is_refused {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(Failure::new(format!("a body of {length} bytes was not refused at once: {answer}")));
        }
        refused += 1;
    }
    Ok(refused)
}

/// Long bodies of calls that nobody answers.
async fn hold_bodies(port: u16, key: &str) -> Result<Vec<TcpStream>, Failure> {
    let text = "x".repeat(BODY_BYTES);
    let ask = Ask { knobs: SILENT.to_owned(), is_stream: true, tokens_max: Some(10), leave_after: None };
    let request = ask.request(port, key, &format!("\"metadata\":{{\"x\":\"{text}\"}},"));
    let mut callers = Vec::new();
    for _ in 0..BODIES {
        let mut caller = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
        caller.write_all(request.as_bytes()).await.context("sending")?;
        callers.push(caller);
    }
    Ok(callers)
}
