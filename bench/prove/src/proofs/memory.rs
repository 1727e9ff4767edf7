//! Callers who do not read, providers who do not answer and bodies that are too long take bounded memory, and give it
//! back.
//!
//! What a stalled caller makes the provider produce in vain is measured too: it stands on the invoice, and somebody pays.

mod bodies;
mod floods;

use crate::{
    client::{self, Ask},
    compare,
    failure::{Context, Failure},
    money::Price,
    process,
    rig::{Options, QUIET_WAIT_MAX, Rig},
};
use bodies::Kind;
use std::{net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

const PRICE: Price = Price { input: 100, output: 400 };
const CONNECTION_KIB_MAX: u64 = 256;
const AFTER_PERCENT_MAX: u64 = 110;
/// Kernel memory and bytes under way for each caller who does not read, at the most.
const OWED_KIB_MAX: u64 = 2_048;
/// A provider faster than any reader. The gateway asks for no more than the model's context holds.
const FAST: &str = "chunks=100000,size=2000";
const SILENT: &str = "latency=100000";
const CALLER_BUFFER: u32 = 4_096;
/// Until all calls have been read, by a debug build, and have reached the provider.
const ARRIVAL_WAIT_MAX: Duration = Duration::from_secs(120);
const KINDS: [(Kind, &str); 7] = [
    (Kind::Picture, "picture"),
    (Kind::ChunkedPicture, "chunked"),
    (Kind::Words, "words"),
    (Kind::TranslatedPicture, "translated_picture"),
    (Kind::TranslatedWords, "translated_words"),
    (Kind::TranslatedTalk, "translated_talk"),
    (Kind::TalkForAnthropic, "talk_for_anthropic"),
];
/// 256 KiB for each connection of a flood, and 2 MiB for the allocator.
const FLOOD_KIB_MAX: u64 = floods::CONNECTIONS as u64 * CONNECTION_KIB_MAX + 2_048;
/// For the threads that work on long bodies to end, which is ten seconds after their last one.
const GIVEN_BACK_WAIT: Duration = Duration::from_secs(12);

pub async fn run(options: &Options) -> Result<String, Failure> {
    // As many bodies as are let in at once, and fewer.
    let (connections, bodies) = if options.is_long { (2_000, 7) } else { (100, 4) };
    // Until whatever is fast has filled all buffers.
    let settle = Duration::from_millis(1_500 + 10 * connections as u64);
    process::allow_open_files()?;
    let mut rig = Rig::new("memory", options, PRICE, ["", ""])?;
    rig.add_settings(&bodies::second_provider(&rig, PRICE))?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    warm_up(rig.port, &key, connections).await?;
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    sleep(settle).await;
    let process = rig.gateway.as_ref().map(crate::child::Program::id).unwrap_or_default();
    let base = process::rss_kib(process)?;
    let scene = Scene { rig: &rig, process, key: &key };

    let (connections_line, are_connections_bounded) = scene.connections(connections, base, settle).await?;
    let mut peak = process::rss_peak_kib(process)?;
    let refused = bodies::refuse_long(rig.port, &key).await?
        + bodies::refuse_too_many(&rig, &key).await?
        + floods::refuse_heads(rig.port, &key).await?;
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    sleep(settle).await;
    let (bodies_line, are_bodies_bounded) = scene.bodies(bodies, &mut peak).await?;
    let (floods_line, are_floods_bounded) = scene.floods().await?;
    sleep(settle + GIVEN_BACK_WAIT).await;
    let after = process::rss_kib(process)?;
    peak = peak.max(process::rss_peak_kib(process)?);
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let books = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "connections={connections} {connections_line} {bodies_line}refused={refused} {floods_line} rss_base_mib={} \
         rss_peak_mib={} rss_after_mib={} lost={}",
        base >> 10,
        peak >> 10,
        after >> 10,
        books.lost
    );
    let is_given_back = after <= base * AFTER_PERCENT_MAX / 100;
    let is_bounded = are_connections_bounded && are_bodies_bounded && are_floods_bounded;
    if is_bounded && is_given_back && books.lost + books.duplicated + books.invented == 0 {
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\n{}", books.offences.join("\n"))))
}

/// What is measured. Each part gives its figures, and whether they are within their bounds.
struct Scene<'a> {
    rig: &'a Rig,
    process: u32,
    key: &'a str,
}

impl Scene<'_> {
    /// Callers who read nothing, who read slowly, and who wait for a provider that says nothing.
    async fn connections(
        &self,
        count: usize,
        base: u64,
        settle: Duration,
    ) -> Result<(String, bool), Failure> {
        let each = |rss: u64| rss.saturating_sub(base) / count as u64;
        let kernel_before = process::sockets_kib()?;
        let stalled = open(self.rig, self.key, FAST, count).await?;
        sleep(settle).await;
        let per_stalled = each(process::rss_kib(self.process)?);
        let kernel = process::sockets_kib()?.saturating_sub(kernel_before) / count as u64;
        drop(stalled);
        self.rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
        let owed = produced_kib(self.rig)? / count as u64;

        let slow: Vec<_> = open(self.rig, self.key, FAST, count)
            .await?
            .into_iter()
            .map(|s| tokio::spawn(read_slowly(s)))
            .collect();
        sleep(settle).await;
        let per_slow = each(process::rss_kib(self.process)?);
        slow.iter().for_each(|reader| reader.abort());
        self.rig.wait_until_quiet(QUIET_WAIT_MAX).await?;

        let silent = open(self.rig, self.key, SILENT, count).await?;
        sleep(settle).await;
        let per_silent = each(process::rss_kib(self.process)?);
        drop(silent);
        self.rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
        let line = format!(
            "rss_per_stalled_stream_kib={per_stalled} rss_per_slow_stream_kib={per_slow} \
             rss_per_silent_call_kib={per_silent} kernel_kib_per_stalled_stream={kernel} \
             owed_kib_per_stalled_stream={owed}"
        );
        let most = per_stalled.max(per_slow).max(per_silent);
        Ok((line, most <= CONNECTION_KIB_MAX && kernel.max(owed) <= OWED_KIB_MAX))
    }

    /// Long bodies of every kind.
    async fn bodies(&self, count: usize, peak: &mut u64) -> Result<(String, bool), Failure> {
        let (mut line, mut is_bounded) = (String::new(), true);
        for (kind, name) in KINDS {
            *peak = (*peak).max(process::rss_peak_kib(self.process)?);
            if kind.is_talk() {
                // What they keep of the bodies before would be used again, and hide what these take.
                sleep(GIVEN_BACK_WAIT).await;
            }
            let taken = bodies::measure(self.rig, self.process, self.key, kind, count).await?;
            is_bounded &= taken.peak.max(taken.held) <= bodies::PERCENT_MAX;
            line += &format!("{name}_peak_percent={} {name}_held_percent={} ", taken.peak, taken.held);
        }
        *peak = (*peak).max(process::rss_peak_kib(self.process)?);
        Ok((line, is_bounded))
    }

    /// Frames of HTTP/2 that cost their senders little.
    async fn floods(&self) -> Result<(String, bool), Failure> {
        process::forget_peak(self.process)?;
        let before = process::rss_kib(self.process)?;
        let (port, key) = (self.rig.port, self.key);
        let frames = floods::reset_streams(port, key).await? + floods::empty_frames(port, key).await?;
        let grown = process::rss_peak_kib(self.process)?.saturating_sub(before);
        self.rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
        Ok((format!("flood_frames={frames} flood_kib={grown}"), grown <= FLOOD_KIB_MAX))
    }
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
async fn open(rig: &Rig, key: &str, knobs: &str, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let port = rig.port;
    let arrived_before = arrived(rig)?;
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
    until_arrived(rig, arrived_before + count).await?;
    Ok(callers)
}

/// Calls that have arrived whole at the provider, since the beginning.
fn arrived(rig: &Rig) -> Result<usize, Failure> {
    Ok(rig.invoice_text()?.lines().filter(|line| line.contains("\"event\":\"begin\"")).count())
}

/// Waits for so many calls: of one that is cut before, the provider knows nothing and the gateway does.
async fn until_arrived(rig: &Rig, count: usize) -> Result<(), Failure> {
    let begun = Instant::now();
    while arrived(rig)? < count {
        if begun.elapsed() > ARRIVAL_WAIT_MAX {
            return Err(Failure::new("not all calls have reached the provider"));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
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
