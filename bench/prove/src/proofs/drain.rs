//! A gateway told to stop says so first, finishes what can finish, says so where it cannot, and loses no usage.
//!
//! Told twice, it does not wait for what can finish.

use crate::{
    client::{self, Ask, Outcome},
    compare,
    failure::Failure,
    money::Price,
    rig::{Options, Rig},
};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const PRICE: Price = Price { input: 100, output: 400 };
/// Streams of ten seconds cannot finish, calls of one second can.
const SETTINGS: &str = "[timeouts]\ndrain_delay_seconds = 1\ndrain_seconds = 3\n";
const LONG: &str = "chunks=200,delay=50";
const QUICK: &str = "chunks=20,delay=50";
const EXIT_MAX: Duration = Duration::from_millis(5_500);
/// A second signal: running calls look for it once a second.
const EXIT_AGAIN_MAX: Duration = Duration::from_millis(2_500);
/// Calls run by then.
const UNDER_WAY: Duration = Duration::from_millis(400);
/// From the signal to the first look that finds it not ready: well within the delay.
const NOTICE_MAX: Duration = Duration::from_millis(500);

pub async fn run(options: &Options) -> Result<String, Failure> {
    let once = told_once(options).await?;
    let twice = told_twice(options).await?;
    Ok(format!("{once} {twice}"))
}

/// Whether it may be cut, and what came of it.
type Caller = JoinHandle<(bool, Outcome)>;

fn call(rig: &Rig, key: &str, knobs: &str, is_stream: bool) -> Caller {
    let ask = Ask { knobs: knobs.to_owned(), is_stream, tokens_max: Some(500), leave_after: None };
    let (port, key, is_long) = (rig.port, key.to_owned(), knobs == LONG);
    tokio::spawn(async move { (is_long, client::send(port, &key, &ask).await) })
}

/// How the callers fared.
#[derive(Default)]
struct Fates {
    failed: usize,
    cut: usize,
    silent: usize,
}

impl Fates {
    async fn of(callers: Vec<Caller>) -> Fates {
        let mut fates = Fates::default();
        for caller in callers {
            match caller.await {
                Ok((true, outcome)) if has_error_event(&outcome) => fates.cut += 1,
                Ok((true, _)) => fates.silent += 1,
                Ok((false, outcome)) => fates.failed += usize::from(!outcome.is_whole()),
                Err(_) => fates.failed += 1,
            }
        }
        fates
    }
}

async fn stop(mut rig: Rig, wait_max: Duration) -> Result<(Result<Duration, Failure>, Rig), Failure> {
    tokio::task::spawn_blocking(move || (rig.stop(wait_max), rig))
        .await
        .map_err(|error| Failure::new(error.to_string()))
}

/// Not ready at once, serving during the delay, then to the deadline and no further.
async fn told_once(options: &Options) -> Result<String, Failure> {
    let clients = if options.is_long { 300 } else { 40 };
    let mut rig = Rig::new("drain", options, PRICE, [SETTINGS, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    // Every fourth is a stream that takes longer than the deadline; the others end within it.
    let mut callers: Vec<Caller> = (0..clients)
        .map(|number| match number % 4 {
            0 => call(&rig, &key, LONG, true),
            quarter => call(&rig, &key, QUICK, quarter == 2),
        })
        .collect();
    tokio::time::sleep(UNDER_WAY).await;
    // Made before the signal, sent after it: as if a load balancer had not noticed yet.
    let (port, late_key) = (rig.port, key.clone());
    let late = tokio::spawn(async move {
        let noticed = unready(port).await;
        let ask = Ask { knobs: QUICK.to_owned(), is_stream: true, tokens_max: Some(500), leave_after: None };
        (noticed, client::send(port, &late_key, &ask).await)
    });
    let (stopped, rig) = stop(rig, EXIT_MAX).await?;
    let (noticed, outcome) = late.await.map_err(|error| Failure::new(error.to_string()))?;
    callers.push(tokio::spawn(async move { (false, outcome) }));
    let Fates { failed, cut, silent } = Fates::of(callers).await;
    let exit = stopped?;
    rig.verify()?;
    let found = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "unready_ms={} failed={failed} cut_with_error_event={cut} cut_in_silence={silent} usage_lost={} exit_s={:.1}",
        noticed.map_or("never".to_owned(), |noticed| noticed.as_millis().to_string()),
        found.lost,
        exit.as_secs_f64()
    );
    let holds = failed == 0
        && silent == 0
        && found.holds()
        && found.billed > 0
        && noticed.is_some_and(|noticed| noticed <= NOTICE_MAX);
    if holds { Ok(line) } else { Err(Failure::new(format!("{line}\n{}", found.offences.join("\n")))) }
}

/// Time until the gateway answers that it is not ready; nothing when it stops answering before.
async fn unready(port: u16) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < EXIT_MAX {
        match client::look(port, "/readyz").await.status() {
            503 => return Some(begun.elapsed()),
            200 => tokio::time::sleep(Duration::from_millis(2)).await,
            _ => return None,
        }
    }
    None
}

/// All calls could finish in time, and nobody waits for them.
async fn told_twice(options: &Options) -> Result<String, Failure> {
    let clients = if options.is_long { 300 } else { 40 };
    let patient = SETTINGS.replace("drain_seconds = 3", "drain_seconds = 60");
    let mut rig = Rig::new("drain-again", options, PRICE, [&patient, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let callers: Vec<Caller> = (0..clients).map(|_| call(&rig, &key, LONG, true)).collect();
    tokio::time::sleep(UNDER_WAY).await;
    rig.ask_to_stop();
    // In the middle of the delay.
    tokio::time::sleep(UNDER_WAY).await;
    let (stopped, rig) = stop(rig, EXIT_AGAIN_MAX).await?;
    let Fates { failed, cut, silent } = Fates::of(callers).await;
    let exit = stopped?;
    rig.verify()?;
    let found = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "again_cut_with_error_event={cut} again_cut_in_silence={silent} again_usage_lost={} again_exit_s={:.1}",
        found.lost,
        exit.as_secs_f64()
    );
    let holds = failed == 0 && silent == 0 && found.holds() && found.billed > 0;
    if holds { Ok(line) } else { Err(Failure::new(format!("{line}\n{}", found.offences.join("\n")))) }
}

fn has_error_event(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answered { text, .. } => text.contains("data: {\"error\""),
        Outcome::Failed | Outcome::Left => false,
    }
}
