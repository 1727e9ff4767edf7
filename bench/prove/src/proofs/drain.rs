//! A gateway told to stop finishes what can finish, says so where it cannot, and loses no usage.

use crate::{
    client::{self, Ask, Outcome},
    compare,
    failure::Failure,
    money::Price,
    rig::{Options, Rig},
};
use std::time::Duration;

const PRICE: Price = Price { input: 100, output: 400 };
const SETTINGS: &str = "[timeouts]\ndrain_seconds = 3\n";
const EXIT_MAX: Duration = Duration::from_millis(4_500);

pub async fn run(options: &Options) -> Result<String, Failure> {
    let clients = if options.is_long { 300 } else { 40 };
    let mut rig = Rig::new("drain", options, PRICE, [SETTINGS, ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    let callers: Vec<_> = (0..clients)
        .map(|number| {
            // Every fourth stream takes longer than the deadline; the others end within it.
            let is_long = number % 4 == 0;
            let knobs = if is_long { "chunks=200,delay=50" } else { "chunks=20,delay=50" }.to_owned();
            let ask = Ask {
                knobs,
                is_stream: is_long || number % 2 == 0,
                tokens_max: Some(500),
                leave_after: None,
            };
            let (port, key) = (rig.port, key.clone());
            tokio::spawn(async move { (is_long, client::send(port, &key, &ask).await) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (stopped, rig) = tokio::task::spawn_blocking(move || (rig.stop(EXIT_MAX), rig))
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let (mut failed, mut cut, mut silent) = (0, 0, 0);
    for caller in callers {
        match caller.await {
            Ok((true, outcome)) if has_error_event(&outcome) => cut += 1,
            Ok((true, _)) => silent += 1,
            Ok((false, outcome)) => failed += usize::from(!outcome.is_whole()),
            Err(_) => failed += 1,
        }
    }
    let exit = stopped?;
    rig.verify()?;
    let found = compare::compare(&rig.invoice()?, &rig.ledger()?, PRICE);
    let line = format!(
        "failed={failed} cut_with_error_event={cut} cut_in_silence={silent} usage_lost={} exit_s={:.1}",
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
