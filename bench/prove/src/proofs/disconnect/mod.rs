//! A caller who leaves ends the provider's call, or has it read to its end where it is billed whole; either way the
//! ledger knows what it cost.
//!
//! When callers left is taken here, when the provider saw its connection closed stands on the invoice.

mod callers;
mod cancelled;
mod drained;
mod ends;
mod site;
mod vanished;

use crate::{
    failure::{Context, Failure},
    money::Price,
    rig::Options,
};

const PRICE: Price = Price { input: 100, output: 400 };

/// The parts, of which only the first one measures short times; the others wait more than they work.
pub async fn run(options: &Options) -> Result<String, Failure> {
    let cancelled = cancelled::run(options).await?;
    let (one, other) = (options.clone(), options.clone());
    let drained = tokio::spawn(async move { drained::run(&one).await });
    let vanished = tokio::spawn(async move { vanished::run(&other).await });
    let drained = drained.await.context("a part")?;
    let vanished = vanished.await.context("a part")?;
    match (drained, vanished) {
        (Ok(drained), Ok(vanished)) => Ok(format!("{cancelled} {drained} {vanished}")),
        (drained, vanished) => {
            let said = |part: Result<String, Failure>| part.unwrap_or_else(|failure| failure.to_string());
            Err(Failure::new(format!("{cancelled}\n{}\n{}", said(drained), said(vanished))))
        }
    }
}
