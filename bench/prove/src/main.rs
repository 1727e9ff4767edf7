//! `prove NAME`: holds the gateway's promises about money against what a provider billed.
//!
//! Starts the simulator and the real gateway as processes of their own in a temporary folder, drives load over
//! loopback, kills and restarts, and prints one verdict line for each proof. The gateway is never asked whether it is
//! right: the simulator's invoice is the other side. Fails when a proof does not hold or could not be carried out.

mod books;
mod canary;
mod child;
mod client;
mod clock;
mod compare;
mod failure;
mod faketime;
mod http2;
mod money;
mod mount;
mod process;
mod proofs;
mod rig;
mod rng;
mod vanish;

use failure::{Context, Failure};
use rig::Options;
use std::{path::PathBuf, process::ExitCode};

const USAGE: &str =
    "usage: prove NAME|all [--short|--long] [--seed N] --binary SIGNALBOX --upstream UPSTREAM";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let proved = parse(&words).and_then(|(name, options)| {
        let runtime = tokio::runtime::Runtime::new().context("cannot start")?;
        runtime.block_on(prove(&name, &options))
    });
    match proved {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[String]) -> Result<(String, Options), Failure> {
    let mut words = words.iter();
    let name = words.next().ok_or_else(|| Failure::new(USAGE))?.clone();
    let mut options = Options { gateway: PathBuf::new(), upstream: PathBuf::new(), is_long: false, seed: 1 };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Failure::new(format!("{word} needs a value\n{USAGE}")));
        match word.as_str() {
            "--short" => options.is_long = false,
            "--long" => options.is_long = true,
            "--seed" => options.seed = value()?.parse().context("--seed")?,
            "--binary" => options.gateway = value()?.into(),
            "--upstream" => options.upstream = value()?.into(),
            _ => return Err(Failure::new(USAGE)),
        }
    }
    if options.gateway.as_os_str().is_empty() || options.upstream.as_os_str().is_empty() {
        return Err(Failure::new(USAGE));
    }
    Ok((name, options))
}

/// Runs one proof or all; the last line counts them.
async fn prove(name: &str, options: &Options) -> Result<bool, Failure> {
    let names = if name == "all" { proofs::NAMES.to_vec() } else { vec![name] };
    let (mut passed, mut failed) = (0, 0);
    for name in names {
        match proofs::run(name, options).await {
            Ok(figures) => {
                passed += 1;
                println!("{name}: holds: {figures} seed={}", options.seed);
            }
            Err(failure) => {
                failed += 1;
                println!("{name}: FAILS: {failure} seed={}", options.seed);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}
