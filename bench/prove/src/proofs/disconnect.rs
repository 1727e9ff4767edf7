//! A caller who leaves ends the provider's call within 50 ms, and what was produced until then is charged.
//!
//! Callers leave at every place of an answer in every way there is. When they left is taken here, when the provider
//! saw its connection closed stands on the invoice.

use crate::{
    client::Ask,
    clock::monotonic_ns,
    compare,
    failure::{Context, Failure},
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use serde_json::Value;
use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const PRICE: Price = Price { input: 100, output: 400 };
/// What the provider never ends by itself, the gateway ends after these; a caller who was missed shows in the figures.
const SETTINGS: &str = "[timeouts]\nidle_seconds = 2\nfirst_event_seconds = 2\ntotal_seconds = 4\n";
const CANCEL_P99_MAX: Duration = Duration::from_millis(50);
/// Callers at a time: few enough that the machine's own delays stay far below the limit.
const CALLERS: usize = 4;
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Where in its answer a caller leaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    BeforeHead,
    BeforePlainAnswer,
    MidStream,
    SilentGap,
    /// The last token is there, the stream's end is not.
    AfterLastToken,
}

/// How.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Way {
    Close,
    Reset,
    /// The caller closes its side and still reads.
    HalfClose,
    /// A byte of a next request came in one piece with this one.
    ByteThenClose,
    /// Two pieces of a next request came later, then the caller left.
    BytesThenClose,
}

const PLACES: [Place; 5] =
    [Place::BeforeHead, Place::BeforePlainAnswer, Place::MidStream, Place::SilentGap, Place::AfterLastToken];
const WAYS: [Way; 5] = [Way::Close, Way::Reset, Way::HalfClose, Way::ByteThenClose, Way::BytesThenClose];

impl Place {
    /// The simulator's knobs, and how many events to read before leaving: the first one has no token.
    fn answer(self) -> (&'static str, usize) {
        match self {
            Place::BeforeHead | Place::BeforePlainAnswer => ("latency=10000", 0),
            Place::MidStream => ("chunks=900,delay=5", 4),
            Place::SilentGap => ("chunks=20,fault=stall,after=2", 3),
            Place::AfterLastToken => ("chunks=5,fault=stall,after=5", 6),
        }
    }
}

/// One caller.
#[derive(Clone, Copy)]
struct Leaver {
    place: Place,
    way: Way,
    tag: u64,
    pause: Duration,
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let times = if options.is_long { 200 } else { 6 };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("disconnect", options, PRICE, [SETTINGS, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let mut leavers = Vec::new();
    for _ in 0..times {
        for (place, way) in PLACES.into_iter().flat_map(|place| WAYS.map(|way| (place, way))) {
            let tag = leavers.len() as u64 + 1;
            leavers.push(Leaver { place, way, tag, pause: Duration::from_millis(30 + rng.below(30)) });
        }
    }
    let mut left = BTreeMap::new();
    for group in leavers.chunks(CALLERS) {
        let callers: Vec<_> =
            group.iter().map(|&leaver| tokio::spawn(leave(rig.port, key.clone(), leaver))).collect();
        for (caller, leaver) in callers.into_iter().zip(group) {
            let at = caller.await.context("a caller")?;
            left.insert(leaver.tag, at.map_err(|failure| said(leaver, &failure.to_string()))?);
        }
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    judge(&rig, &leavers, &left)
}

fn said(leaver: &Leaver, what: &str) -> Failure {
    Failure::new(format!("{:?} by {:?}: {what}", leaver.place, leaver.way))
}

/// Calls, leaves, and gives the instant of leaving.
async fn leave(port: u16, key: String, leaver: Leaver) -> Result<u64, Failure> {
    let (knobs, events) = leaver.place.answer();
    let ask = Ask {
        knobs: format!("{knobs},tag={}", leaver.tag),
        is_stream: leaver.place != Place::BeforePlainAnswer,
        tokens_max: Some(900),
        leave_after: None,
    };
    let mut request = ask.request(port, &key, "");
    if leaver.way == Way::ByteThenClose {
        request.push('P');
    }
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("connecting")?;
    socket.set_nodelay(true).context("a socket option")?;
    socket.write_all(request.as_bytes()).await.context("sending")?;
    read_events(&mut socket, events).await?;
    if leaver.way == Way::BytesThenClose {
        for piece in [b"PO", b"ST"] {
            sleep(Duration::from_millis(10)).await;
            socket.write_all(piece).await.context("sending more")?;
        }
    }
    if events == 0 || leaver.place == Place::SilentGap {
        sleep(leaver.pause).await;
    }
    let now = monotonic_ns();
    match leaver.way {
        Way::Close | Way::ByteThenClose | Way::BytesThenClose => drop(socket),
        Way::Reset => {
            socket.set_zero_linger().context("a socket option")?;
            drop(socket);
        }
        Way::HalfClose => {
            socket.shutdown().await.context("closing one side")?;
            // The gateway closes the other side, or the time limit does.
            let _ = timeout(WAIT_MAX, socket.read_to_end(&mut Vec::new())).await;
        }
    }
    Ok(now)
}

async fn read_events(socket: &mut TcpStream, events: usize) -> Result<(), Failure> {
    let mut answer = Vec::new();
    let reading = async {
        while answer.windows(6).filter(|bytes| bytes == b"data: ").count() < events {
            if socket.read_buf(&mut answer).await.context("reading")? == 0 {
                return Err(Failure::new(format!("ended: {}", String::from_utf8_lossy(&answer))));
            }
        }
        Ok(())
    };
    timeout(WAIT_MAX, reading).await.context("events")?
}

/// A call's end on the invoice.
struct End {
    attempt: String,
    at_ns: u64,
    produced: u64,
    input: u64,
}

fn ends(text: &str) -> Result<BTreeMap<u64, End>, Failure> {
    let mut ends = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).context("a line of the invoice")?;
        let number = |name: &str| value[name].as_u64().unwrap_or_default();
        if value["event"] == "end" {
            let attempt = value["attempt"].as_str().unwrap_or_default().to_owned();
            let (produced, input) = (number("output_tokens"), number("input_tokens"));
            ends.insert(number("tag"), End { attempt, at_ns: number("at_ns"), produced, input });
        }
    }
    Ok(ends)
}

fn judge(rig: &Rig, leavers: &[Leaver], left: &BTreeMap<u64, u64>) -> Result<String, Failure> {
    let (ends, ledger) = (ends(&rig.invoice_text()?)?, rig.ledger()?);
    let found = compare::compare(&rig.invoice()?, &ledger, PRICE);
    let (mut all, mut worst) = (Vec::new(), BTreeMap::new());
    let (mut unmetered, mut short_tokens_max) = (0, 0);
    for leaver in leavers {
        let Some(end) = ends.get(&leaver.tag) else {
            return Err(said(leaver, "the provider was never called"));
        };
        let at = left.get(&leaver.tag).copied().unwrap_or_default();
        let took = Duration::from_nanos(end.at_ns.saturating_sub(at));
        all.push(took);
        let place = worst.entry((leaver.place, leaver.way)).or_insert(took);
        *place = took.max(*place);
        let rows = ledger.0.get(&end.attempt).map_or(&[][..], Vec::as_slice);
        let charged: i128 = rows.iter().map(|row| row.amount).sum();
        // What was under way to the gateway when it closed is the only thing it may miss.
        let missing = PRICE.of(end.input, end.produced) - charged;
        unmetered += usize::from(charged == 0);
        short_tokens_max = short_tokens_max.max(missing / PRICE.output);
    }
    all.sort_unstable();
    let at = |part: usize| all.get((all.len() * part / 100).min(all.len().saturating_sub(1))).copied();
    let p99 = at(99).unwrap_or(Duration::MAX);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let line = format!(
        "cancel_p50_ms={:.1} cancel_p99_ms={:.1} calls={} places={} ways={} unmetered={unmetered} \
         metered_short_tokens_max={short_tokens_max} lost={}",
        ms(at(50).unwrap_or(Duration::MAX)),
        ms(p99),
        all.len(),
        PLACES.len(),
        WAYS.len(),
        found.lost
    );
    if p99 <= CANCEL_P99_MAX && unmetered == 0 && short_tokens_max <= 1 && found.holds() {
        return Ok(line);
    }
    let slow = worst.iter().filter(|(_, took)| **took > CANCEL_P99_MAX);
    let slow: Vec<String> = slow.map(|(case, took)| format!("{case:?} {:.0} ms", ms(*took))).collect();
    Err(Failure::new(format!("{line}\n{}\n{}", slow.join("\n"), found.offences.join("\n"))))
}
