//! Steps of the wall clock cut no call, lose no hold, open no window twice and give no rate back early.
//!
//! The clock is stepped by an hour and by 61 seconds, both ways, at noon and on both sides of midnight, while calls
//! run. Budgets are used up before, so that whatever a step gives back shows as a call that is let through.

use crate::{
    client::{self, Ask, Outcome},
    compare,
    failure::{Context, Failure},
    faketime::{Clock, DAY_S},
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
};
use std::time::{Duration, Instant};
use tokio::{task::JoinHandle, time::sleep};

const PRICE: Price = Price { input: 3_000, output: 33_000 };
const STEPS_S: [i64; 4] = [-3_600, -61, 61, 3_600];
const NOON_S: i64 = DAY_S / 2;
/// Half a minute on either side of midnight.
const NEAR_S: i64 = 30;
/// What a day may cost: about ten small calls.
const CAP: &str = "0.01";
const CALLS_MAX: usize = 100;
const STREAMS: usize = 4;
const BEFORE_STEP: Duration = Duration::from_millis(150);

/// The keys, each with one bound that a step must not loosen.
struct Keys {
    free: String,
    /// Its day is used up before the first step.
    capped: String,
    /// The same, but never used before midnight: no earlier day may be opened for it.
    late: String,
    /// The same, and used up while the clock is back before midnight: that counts after it.
    back: String,
    /// One request a minute, and that was made.
    rated: String,
    /// Two calls at a time, and both run.
    crowded: String,
}

#[derive(Default)]
struct Found {
    steps: usize,
    streams: usize,
    cut: usize,
    windows: usize,
    breaches: Vec<String>,
    /// When the minute's only call was made; nothing once a process has forgotten it.
    rated_since: Option<Instant>,
}

impl Found {
    /// Whether the rate has no room yet. A minute later it has, as it should.
    fn is_rated(&self) -> bool {
        self.rated_since.is_some_and(|since| since.elapsed() < Duration::from_secs(50))
    }
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let rounds = if options.is_long { 20 } else { 1 };
    let mut rig = Rig::new("clock", options, PRICE, ["", ""])?;
    let mut clock = Clock::new(&mut rig)?;
    clock.set(0, NOON_S)?;
    let keys = Keys {
        free: rig.create_key(None)?,
        capped: rig.create_key_with(&["--limit", CAP, "--window", "day"])?,
        late: rig.create_key_with(&["--limit", CAP, "--window", "day"])?,
        back: rig.create_key_with(&["--limit", CAP, "--window", "day"])?,
        rated: rig.create_key(None)?,
        crowded: rig.create_key(None)?,
    };
    rate(&rig, 4, &["--requests-per-minute", "1"])?;
    rate(&rig, 5, &["--concurrent", "2"])?;
    rig.start(None).await?;
    let mut found = Found { rated_since: Some(Instant::now()), ..Found::default() };
    expect(&mut found, rig.port, &keys.rated, 200, "the first call of a minute").await;
    use_up(rig.port, &keys.capped).await?;
    for round in 0..rounds {
        let day = 2 * round;
        clock.set(day, NOON_S)?;
        if round > 0 {
            use_up(rig.port, &keys.capped).await?;
        }
        steps(&rig, &clock, &keys, &mut found, "noon").await?;
        clock.set(day, DAY_S - NEAR_S)?;
        before_midnight(&rig, &clock, &keys, &mut found).await?;
        clock.set(day + 1, NEAR_S)?;
        use_up(rig.port, &keys.late).await?;
        steps(&rig, &clock, &keys, &mut found, "after midnight").await?;
        restart(&mut rig, &clock, &keys, &mut found).await?;
        found.rated_since = None;
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let books = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "steps={} streams={} cut={} windows_opened={} breaches={} lost={}",
        found.steps,
        found.streams,
        found.cut,
        found.windows,
        found.breaches.len(),
        books.lost
    );
    if found.cut == 0 && found.breaches.is_empty() && books.holds() {
        return Ok(line);
    }
    found.breaches.truncate(20);
    Err(Failure::new(format!("{line}\n{}\n{}", found.breaches.join("\n"), books.offences.join("\n"))))
}

/// Sets a rate of the key that was made as the `number`-th.
fn rate(rig: &Rig, number: usize, words: &[&str]) -> Result<(), Failure> {
    let listed = rig.run(&["keys", "list", "--json"])?;
    let mut ids: Vec<String> = Vec::new();
    for line in listed.lines() {
        let value: serde_json::Value = serde_json::from_str(line).context("keys list")?;
        ids.extend(value["id"].as_str().map(str::to_owned));
    }
    // Ids sort by time.
    ids.sort();
    let id = ids.get(number).ok_or_else(|| Failure::new(format!("keys list: {listed}")))?;
    let mut all = vec!["keys", "rate", id.as_str()];
    all.extend(words);
    rig.run(&all).map(|_| ())
}

fn small() -> Ask {
    Ask { knobs: "chunks=20,honour=1".to_owned(), is_stream: false, tokens_max: Some(20), leave_after: None }
}

/// Small calls until the cap refuses one.
async fn use_up(port: u16, key: &str) -> Result<(), Failure> {
    for calls in 0..CALLS_MAX {
        match client::send(port, key, &small()).await.status() {
            200 => {}
            412 if calls > 0 => return Ok(()),
            other => {
                return Err(Failure::new(format!("call {calls} of a new day was answered with {other}")));
            }
        }
    }
    Err(Failure::new(format!("{CALLS_MAX} calls and the cap refused none")))
}

async fn expect(found: &mut Found, port: u16, key: &str, status: u16, what: &str) {
    let answered = client::send(port, key, &small()).await.status();
    if answered != status {
        found.breaches.push(format!("{what}: {answered}, not {status}"));
    }
}

/// Calls that run across a step.
fn streams(port: u16, key: &str, count: usize, knobs: &str) -> Vec<JoinHandle<Outcome>> {
    let start = |_| {
        let ask = Ask { knobs: knobs.to_owned(), is_stream: true, tokens_max: Some(400), leave_after: None };
        let key = key.to_owned();
        tokio::spawn(async move { client::send(port, &key, &ask).await })
    };
    (0..count).map(start).collect()
}

async fn await_whole(streams: Vec<JoinHandle<Outcome>>, found: &mut Found) {
    for stream in streams {
        found.streams += 1;
        found.cut += usize::from(!stream.await.is_ok_and(|outcome| outcome.is_whole()));
    }
}

/// Every step there and back, while calls run; no bound may give way.
async fn steps(rig: &Rig, clock: &Clock, keys: &Keys, found: &mut Found, place: &str) -> Result<(), Failure> {
    let crowd = streams(rig.port, &keys.crowded, 2, "chunks=160,delay=20");
    for step in STEPS_S.into_iter().flat_map(|step| [step, 0]) {
        let running = streams(rig.port, &keys.free, STREAMS, "chunks=15,delay=20");
        sleep(BEFORE_STEP).await;
        clock.step(step)?;
        found.steps += 1;
        shows(rig.port, clock, step).await?;
        let what = |key: &str| format!("{key} after a step to {step:+} s at {place}");
        expect(found, rig.port, &keys.capped, 412, &what("the used-up day")).await;
        if place != "noon" {
            expect(found, rig.port, &keys.late, 412, &what("the day used up after midnight")).await;
        }
        if found.is_rated() {
            expect(found, rig.port, &keys.rated, 429, &what("the used-up minute")).await;
        }
        if crowd.iter().all(|stream| !stream.is_finished()) {
            expect(found, rig.port, &keys.crowded, 429, &what("a third call")).await;
        }
        await_whole(running, found).await;
    }
    await_whole(crowd, found).await;
    expect(found, rig.port, &keys.crowded, 200, "a call when the two have ended").await;
    Ok(())
}

/// Steps across midnight: the new day begins once, and the old one does not come back.
async fn before_midnight(rig: &Rig, clock: &Clock, keys: &Keys, found: &mut Found) -> Result<(), Failure> {
    for step in [-3_600, -61, 0] {
        clock.step(step)?;
        found.steps += 1;
        expect(found, rig.port, &keys.capped, 412, &format!("a step to {step:+} s before midnight")).await;
    }
    let running = streams(rig.port, &keys.free, STREAMS, "chunks=15,delay=20");
    sleep(BEFORE_STEP).await;
    clock.step(61)?;
    found.steps += 1;
    shows(rig.port, clock, 61).await?;
    use_up(rig.port, &keys.capped).await?;
    found.windows += 1;
    await_whole(running, found).await;
    for step in [0, -3_600, 61, 3_600, 0] {
        clock.step(step)?;
        found.steps += 1;
        expect(found, rig.port, &keys.capped, 412, &format!("a step back to {step:+} s before midnight"))
            .await;
        if found.is_rated() {
            expect(found, rig.port, &keys.rated, 429, "the used-up minute across midnight").await;
        }
    }
    Ok(())
}

/// A process that starts while the clock is back in the day before, and one that starts when it is right again.
async fn restart(rig: &mut Rig, clock: &Clock, keys: &Keys, found: &mut Found) -> Result<(), Failure> {
    for step in [-61, 0] {
        let running = streams(rig.port, &keys.free, 1, "chunks=50,delay=20");
        sleep(BEFORE_STEP).await;
        clock.step(step)?;
        found.steps += 1;
        if step < 0 {
            use_up(rig.port, &keys.back).await?;
        }
        rig.kill();
        drop(running);
        rig.start(None).await?;
        for (key, name) in [(&keys.capped, "capped"), (&keys.late, "late"), (&keys.back, "back")] {
            expect(found, rig.port, key, 412, &format!("`{name}` after a start at {step:+} s")).await;
        }
    }
    Ok(())
}

/// Fails unless the gateway's clock has taken the step: else nothing would be proven.
async fn shows(port: u16, clock: &Clock, step: i64) -> Result<(), Failure> {
    // A stranger's call is refused, under an id like any other.
    let request = client::request(port, "POST /v1/chat/completions", "", "{}");
    let outcome = client::exchange(port, request).await;
    let Outcome::Answered { text, .. } = &outcome else {
        return Err(Failure::new("a stranger got no answer"));
    };
    let shown = second_of_id(text).ok_or_else(|| Failure::new(format!("no id: {text}")))?;
    let off = (shown - clock.second_of_day(step)).rem_euclid(DAY_S);
    if (3..DAY_S - 2).contains(&off) {
        return Err(Failure::new(format!("the gateway's clock is {off} s off after a step of {step} s")));
    }
    Ok(())
}

/// The second of the day in the first id of a text: ids begin with the milliseconds since 1970, in hexadecimal.
fn second_of_id(text: &str) -> Option<i64> {
    let digits = text.split_once("req_")?.1.get(..12)?;
    Some((i64::from_str_radix(digits, 16).ok()? / 1_000).rem_euclid(DAY_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_an_id_is_read() {
        // 1970-01-02 00:00:05.
        assert_eq!(second_of_id("x-request-id: req_000005266f88a"), Some(5));
        assert_eq!(second_of_id("x-request-id: none"), None);
    }
}
