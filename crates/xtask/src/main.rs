//! The project's own commands, called as `cargo xtask …`.
//!
//! The standard library only, so that it builds in a second on a machine that has nothing but Rust.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to a terminal")]

mod bench;
mod count;
mod failure;
mod json;
mod plot;
mod prerequisites;
mod prove;
mod run;
mod sdk;
mod server;
mod startup;
mod step;
mod table;
mod test;
mod tidy;
mod workspace;

use failure::Failure;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run [ARGUMENTS…]     build Signalbox and run `signalbox serve ARGUMENTS…`
  test                 install what the tests need and run all of them
      --rust-only      leave the SDK suites out
      --real-model     also run the SDK suites against a small real model
  bench                measure Signalbox beside the floor; writes docs/benchmarks
      --secs S         seconds of one run (default 3)
      --rounds N       rounds (default 3)
      --quick          one round of one second: does it work at all
      --without-limits no spending limits, no rate limits: keys and records alone
      --prefer         keep other programs of a shared machine out of the figures (root)
      --out DIR        write there instead
  prove NAME|all       hold promises against what a provider saw: crash, overshoot, conservation, leaks, drain,
                       overload, memory, disconnect, disk-full, secrets, clock, fuzz
      --long           as often as a release wants it (default: as often as a change does)
      --seed N         other random numbers
  tidy                 check the rules that no compiler checks";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "run" => run::run(&rest),
        "test" => return test::run(&rest),
        "bench" => bench::run(&rest),
        "prove" => prove::run(&rest),
        "tidy" => tidy::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        "" => Err(Failure::new(USAGE)),
        unknown => Err(Failure::new(format!("no command `{unknown}`\n\n{USAGE}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
