//! The `signalbox` command.

use clap::Parser;
use server::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    server::commands::run(Cli::parse())
}
