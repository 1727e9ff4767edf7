//! Where leaving ends the bill: the provider's call ends within 50 ms, and what was produced until then is charged.
//!
//! Callers leave at every place of an answer in every way there is. Those who reset a stream share a connection with a
//! stream that goes on, which must not notice.

use super::{
    PRICE,
    callers::{Leaver, Place, Way},
    ends,
    site::Site,
};
use crate::{
    client::Ask,
    clock::monotonic_ns,
    compare,
    failure::{Context, Failure},
    http2::{Connection, Stream},
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// What the provider never ends by itself, the gateway ends after these; a caller who was missed shows in the figures.
const SETTINGS: &str = "[timeouts]\nidle_seconds = 2\nfirst_event_seconds = 2\ntotal_seconds = 4\n";
const CANCEL_P99_MAX: Duration = Duration::from_millis(50);
/// Callers at a time: few enough that the machine's own delays stay far below the limit.
const CALLERS: usize = 4;
/// A stream beside those that are reset: longer than they take to leave, most of the time.
const SIBLING: &str = "chunks=30,delay=10";

const PLACES: [Place; 7] = [
    Place::BeforeHead,
    Place::BeforePlainAnswer,
    Place::AfterHead,
    Place::MidStream,
    Place::SilentGap,
    Place::ToolCall,
    Place::AfterLastToken,
];
const WAYS: [Way; 9] = [
    Way::Close,
    Way::Reset,
    Way::HalfClose,
    Way::ByteThenClose,
    Way::BytesThenClose,
    Way::LossByClose,
    Way::LossByReset,
    Way::LossByHalfClose,
    Way::StreamReset,
];

/// The simulator's knobs, and how many events to read before leaving: the first one has no token.
fn answer(place: Place) -> (&'static str, usize) {
    match place {
        Place::BeforeHead | Place::BeforePlainAnswer => ("latency=10000", 0),
        Place::AfterHead => ("pause=10000", 0),
        Place::MidStream => ("chunks=900,delay=5", 4),
        Place::SilentGap => ("chunks=20,fault=stall,after=2", 3),
        Place::ToolCall => ("tools=1,chunks=900,delay=5", 4),
        Place::AfterLastToken => ("chunks=5,fault=stall,after=5", 6),
    }
}

pub async fn run(options: &Options) -> Result<String, Failure> {
    let times = if options.is_long { 200 } else { 4 };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("disconnect", options, PRICE, [SETTINGS, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let site = Arc::new(Site::new(&rig, key)?);
    let mut books = Books::default();
    for _ in 0..times {
        for way in WAYS {
            let leavers = PLACES.map(|place| Leaver {
                tag: books.next_tag(),
                place,
                way,
                answer: answer(place),
                provider: "prove",
                pause: Duration::from_millis(rng.below(30)),
            });
            for group in leavers.chunks(CALLERS) {
                let left = match way {
                    Way::StreamReset => reset_streams(&site, group, &mut books).await?,
                    _ => leave(&site, group).await?,
                };
                books.leavers.extend(group.iter().copied().zip(left));
            }
        }
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    judge(&rig, &books)
}

/// Who left, and when.
#[derive(Default)]
struct Books {
    leavers: Vec<(Leaver, u64)>,
    tags: u64,
    siblings: usize,
    /// Siblings that got something after the last one beside them had left.
    outlived: usize,
}

impl Books {
    fn next_tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }
}

/// Each on a connection of its own.
async fn leave(site: &Arc<Site>, group: &[Leaver]) -> Result<Vec<u64>, Failure> {
    let callers = group.iter().map(|&leaver| {
        let site = site.clone();
        tokio::spawn(async move { leaver.arrive(&site).await?.leave(leaver.way).await.map(|left| left.0) })
    });
    gather(group, callers.collect()).await
}

/// All on one connection, beside a stream that nobody leaves.
async fn reset_streams(site: &Arc<Site>, group: &[Leaver], books: &mut Books) -> Result<Vec<u64>, Failure> {
    let connection = Arc::new(Connection::open(site.port).await?);
    let ask = Ask { knobs: SIBLING.to_owned(), is_stream: true, tokens_max: Some(900), leave_after: None };
    let mut sibling = connection.send(&site.key, ask.body("")).await?;
    sibling.read_events(2).await?;
    let sibling = tokio::spawn(sibling.read_to_end());
    let callers = group.iter().map(|&leaver| {
        let (site, connection) = (site.clone(), connection.clone());
        tokio::spawn(async move {
            let stream: Stream = leaver.arrive_on(&connection, &site).await?;
            let now = monotonic_ns();
            stream.reset();
            Ok(now)
        })
    });
    let left = gather(group, callers.collect()).await?;
    let text = sibling.await.context("a sibling")?.context("beside streams that were reset")?;
    if !text.contains("data: [DONE]") {
        return Err(Failure::new(format!("a sibling was not whole: {text}")));
    }
    books.siblings += 1;
    books.outlived += usize::from(last_stamp(&text) > left.iter().max().copied());
    Ok(left)
}

/// When the last piece of a stream was sent.
fn last_stamp(text: &str) -> Option<u64> {
    text.rsplit_once("t=")?.1.get(..16)?.parse().ok()
}

async fn gather(
    group: &[Leaver],
    callers: Vec<JoinHandle<Result<u64, Failure>>>,
) -> Result<Vec<u64>, Failure> {
    let mut left = Vec::new();
    for (caller, leaver) in callers.into_iter().zip(group) {
        let at = caller.await.context("a caller")?;
        left.push(at.map_err(|failure| leaver.said(&failure.to_string()))?);
    }
    Ok(left)
}

fn judge(rig: &Rig, books: &Books) -> Result<String, Failure> {
    let (ends, ledger) = (ends::read(&rig.invoice_text()?)?, rig.ledger()?);
    let found = compare::compare(&rig.invoice()?, &ledger, PRICE);
    let (mut all, mut worst) = (Vec::new(), BTreeMap::new());
    let (mut unmetered, mut short_tokens_max) = (0, 0);
    for (leaver, left_ns) in &books.leavers {
        let end = ends.get(&leaver.tag).ok_or_else(|| leaver.said("the provider was never called"))?;
        let took = Duration::from_nanos(end.at_ns.saturating_sub(*left_ns));
        all.push(took);
        let place = worst.entry((leaver.place, leaver.way)).or_insert(took);
        *place = took.max(*place);
        let charged: i128 = end.rows(&ledger).iter().map(|row| row.amount).sum();
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
         metered_short_tokens_max={short_tokens_max} siblings_whole={} siblings_outlived={} lost={}",
        ms(at(50).unwrap_or(Duration::MAX)),
        ms(p99),
        all.len(),
        PLACES.len(),
        WAYS.len(),
        books.siblings,
        books.outlived,
        found.lost
    );
    let is_metered = unmetered == 0 && short_tokens_max <= 1 && found.holds();
    // A machine that is busy elsewhere delays those who leave, now and then beyond their sibling's end.
    let are_compared = books.outlived * 2 > books.siblings;
    if p99 <= CANCEL_P99_MAX && is_metered && are_compared {
        return Ok(line);
    }
    let slow = worst.iter().filter(|(_, took)| **took > CANCEL_P99_MAX);
    let slow: Vec<String> = slow.map(|(case, took)| format!("{case:?} {:.0} ms", ms(*took))).collect();
    Err(Failure::new(format!("{line}\n{}\n{}", slow.join("\n"), found.offences.join("\n"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stamp_of_a_stream_is_found() {
        assert_eq!(last_stamp("…t=0000000000000005 x…t=0000000000000012 y"), Some(12));
        assert_eq!(last_stamp("t=12"), None);
    }
}
