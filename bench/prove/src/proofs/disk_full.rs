//! A full disk refuses new calls, cuts no running one, loses no usage, and is over as soon as there is room.

use crate::{
    client::{self, Ask, Outcome},
    compare,
    failure::{Context, Failure},
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const PRICE: Price = Price { input: 100, output: 400 };
/// Three segments of the journal, 16 MiB each, and the database.
const DISK_MIB: u32 = 96;
/// For each filling: what a segment holds comes into the database and its own log.
const CYCLE_MIB: u32 = 32;
/// Calls carry so much for the record that a segment is used up after some hundred.
const TAGS: usize = 60;
const TAG_BYTES: usize = 2_000;
const CALLS_MAX: usize = 2_000;
const REFUSED_CALLS: usize = 20;
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// What one filling of the disk showed.
#[derive(Default)]
struct Cycle {
    answered: usize,
    refused: usize,
    settled: usize,
    recovery: Duration,
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let cycles = if options.is_long { 10 } else { 1 };
    let mut rig = Rig::new("disk-full", options, PRICE, ["", ""])?;
    rig.limit_data(DISK_MIB + cycles * CYCLE_MIB)?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let mut sum = Cycle::default();
    for number in 0..cycles {
        let cycle = fill_and_free(&mut rig, &key, number % 2 == 1).await?;
        sum.answered += cycle.answered;
        sum.refused += cycle.refused;
        sum.settled += cycle.settled;
        sum.recovery = sum.recovery.max(cycle.recovery);
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let (invoice, ledger) = (rig.invoice()?, rig.ledger()?);
    let found = compare::compare(&invoice, &ledger, PRICE);
    let line = format!(
        "fillings={cycles} refused={} settled_while_full={} recovery_max_ms={} usage_lost={} {}",
        sum.refused,
        sum.settled,
        sum.recovery.as_millis(),
        found.lost,
        found.figures()
    );
    // A refused call that was sent all the same would stand on the invoice.
    let is_complete = invoice.attempts.len() == sum.answered;
    if found.holds() && is_complete && sum.recovery <= RECOVERY_MAX {
        return Ok(line);
    }
    let calls = invoice.attempts.len();
    Err(Failure::new(format!(
        "{line}\n{} calls were answered, {calls} were sent\n{}",
        sum.answered,
        found.offences.join("\n")
    )))
}

async fn fill_and_free(rig: &mut Rig, key: &str, with_kill: bool) -> Result<Cycle, Failure> {
    let mut cycle = Cycle::default();
    rig.disk()?.fill()?;
    let streams = call_until_refused(rig.port, key, &mut cycle).await?;
    refuse_all(rig.port, key, &mut cycle).await?;
    for stream in streams {
        let outcome = stream.await.context("a stream")?;
        match outcome.status() {
            200 if outcome.is_whole() => cycle.settled += 1,
            // It came at the very moment.
            503 => {}
            _ => {
                return Err(Failure::new(format!(
                    "a call was running when the disk was full, and {outcome:?}"
                )));
            }
        }
    }
    cycle.answered += cycle.settled;
    if with_kill {
        rig.kill();
        if rig.start(None).await.is_ok() {
            return Err(Failure::new("it started without room for its journal"));
        }
    }
    rig.disk()?.free()?;
    let freed = Instant::now();
    if with_kill {
        rig.start(None).await?;
    }
    while client::look(rig.port, "/readyz").await.status() != 200 {
        if freed.elapsed() > RECOVERY_MAX {
            return Err(Failure::new(format!("not ready {RECOVERY_MAX:?} after there was room")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cycle.recovery = freed.elapsed();
    for _ in 0..REFUSED_CALLS {
        let outcome = call(rig.port, key).await;
        if !outcome.is_whole() {
            return Err(Failure::new(format!("a call was answered with {} again", outcome.status())));
        }
        cycle.answered += 1;
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    Ok(cycle)
}

/// Calls until the journal has no room; gives the streams that run at that moment.
async fn call_until_refused(
    port: u16,
    key: &str,
    cycle: &mut Cycle,
) -> Result<Vec<JoinHandle<Outcome>>, Failure> {
    let mut streams = Vec::new();
    for number in 0..CALLS_MAX {
        if number % 8 == 0 {
            let ask = ask("chunks=100,delay=20", true);
            let key = key.to_owned();
            streams.push(tokio::spawn(async move { client::send(port, &key, &ask).await }));
        }
        let outcome = call(port, key).await;
        match outcome.status() {
            200 => cycle.answered += 1,
            503 => {
                let (ended, running): (Vec<_>, Vec<_>) =
                    streams.into_iter().partition(JoinHandle::is_finished);
                for stream in ended {
                    let is_whole = stream.await.context("a stream")?.is_whole();
                    cycle.answered += usize::from(is_whole);
                }
                return if running.is_empty() {
                    Err(Failure::new("no call was running when the disk was full"))
                } else {
                    Ok(running)
                };
            }
            other => return Err(Failure::new(format!("a call was answered with status {other}"))),
        }
    }
    Err(Failure::new(format!("the disk was full and {CALLS_MAX} calls were taken")))
}

/// While the disk is full: the gateway says so, and takes nothing.
async fn refuse_all(port: u16, key: &str, cycle: &mut Cycle) -> Result<(), Failure> {
    match client::look(port, "/readyz").await {
        Outcome::Answered { status: 503, text } if text.contains("storage exhausted") => {}
        other => return Err(Failure::new(format!("/readyz while the disk is full: {other:?}"))),
    }
    for number in 0..REFUSED_CALLS {
        let ask = ask("chunks=2", number % 2 == 0);
        match client::send(port, key, &ask).await {
            Outcome::Answered { status: 503, text } if text.contains("storage_exhausted") => {
                cycle.refused += 1;
            }
            other => return Err(Failure::new(format!("a call while the disk is full: {other:?}"))),
        }
    }
    Ok(())
}

fn ask(knobs: &str, is_stream: bool) -> Ask {
    Ask { knobs: knobs.to_owned(), is_stream, tokens_max: Some(200), leave_after: None }
}

/// A plain call whose record is long.
async fn call(port: u16, key: &str) -> Outcome {
    let tag = format!("\"{}\"", "t".repeat(TAG_BYTES));
    let fields = format!("\"signalbox\":{{\"tags\":[{}]}},", vec![tag; TAGS].join(","));
    client::exchange(port, ask("chunks=2", false).request(port, key, &fields)).await
}
