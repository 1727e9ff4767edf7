//! Every derived figure equals a fold of the ledger, and rebuilding them changes nothing.

use crate::{
    client::{self, Ask},
    failure::Failure,
    money::Price,
    rig::{Options, QUIET_WAIT_MAX, Rig},
    rng::Rng,
};
use std::time::Duration;

const PRICE: Price = Price { input: 100, output: 400 };

pub async fn run(options: &Options) -> Result<String, Failure> {
    let calls = if options.is_long { 5_000 } else { 200 };
    let mut rng = Rng::new(options.seed);
    let mut rig = Rig::new("conservation", options, PRICE, ["", ""])?;
    let key = rig.create_key(None)?;
    rig.start(None).await?;
    for _ in 0..calls {
        let fault = ["", ",fault=500", ",fault=cut", ",fault=errevent"][rng.below(4) as usize];
        let knobs = format!("chunks={}{fault}", 1 + rng.below(20));
        let ask = Ask { knobs, is_stream: rng.below(2) == 0, tokens_max: Some(50), leave_after: None };
        client::send(rig.port, &key, &ask).await;
    }
    rig.wait_until_quiet(QUIET_WAIT_MAX).await?;
    rig.stop(Duration::from_secs(40))?;
    rig.verify()?;
    let before = rig.ledger()?;
    rig.run(&["ledger", "repair"])?;
    rig.verify()?;
    let after = rig.ledger()?;
    let line =
        format!("fold_diff_nano={} attempts={}", (before.spend() - after.spend()).abs(), after.0.len());
    let holds = before == after && !after.0.is_empty();
    if holds {
        Ok(line)
    } else {
        Err(Failure::new(format!("{line}\nthe export differs after the repair, or is empty")))
    }
}
