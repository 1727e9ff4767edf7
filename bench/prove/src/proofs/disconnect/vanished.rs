//! Callers who are gone without a word: nothing tells the gateway, so its time limits end the call, and what was
//! produced until then is charged.

use super::{
    PRICE,
    callers::{Leaver, Place, Way},
    ends,
    site::Site,
};
use crate::{
    clock::monotonic_ns,
    compare,
    failure::{Context, Failure},
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
    vanish,
};
use std::{sync::Arc, time::Duration};

const IDLE: Duration = Duration::from_secs(2);
const WRITE_STALL: Duration = Duration::from_secs(2);
const FIRST_EVENT: Duration = Duration::from_secs(3);
/// From the call's begin, which is before its caller vanishes.
const TOTAL: Duration = Duration::from_secs(5);
/// For the machine, and for what the buffers hold until writing stalls.
const SLACK: Duration = Duration::from_millis(1_500);
/// Streams that trickle go on for longer than all limits together.
const TRICKLE: &str = "chunks=900,delay=20";
/// More than all buffers hold.
const FLOOD: &str = "chunks=900,size=30000,delay=1";

/// What becomes of the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// No answer to anything.
    Silent,
    /// An answer to what is sent, and it is RST.
    Forgotten,
}

/// How, where, by which protocol, what is answered there, and the limit that ends the call.
type Case = (End, Place, Way, (&'static str, usize), Duration);

const CASES: [Case; 10] = [
    (End::Silent, Place::BeforeHead, Way::Close, ("latency=10000", 0), FIRST_EVENT),
    (End::Silent, Place::BeforePlainAnswer, Way::Close, ("latency=10000", 0), TOTAL),
    (End::Silent, Place::SilentGap, Way::Close, ("chunks=20,fault=stall,after=2", 3), IDLE),
    (End::Silent, Place::MidStream, Way::Close, (TRICKLE, 4), WRITE_STALL),
    (End::Silent, Place::MidStream, Way::Close, (FLOOD, 4), WRITE_STALL),
    (End::Silent, Place::MidStream, Way::LossByClose, (TRICKLE, 4), WRITE_STALL),
    (End::Silent, Place::SilentGap, Way::LossByClose, ("chunks=20,fault=stall,after=2", 3), IDLE),
    (End::Forgotten, Place::MidStream, Way::Close, (TRICKLE, 4), Duration::ZERO),
    (End::Forgotten, Place::MidStream, Way::LossByClose, (TRICKLE, 4), Duration::ZERO),
    (End::Forgotten, Place::SilentGap, Way::Close, ("chunks=20,fault=stall,after=2", 3), IDLE),
];

pub async fn run(options: &Options) -> Result<String, Failure> {
    let (rounds, together) = if options.is_long { (20, 10) } else { (1, 2) };
    let permitted = vanish::permitted()?;
    let is_permitted = |end| if end == End::Silent { permitted.0 } else { permitted.1 };
    let cases: Vec<Case> = CASES.into_iter().filter(|case| is_permitted(case.0)).collect();
    if cases.is_empty() {
        return Ok("silent=skipped(not-permitted) forgotten=skipped(not-permitted)".to_owned());
    }
    let mut rng = Rng::new(options.seed);
    let settings = format!(
        "[timeouts]\nidle_seconds = {}\nwrite_stall_seconds = {}\nfirst_event_seconds = {}\ntotal_seconds = {}\n",
        IDLE.as_secs(),
        WRITE_STALL.as_secs(),
        FIRST_EVENT.as_secs(),
        TOTAL.as_secs()
    );
    let mut rig = Rig::new("disconnect-vanish", options, PRICE, [&settings, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let site = Arc::new(Site::new(&rig, key)?);
    let (mut gone, mut tags) = (Vec::new(), 0);
    for _ in 0..rounds {
        let callers: Vec<_> = (0..together)
            .flat_map(|_| &cases)
            .map(|&(end, place, way, answer, limit)| {
                tags += 1;
                let pause = Duration::from_millis(rng.below(30));
                let leaver = Leaver { tag: tags, place, way, answer, provider: "prove", pause };
                let site = site.clone();
                tokio::spawn(async move { (leaver, end, limit, go(&site, leaver, end).await) })
            })
            .collect();
        let mut sockets = Vec::new();
        for caller in callers {
            let (leaver, end, limit, went) = caller.await.context("a caller")?;
            let (at_ns, socket) = went.map_err(|failure| leaver.said(&failure.to_string()))?;
            sockets.extend(socket);
            gone.push(Gone { leaver, end, limit, at_ns });
        }
        // What is silent stays so until the gateway has given up.
        rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    }
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    judge(&rig, &gone)
}

/// Who is gone, and since when.
struct Gone {
    leaver: Leaver,
    end: End,
    limit: Duration,
    at_ns: u64,
}

async fn go(site: &Site, leaver: Leaver, end: End) -> Result<(u64, Option<socket2::Socket>), Failure> {
    let socket = leaver.arrive(site).await?.freeze().await?;
    let now = monotonic_ns();
    match end {
        End::Silent => {
            vanish::fall_silent(&socket)?;
            Ok((now, Some(socket)))
        }
        End::Forgotten => vanish::forget(socket).map(|()| (now, None)),
    }
}

fn judge(rig: &Rig, gone: &[Gone]) -> Result<String, Failure> {
    let (ends, ledger) = (ends::read(&rig.invoice_text()?)?, rig.ledger()?);
    let found = compare::compare(&rig.invoice()?, &ledger, PRICE);
    let mut offences = found.offences.clone();
    let (mut late_max, mut unmetered) = (Duration::ZERO, 0);
    for Gone { leaver, end: how, limit, at_ns } in gone {
        let end = ends.get(&leaver.tag).ok_or_else(|| leaver.said("the provider was never called"))?;
        let took = Duration::from_nanos(end.at_ns.saturating_sub(*at_ns));
        let late = took.saturating_sub(*limit);
        late_max = late_max.max(late);
        let charged: i128 = end.rows(&ledger).iter().map(|row| row.amount).sum();
        let is_metered = charged > 0 && charged + PRICE.output >= PRICE.of(end.input, end.produced);
        unmetered += usize::from(!is_metered);
        if late > SLACK || !is_metered {
            let (knobs, _) = leaver.answer;
            let produced = end.produced;
            let told =
                format!("{how:?} {knobs}: {took:?} for {limit:?}, charged {charged}, {produced} tokens");
            offences.push(leaver.said(&told).to_string());
        }
    }
    let count = |end| match gone.iter().filter(|gone| gone.end == end).count() {
        0 => "skipped(not-permitted)".to_owned(),
        count => count.to_string(),
    };
    let line = format!(
        "silent={} forgotten={} beyond_limit_max_ms={} vanished_unmetered={unmetered} vanished_lost={}",
        count(End::Silent),
        count(End::Forgotten),
        late_max.as_millis(),
        found.lost
    );
    if offences.is_empty() && found.holds() {
        return Ok(line);
    }
    Err(Failure::new(format!("{line}\n{}", offences.join("\n"))))
}
