//! Where leaving saves nothing: the answer is read to its end for nobody, as far as there are places for that, and the
//! ledger has the provider's whole bill. A call without a place is charged what was reserved for it.

use super::{
    PRICE,
    callers::{Leaver, Place, Way},
    ends::{self, End},
    site::Site,
};
use crate::{
    client, compare,
    failure::{Context, Failure},
    rig::{self, Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};

const SETTINGS: &str = "[limits]\nabandoned_calls_max = 8\n\
                        [timeouts]\nidle_seconds = 1\nfirst_event_seconds = 3\ntotal_seconds = 5\n";
/// One organization has half of the places.
const PLACES_MAX: usize = 4;
const GAUGE: &str = "signalbox_calls_abandoned";
const GAUGE_INTERVAL: Duration = Duration::from_millis(5);
/// Between two callers who leave: the gateway has noticed the first one by then.
const APART: Duration = Duration::from_millis(15);
/// A call that still runs at its provider so long after its caller left is read for nobody.
const STAYED_MIN: Duration = Duration::from_millis(250);

/// A second provider, which bills what it has made of a stream, and whole answers whole.
const STREAMS: &str = "[[providers]]\nname = \"streams\"\nkind = \"openai-compatible\"\napi_key = \"sk-upstream\"\n\
                       abort = \"cancel_streams\"\n";

/// Where callers leave, the simulator's knobs, and the events to read first. All but one end half a second later.
const KINDS: [(Place, &str, usize); 6] = [
    (Place::BeforeHead, "bill=full,latency=700,chunks=30", 0),
    (Place::BeforePlainAnswer, "bill=full,latency=700,chunks=50", 0),
    (Place::AfterHead, "bill=full,pause=700,chunks=30", 0),
    (Place::MidStream, "bill=full,chunks=70,delay=10", 4),
    (Place::ToolCall, "bill=full,tools=1,chunks=70,delay=10", 4),
    (Place::SilentGap, "bill=full,chunks=60,fault=stall,after=5", 6),
];
const WAYS: [Way; 5] = [Way::Close, Way::StreamReset, Way::Reset, Way::LossByClose, Way::LossByReset];
/// Callers of a wave: three times as many as find a place.
const CALLERS: usize = 12;

pub async fn run(options: &Options) -> Result<String, Failure> {
    // Three waves have every kind among the first four, who find a place, twice.
    let waves = if options.is_long { 99 } else { 3 };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("disconnect-drain", options, PRICE, [SETTINGS, "abort = \"drain\""])?;
    let models =
        format!("[[providers.models]]\nid = \"mock\"\n{}max_output_tokens = 1000\n", PRICE.settings());
    rig.add_settings(&format!("{STREAMS}base_url = \"{}\"\n{models}", rig.upstream_url()))?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let site = Arc::new(Site::new(&rig, key)?);
    let watch = Watch::start(rig.port);
    let (mut drained, mut tags) = (Vec::new(), 0);
    for wave in 0..waves {
        let callers: Vec<Leaver> = (0..CALLERS)
            .map(|number| {
                let (place, knobs, events) = KINDS[(number + wave * PLACES_MAX) % KINDS.len()];
                let way = WAYS[(number + wave) % WAYS.len()];
                leaver(&mut tags, "prove", place, way, (knobs, events), &mut rng)
            })
            .collect();
        drained.extend(leave_in_turn(&site, callers).await?);
        rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    }
    let mut kept = Vec::new();
    for _ in 0..waves {
        let callers: Vec<Leaver> = (0..PLACES_MAX)
            .flat_map(|number| {
                let way = WAYS[number % WAYS.len()];
                [
                    (Place::BeforePlainAnswer, "latency=400,chunks=50", 0),
                    (Place::MidStream, "chunks=900,delay=5", 4),
                ]
                .map(|(place, knobs, events)| (place, way, (knobs, events)))
            })
            .map(|(place, way, answer)| leaver(&mut tags, "streams", place, way, answer, &mut rng))
            .collect();
        kept.extend(leave_in_turn(&site, callers).await?);
        rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    }
    let abandoned_max = watch.stop().await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    judge(&rig, &Books { drained, kept, waves, abandoned_max })
}

fn leaver(
    tags: &mut u64,
    provider: &'static str,
    place: Place,
    way: Way,
    answer: (&'static str, usize),
    rng: &mut Rng,
) -> Leaver {
    *tags += 1;
    Leaver { tag: *tags, place, way, answer, provider, pause: Duration::from_millis(rng.below(20)) }
}

/// All come to their places, then leave one after another, so that it is known who found a place.
async fn leave_in_turn(site: &Arc<Site>, callers: Vec<Leaver>) -> Result<Vec<(Leaver, u64)>, Failure> {
    let arriving: Vec<_> = callers
        .into_iter()
        .map(|leaver| {
            let site = site.clone();
            tokio::spawn(async move { (leaver, leaver.arrive(&site).await) })
        })
        .collect();
    let mut standing = Vec::new();
    for caller in arriving {
        let (leaver, arrived) = caller.await.context("a caller")?;
        standing.push((leaver, arrived.map_err(|failure| leaver.said(&failure.to_string()))?));
    }
    let (mut left, mut connections) = (Vec::new(), Vec::new());
    for (leaver, standing) in standing {
        let (at, connection) = standing.leave(leaver.way).await?;
        left.push((leaver, at));
        connections.extend(connection);
        sleep(APART).await;
    }
    Ok(left)
}

/// Looks at the gauge all the time.
struct Watch {
    max: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Watch {
    fn start(port: u16) -> Watch {
        let (max, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, over) = (max.clone(), is_over.clone());
        let task = tokio::spawn(async move {
            let mut looks = 0;
            while !over.load(Relaxed) {
                let page = client::get(port, "/metrics").await.unwrap_or_default();
                if let Some(value) = rig::gauge(&page, GAUGE) {
                    looks += 1;
                    seen.fetch_max(value as usize, Relaxed);
                }
                sleep(GAUGE_INTERVAL).await;
            }
            looks
        });
        Watch { max, is_over, task }
    }

    /// The most there were.
    async fn stop(self) -> Result<usize, Failure> {
        self.is_over.store(true, Relaxed);
        match self.task.await.context("the watch")? {
            0 => Err(Failure::new(format!("{GAUGE} was never told"))),
            _ => Ok(self.max.load(Relaxed)),
        }
    }
}

struct Books {
    /// Who left, and when, at the provider that bills all answers whole, and at the one that does so but for streams.
    drained: Vec<(Leaver, u64)>,
    kept: Vec<(Leaver, u64)>,
    waves: usize,
    abandoned_max: usize,
}

fn judge(rig: &Rig, books: &Books) -> Result<String, Failure> {
    let (ends, ledger) = (ends::read(&rig.invoice_text()?)?, rig.ledger()?);
    let found = compare::compare(&rig.invoice()?, &ledger, PRICE);
    let mut offences = found.offences.clone();
    let (mut drained, mut assumed, mut exact, mut cancelled) = (0, 0, 0, 0);
    let (mut stays, mut places) = (Vec::new(), BTreeSet::new());
    for (leaver, left_ns) in books.drained.iter().chain(&books.kept) {
        let end = ends.get(&leaver.tag).ok_or_else(|| leaver.said("the provider was never called"))?;
        stays.extend(stay(*left_ns, end));
        let rows = end.rows(&ledger);
        let charged: i128 = rows.iter().map(|row| row.amount).sum();
        let bill = PRICE.of(end.billed.0, end.billed.1);
        let (is_final, is_assumed) =
            (rows.iter().all(|row| row.is_final), rows.iter().all(|row| row.is_hold_assumed));
        let is_stream_kept = leaver.provider == "streams" && leaver.place == Place::MidStream;
        match (end.is_whole, is_stream_kept) {
            (true, false) if is_final && charged == bill => {
                let is_kept = leaver.provider == "streams";
                places.extend((!is_kept).then_some(leaver.place));
                *(if is_kept { &mut exact } else { &mut drained }) += 1;
            }
            (false, false) if is_assumed && charged >= bill => assumed += 1,
            (false, true) if !is_assumed && charged + PRICE.output >= bill => cancelled += 1,
            _ => offences.push(
                leaver
                    .said(&format!("charged {charged}, billed {bill}, whole: {}, {rows:?}", end.is_whole))
                    .to_string(),
            ),
        }
    }
    let at_once = at_once(&stays);
    let abandoned_max = books.abandoned_max;
    let line = format!(
        "drained={drained} assumed={assumed} abandoned_max={abandoned_max} billed_after_leaving_at_once_max={at_once} \
         plain_exact={exact} streams_cancelled={cancelled} drain_lost={}",
        found.lost
    );
    let all_drained =
        KINDS.iter().filter(|kind| kind.0 != Place::SilentGap).all(|kind| places.contains(&kind.0));
    let is_bounded = (1..=PLACES_MAX).contains(&abandoned_max) && (1..=PLACES_MAX).contains(&at_once);
    // A wave without any place taken has proven nothing.
    let is_used =
        drained >= 2 * books.waves && all_drained && assumed > 0 && exact == books.waves * PLACES_MAX;
    if offences.is_empty() && found.holds() && is_bounded && is_used {
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\ndrained at {places:?}\n{}", offences.join("\n"))))
}

/// From when to when a call ran for nobody, if it did.
fn stay(left_ns: u64, end: &End) -> Option<(u64, u64)> {
    let from = left_ns + u64::try_from(STAYED_MIN.as_nanos()).ok()?;
    (end.at_ns > from).then_some((from, end.at_ns))
}

/// The most of these that overlap at an instant.
fn at_once(stays: &[(u64, u64)]) -> usize {
    let mut changes: BTreeMap<u64, isize> = BTreeMap::new();
    for (from, to) in stays {
        *changes.entry(*from).or_default() += 1;
        *changes.entry(*to).or_default() -= 1;
    }
    let counts = changes.values().scan(0, |count, change| {
        *count += change;
        Some(*count)
    });
    counts.max().unwrap_or(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_that_overlap_are_counted() {
        assert_eq!(at_once(&[]), 0);
        assert_eq!(at_once(&[(1, 5), (5, 9)]), 1);
        assert_eq!(at_once(&[(1, 5), (2, 9), (4, 6), (7, 8)]), 3);
    }
}
