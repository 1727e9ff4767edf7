//! `cargo xtask prove`: holds the gateway's promises about money against what a provider billed (`bench/prove`).
//!
//! The gateway is the debug build: only that one has the named points where it can be made to die.

use crate::{
    count::Runner,
    failure::Failure,
    prerequisites::{self, Tool},
    step::{self, Tested},
    workspace::Workspace,
};
use std::process::Command;

/// Runs one proof, or all.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let Some((name, options)) = arguments.split_first() else {
        return Err(Failure::new("usage: cargo xtask prove NAME|all [--long] [--seed N]"));
    };
    prerequisites::ensure(&[Tool::CCompiler, Tool::Faketime])?;
    let workspace = Workspace::locate()?;
    let bench = workspace.root.join("bench");
    let mut harness = step::cargo(&bench);
    harness.env("CARGO_TARGET_DIR", &workspace.bench_target);
    step::run(harness.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "prove",
        "--package",
        "upstream",
    ]))?;
    build(&workspace)?;
    step::heading("proofs");
    step::run(command(&workspace, name).args(options))
}

/// Builds what is proven: the gateway, and the fuzzer of its parsers.
pub fn build(workspace: &Workspace) -> Result<(), Failure> {
    step::run(step::cargo(&workspace.root).args(["build", "--package", "signalbox", "--package", "fuzz"]))
}

/// Runs the short forms of all proofs. The harness is built already.
pub fn test(workspace: &Workspace) -> Tested {
    step::heading("proofs");
    step::count(command(workspace, "all").arg("--short"), Runner::Closing)
}

fn command(workspace: &Workspace, name: &str) -> Command {
    let harness = |name: &str| workspace.bench_target.join("release").join(name);
    let mut command = Command::new(harness("prove"));
    command.arg(name).arg("--binary").arg(workspace.target.join("debug/signalbox"));
    command.arg("--upstream").arg(harness("upstream"));
    command
}
