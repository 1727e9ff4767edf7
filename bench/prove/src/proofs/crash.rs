//! Exactly one ledger outcome for every billed call, whenever the gateway is killed.
//!
//! Half of the rounds kill it after a random time, half at a named point of its own. A point that is not hit within the
//! round's time, or that this build does not know, becomes a kill after that time.

use crate::{
    client::{self, Ask},
    compare,
    failure::Failure,
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

const POINTS: [&str; 11] = [
    "before_intent",
    "after_intent",
    "after_head",
    "between_chunks",
    "before_terminal",
    "after_terminal",
    "before_apply",
    "inside_apply",
    "after_apply",
    "during_recovery",
    "before_rotate",
];
const SIGABRT: i32 = 6;
const ROUND_MS_MAX: u64 = 700;
const PRICE: Price = Price { input: 100, output: 400 };

pub async fn run(options: &Options) -> Result<String, Failure> {
    let (rounds, clients) = if options.is_long { (500, 32) } else { (12, 8) };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("crash", options, PRICE, ["", ""])?;
    let key = rig.create_key(None)?;
    let mut at_points = 0;
    for round in 0..rounds {
        let point = POINTS[rng.below(POINTS.len() as u64) as usize];
        // Points of the start are met once; the others many times.
        let count = if point == "during_recovery" { 1 } else { 1 + rng.below(20) };
        let failpoint = (round % 2 == 1).then(|| format!("{point}:{count}"));
        at_points += usize::from(kill_once(&mut rig, &key, clients, failpoint.as_deref(), &mut rng).await?);
    }
    rig.start(None).await?;
    let resolved = rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let found = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "{} kills={rounds} at_points={at_points} resolved_s={:.1}",
        found.figures(),
        resolved.as_secs_f64()
    );
    if found.billed == 0 {
        return Err(Failure::new(format!("{line}\nnothing was billed, so nothing is proved")));
    }
    if at_points == 0 {
        return Err(Failure::new(format!("{line}\nno named point was met: is it a debug build?")));
    }
    if found.holds() { Ok(line) } else { Err(Failure::new(format!("{line}\n{}", found.offences.join("\n")))) }
}

/// One round; tells whether the gateway ended itself.
async fn kill_once(
    rig: &mut Rig,
    key: &str,
    clients: u64,
    failpoint: Option<&str>,
    rng: &mut Rng,
) -> Result<bool, Failure> {
    rig.start(failpoint).await?;
    let end = Instant::now() + Duration::from_millis(20 + rng.below(ROUND_MS_MAX));
    let callers: Vec<_> = (0..2 * clients)
        .map(|number| {
            let (port, key, rng) = (rig.port, key.to_owned(), Rng::new(rng.next()));
            tokio::spawn(call_until(end, port, key, number % 2 == 0, rng))
        })
        .collect();
    let mut status = None;
    while Instant::now() < end && status.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
        status = rig.gateway.as_mut().and_then(|gateway| gateway.ended());
    }
    // At a point of its own it aborts; any other end is a fault.
    let aborted = status.is_some_and(|status| status.signal() == Some(SIGABRT));
    if let Some(status) = status.filter(|_| !aborted) {
        return Err(Failure::new(format!("the gateway ended by itself ({status})")));
    }
    rig.kill();
    for caller in callers {
        // A caller that panicked made no calls; the books do not depend on it.
        let _ = caller.await;
    }
    Ok(aborted)
}

async fn call_until(end: Instant, port: u16, key: String, is_stream: bool, mut rng: Rng) {
    while Instant::now() < end {
        let knobs = format!("chunks={},delay={},latency={}", 1 + rng.below(30), rng.below(8), rng.below(20));
        let ask = Ask { knobs, is_stream, tokens_max: Some(100), leave_after: None };
        if client::send(port, &key, &ask).await.status() == 0 {
            // The gateway is gone: no point in asking faster than this.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
