//! A hard cap holds to the nano-dollar, and is used up, whatever many callers do at once.
//!
//! The provider ignores limits on output, callers retry and leave, and the gateway is killed once in the middle. Once more
//! with long streams whose reservation grows with them: of whole answers no two would fit under the cap.

use crate::{
    client::{self, Ask},
    failure::Failure,
    money::{DOLLAR, Price},
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::time::Duration;

/// About 30 calls of 1,000 tokens fit under the cap, or one of 20,000.
const PRICE: Price = Price { input: 3_000, output: 33_000 };
const CAP: i128 = DOLLAR;
const TRIES_MAX: usize = 4;
const FILL_CALLS_MAX: usize = 2_000;

pub async fn run(options: &Options) -> Result<String, Failure> {
    let whole = race(options, "ignores_output_limit = true", false).await?;
    let growing = race(options, "", true).await?;
    Ok(format!("{whole} growing: {growing}"))
}

/// All callers at once, and whether what they spent is what there was.
async fn race(options: &Options, provider: &str, is_long_stream: bool) -> Result<String, Failure> {
    let clients = if options.is_long { 500 } else { 60 };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("overshoot", options, PRICE, ["", provider])?;
    let key = rig.create_key(Some("1.00"))?;
    rig.start(None).await?;
    let port = rig.port;
    let call = |mut rng: Rng| {
        let key = key.clone();
        tokio::spawn(async move {
            if is_long_stream { stream(port, key, &mut rng).await } else { call(port, key, &mut rng).await }
        })
    };
    let callers: Vec<_> = (0..clients).map(|_| call(Rng::new(rng.next()))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    rig.kill();
    rig.start(None).await?;
    for caller in callers {
        let _ = caller.await;
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    let filled = fill(rig.port, &key).await?;
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    judge(&rig, filled)
}

/// Streams of up to 20,000 tokens.
async fn stream(port: u16, key: String, rng: &mut Rng) {
    for _ in 0..TRIES_MAX {
        let ask = Ask {
            knobs: format!("chunks={},delay={},size=4", 1 + rng.below(9_000), rng.below(2)),
            is_stream: true,
            tokens_max: None,
            leave_after: (rng.below(5) == 0).then(|| Duration::from_millis(rng.below(2_000))),
        };
        if client::send_long(port, &key, &ask).await.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50 + rng.below(300))).await;
    }
}

async fn call(port: u16, key: String, rng: &mut Rng) {
    for _ in 0..TRIES_MAX {
        let knobs = format!("chunks={},delay={},size=40", 1 + rng.below(1000), rng.below(2));
        let ask = Ask {
            knobs,
            is_stream: rng.below(2) == 0,
            tokens_max: (rng.below(2) == 0).then_some(200),
            leave_after: (rng.below(5) == 0).then(|| Duration::from_millis(rng.below(400))),
        };
        if client::send(port, &key, &ask).await.status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50 + rng.below(300))).await;
    }
}

/// Small calls until the cap refuses one.
async fn fill(port: u16, key: &str) -> Result<usize, Failure> {
    let knobs = "chunks=20,honour=1".to_owned();
    let ask = Ask { knobs, is_stream: false, tokens_max: Some(20), leave_after: None };
    for calls in 0..FILL_CALLS_MAX {
        match client::send(port, key, &ask).await.status() {
            200 => {}
            412 => return Ok(calls),
            other => return Err(Failure::new(format!("a small call was answered with status {other}"))),
        }
    }
    Err(Failure::new(format!("{FILL_CALLS_MAX} small calls and the cap refused none")))
}

fn judge(rig: &Rig, filled: usize) -> Result<String, Failure> {
    let (invoice, ledger) = (rig.invoice()?, rig.ledger()?);
    let calls = invoice.attempts.values().flatten();
    let billed: i128 = calls.map(|call| PRICE.of(call.input_tokens, call.output_tokens)).sum();
    let (spend, overages) = (ledger.spend(), ledger.overages());
    let per_mille = spend * 1000 / CAP;
    let line = format!(
        "overshoot_nano={} ledger_overshoot_nano={} overage_rows={overages} utilisation={}.{}% calls={} filled={filled}",
        (billed - CAP).max(0),
        (spend - CAP).max(0),
        per_mille / 10,
        per_mille % 10,
        invoice.attempts.len()
    );
    let holds = billed <= CAP && spend <= CAP && overages == 0 && per_mille >= 950;
    if holds { Ok(line) } else { Err(Failure::new(line)) }
}
