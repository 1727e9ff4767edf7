//! More load than fits does not lower what gets through, is refused quickly, and one key's flood is not another's loss.
//!
//! The limit on calls at once and a provider with a fixed latency give the capacity. Load is open-loop: calls are sent
//! when their time has come, whatever became of those before.

use crate::{
    child::Program,
    client::{self, Ask, Outcome},
    compare,
    failure::Failure,
    money::Price,
    process,
    rig::{Options, QUIET_WAIT_MAX, Rig},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const PRICE: Price = Price { input: 100, output: 400 };
const SLOTS: u32 = 4;
/// Half as many wait as run, so that whoever gets in has waited for half a call.
const SETTINGS: &str =
    "[limits]\nconcurrent_calls_max = 4\nwaiting_calls_max = 2\n[timeouts]\nqueue_seconds = 1\n";
const LATENCY: Duration = Duration::from_millis(50);
const KNOBS: &str = "latency=50,chunks=1";
/// Calls a second that fit.
const CAPACITY: u32 = SLOTS * 1_000 / LATENCY.as_millis() as u32;

/// Answered calls at ten times the capacity, in hundredths of the most at any load.
const GOODPUT_PERCENT_MIN: f64 = 90.0;
const SHED_P99_MAX: Duration = Duration::from_millis(20);
const SIDE_MAX: Duration = Duration::from_millis(200);
const VICTIM_PERCENT_MIN: f64 = 99.0;
/// What a connection may take (I10), beyond the most that all took while warming up.
const CONNECTION_KIB: u64 = 256;
/// Equal loads differ by so much: what the allocator holds for its threads comes and goes.
const ALLOCATOR_KIB: u64 = 2_048;
const WARM_UP: Duration = Duration::from_secs(2);
/// How many times longer than promised things may take in the short form: it runs beside builds and other tests, where
/// every process waits for a processor. The long form is given a quiet machine and no allowance.
const SLACK_SHORT: u32 = 5;

pub async fn run(options: &Options) -> Result<String, Failure> {
    let time = Duration::from_secs(if options.is_long { 60 } else { 4 });
    process::allow_open_files()?;
    let mut rig = Rig::new("overload", options, PRICE, [SETTINGS, ""])?;
    let flood_key = rig.create_key(None)?;
    let victim_key = rig.create_key_with(&["--manage", "read"])?;
    rig.start(None).await?;
    let process = rig.gateway.as_ref().map(Program::id).unwrap_or_default();

    offer(rig.port, &flood_key, 10 * CAPACITY, WARM_UP).await;
    let before = process::rss_peak_kib(process)?;
    let half = offer(rig.port, &flood_key, CAPACITY / 2, time).await;
    let once = offer(rig.port, &flood_key, CAPACITY, time).await;
    let twice = offer(rig.port, &flood_key, 2 * CAPACITY, time).await;
    let watch = Watch::start(rig.port, &victim_key);
    let tenfold = offer(rig.port, &flood_key, 10 * CAPACITY, time).await;
    let (flood, victim) = tokio::join!(
        offer(rig.port, &flood_key, 10 * CAPACITY, time),
        offer(rig.port, &victim_key, CAPACITY / 20, time)
    );
    let side = watch.stop().await;
    let grown = process::rss_peak_kib(process)?.saturating_sub(before);

    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let found = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let slack = if options.is_long { 1 } else { SLACK_SHORT };
    let verdict = Verdict { half, once, twice, tenfold, flood, victim, side, grown, slack };
    let (line, broken) = verdict.judge();
    let line = format!("{line} {}", found.figures());
    if broken.is_empty() && found.holds() && found.billed > 0 {
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\n{}\n{}", broken.join("\n"), found.offences.join("\n"))))
}

/// What became of one load.
#[derive(Default)]
struct Load {
    offered: usize,
    /// Time each answered call took.
    answered: Vec<Duration>,
    /// Time each refusal took.
    shed: Vec<Duration>,
    /// Anything else, and refusals that do not say when to come back.
    failed: usize,
    /// From the first call to the last answer.
    took: Duration,
    /// Connections that were open at the same time, at the most.
    connections: u64,
}

impl Load {
    fn goodput(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64()
    }

    fn success_percent(&self) -> f64 {
        100.0 * self.answered.len() as f64 / self.offered.max(1) as f64
    }
}

/// Sends so many calls a second for so long.
async fn offer(port: u16, key: &str, rate: u32, time: Duration) -> Load {
    let ask = Ask { knobs: KNOBS.to_owned(), is_stream: false, tokens_max: Some(100), leave_after: None };
    let open = Arc::new(AtomicU64::new(0));
    let (begun, count) = (Instant::now(), rate * time.as_secs() as u32);
    let mut calls = Vec::new();
    for number in 0..count {
        tokio::time::sleep_until((begun + number * Duration::from_secs(1) / rate).into()).await;
        let (key, ask, open) = (key.to_owned(), ask.clone(), open.clone());
        calls.push(tokio::spawn(async move {
            let connections = open.fetch_add(1, Ordering::Relaxed) + 1;
            let sent = Instant::now();
            let outcome = client::send(port, &key, &ask).await;
            open.fetch_sub(1, Ordering::Relaxed);
            (outcome, sent.elapsed(), connections)
        }));
    }
    let mut load = Load { offered: calls.len(), ..Load::default() };
    for call in calls {
        let Ok((outcome, took, connections)) = call.await else {
            load.failed += 1;
            continue;
        };
        load.connections = load.connections.max(connections);
        match outcome {
            outcome if outcome.is_whole() => load.answered.push(took),
            outcome if is_shed(&outcome) => load.shed.push(took),
            _ => load.failed += 1,
        }
    }
    load.took = begun.elapsed();
    load
}

fn is_shed(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answered { status: 503, text } => {
            text.contains("\"code\":\"overloaded\"") && text.contains("\r\nretry-after: ")
        }
        Outcome::Answered { .. } | Outcome::Failed | Outcome::Left => false,
    }
}

/// Looks at what must not suffer, over and over.
struct Watch {
    is_over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Option<Duration>>,
}

impl Watch {
    fn start(port: u16, key: &str) -> Watch {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, key) = (is_over.clone(), key.to_owned());
        Watch { is_over, task: tokio::spawn(async move { watch(port, &key, &over).await }) }
    }

    /// The longest that health or administration took; nothing if one failed.
    async fn stop(self) -> Option<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.ok().flatten()
    }
}

async fn watch(port: u16, key: &str, is_over: &AtomicBool) -> Option<Duration> {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        for path in ["/healthz", "/readyz", "/v1/manage/org"] {
            let asked = Instant::now();
            let head = format!("authorization: Bearer {key}\r\n");
            let request = client::request(port, &format!("GET {path}"), &head, "");
            if client::exchange(port, request).await.status() != 200 {
                return None;
            }
            longest = longest.max(asked.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(longest)
}

struct Verdict {
    half: Load,
    once: Load,
    twice: Load,
    tenfold: Load,
    flood: Load,
    victim: Load,
    side: Option<Duration>,
    grown: u64,
    slack: u32,
}

impl Verdict {
    /// The figures, and which of them break the promise.
    fn judge(&self) -> (String, Vec<&'static str>) {
        let loads = [&self.half, &self.once, &self.twice, &self.tenfold, &self.flood, &self.victim];
        let peak = loads[..3].iter().map(|load| load.goodput()).fold(0.0, f64::max);
        let goodput = 100.0 * self.tenfold.goodput() / peak;
        let failed: usize = loads.iter().map(|load| load.failed).sum();
        let shed_p99 = p99(loads.iter().flat_map(|load| &load.shed));
        let normal_p99 = p99(&self.half.answered);
        let added_p99 = p99(&self.tenfold.answered).saturating_sub(LATENCY);
        let connections = self.tenfold.connections.max(self.flood.connections + self.victim.connections);
        let grown_max = ALLOCATOR_KIB + connections * CONNECTION_KIB;
        let side = self.side.unwrap_or(Duration::MAX);
        let line = format!(
            "capacity={CAPACITY}/s goodput@1x={:.0}/s goodput@2x={:.0}/s goodput@10x={:.0}/s={goodput:.0}% \
             normal_p99_ms={:.0} added_p99_ms={:.0} shed={} shed_p99_ms={:.1} victim_success={:.1}% victim_calls={} \
             health_and_admin_max_ms={:.0} failed={failed} connections={connections} rss_grown_kib={}",
            self.once.goodput(),
            self.twice.goodput(),
            self.tenfold.goodput(),
            ms(normal_p99),
            ms(added_p99),
            loads.iter().map(|load| load.shed.len()).sum::<usize>(),
            ms(shed_p99),
            self.victim.success_percent(),
            self.victim.offered,
            ms(side),
            self.grown,
        );
        let rules = [
            (goodput >= GOODPUT_PERCENT_MIN, "goodput at ten times the capacity is too low"),
            (added_p99 < 2 * normal_p99 * self.slack, "who gets in waits too long"),
            (shed_p99 < SHED_P99_MAX * self.slack, "refusals take too long"),
            (!self.tenfold.shed.is_empty(), "nothing was refused: that was no overload"),
            (self.victim.success_percent() >= VICTIM_PERCENT_MIN, "another key suffers from the flood"),
            (side < SIDE_MAX * self.slack, "health or administration is slow, or failed"),
            (failed == 0, "calls failed that were neither answered nor refused properly"),
            (self.grown <= grown_max, "memory grew too much"),
        ];
        let broken = rules.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| what).collect();
        (line, broken)
    }
}

fn p99<'a>(times: impl IntoIterator<Item = &'a Duration>) -> Duration {
    let mut times: Vec<Duration> = times.into_iter().copied().collect();
    times.sort_unstable();
    times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred_is_the_slowest_but_one_of_more() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((p99(&times), p99(&times[..1]), p99(&[])), (times[198], times[0], Duration::ZERO));
    }

    #[test]
    fn a_refusal_that_does_not_say_when_to_come_back_is_none() {
        let answer = |head: &str| Outcome::Answered {
            status: 503,
            text: format!("HTTP/1.1 503 Service Unavailable\r\n{head}\r\n{{\"code\":\"overloaded\"}}"),
        };
        assert!(is_shed(&answer("retry-after: 1\r\n")));
        assert!(!is_shed(&answer("")));
    }
}
