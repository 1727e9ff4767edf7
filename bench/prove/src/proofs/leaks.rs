//! Nothing stays held or running when calls have ended, on whichever path they ended.

use crate::{
    client::{self, Ask},
    failure::Failure,
    money::Price,
    rig::{Options, Rig},
};
use std::time::Duration;

const PRICE: Price = Price { input: 100, output: 400 };
const QUIET_MAX: Duration = Duration::from_secs(2);
const SETTINGS: &str = "[timeouts]\nidle_seconds = 1\nfirst_event_seconds = 1\n";

/// Knobs, whether streamed, and when the caller leaves, in ms.
const PATHS: [(&str, bool, Option<u64>); 14] = [
    ("chunks=5", false, None),
    ("chunks=5", true, None),
    ("fault=400", false, None),
    ("fault=500", false, None),
    ("fault=500", true, None),
    ("fault=reset", false, None),
    ("fault=stall", true, None),
    ("fault=hang", true, None),
    ("fault=badjson", false, None),
    ("fault=errevent", true, None),
    ("fault=cut", true, None),
    ("fault=cut", false, None),
    ("latency=500", true, Some(50)),
    ("chunks=50,delay=20", true, Some(200)),
];

pub async fn run(options: &Options) -> Result<String, Failure> {
    let times = if options.is_long { 200 } else { 10 };
    let mut rig = Rig::new("leaks", options, PRICE, [SETTINGS, ""])?;
    let key = rig.create_key(None)?;
    let poor_key = rig.create_key(Some("0.000000001"))?;
    rig.start(None).await?;
    let mut release_max = Duration::ZERO;
    for (knobs, is_stream, leave_ms) in PATHS {
        let leave_after = leave_ms.map(Duration::from_millis);
        let ask = Ask { knobs: knobs.to_owned(), is_stream, tokens_max: Some(100), leave_after };
        release_max = release_max.max(repeat(&rig, &key, &ask, times).await?);
    }
    let ask =
        Ask { knobs: "chunks=5".to_owned(), is_stream: false, tokens_max: Some(100), leave_after: None };
    if client::send(rig.port, &poor_key, &ask).await.status() != 412 {
        return Err(Failure::new("a key without money was not refused with 412"));
    }
    release_max = release_max.max(repeat(&rig, &poor_key, &ask, times).await?);
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let paths = PATHS.len() + 1;
    Ok(format!(
        "leaked_holds=0 leaked_slots=0 paths={paths} times={times} release_max_ms={}",
        release_max.as_millis()
    ))
}

async fn repeat(rig: &Rig, key: &str, ask: &Ask, times: usize) -> Result<Duration, Failure> {
    let callers: Vec<_> = (0..times)
        .map(|_| {
            let (port, key, ask) = (rig.port, key.to_owned(), ask.clone());
            tokio::spawn(async move { client::send(port, &key, &ask).await })
        })
        .collect();
    for caller in callers {
        let _ = caller.await;
    }
    let waited = rig.wait_until_quiet(QUIET_MAX).await;
    waited.map_err(|failure| Failure::new(format!("{}, stream={}: {failure}", ask.knobs, ask.is_stream)))
}
