//! `cargo xtask test`: everything that must hold before a change lands, the quick checks first.

use crate::{
    count::{Count, Runner},
    failure::Failure,
    prerequisites::{self, Tool},
    prove,
    sdk::{Environments, Upstream},
    step::{self, Tested},
    workspace::Workspace,
};
use std::process::{Command, ExitCode};

#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Options {
    real_model: bool,
    rust_only: bool,
}

/// Runs the tests. The last line printed is the count of all suites.
pub fn run(arguments: &[String]) -> ExitCode {
    let mut count = Count::default();
    let outcome = parse(arguments).and_then(|options| run_all(options, &mut count));
    if let Err(failure) = &outcome {
        count.failed = count.failed.max(1);
        eprintln!("\n{failure}");
    }
    println!("\n{count}");
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options::default();
    for argument in arguments {
        match argument.as_str() {
            "--real-model" => options.real_model = true,
            "--rust-only" => options.rust_only = true,
            unknown => return Err(Failure::new(format!("cargo xtask test: unknown option {unknown}"))),
        }
    }
    if options.real_model && options.rust_only {
        return Err(Failure::new(
            "cargo xtask test: --real-model runs the SDK suites, --rust-only leaves them out",
        ));
    }
    Ok(options)
}

fn run_all(options: Options, count: &mut Count) -> Result<(), Failure> {
    prerequisites::ensure(&tools(options))?;
    let workspace = Workspace::locate()?;
    check_style(&workspace)?;
    add(count, rust_tests(&workspace))?;
    test_harness(&workspace, count)?;
    prove::build(&workspace)?;
    add(count, prove::test(&workspace))?;
    if options.rust_only {
        return Ok(());
    }
    sdk_suites(&workspace, options, count)
}

/// The harness needs Python even where the SDK suites are left out.
fn tools(options: Options) -> Vec<Tool> {
    let mut tools = vec![Tool::Rustfmt, Tool::Clippy, Tool::CCompiler, Tool::Python, Tool::Faketime];
    if !options.rust_only {
        tools.extend([Tool::PythonVenv, Tool::Node, Tool::Npm]);
    }
    if options.real_model {
        tools.push(Tool::CxxCompiler);
    }
    tools
}

fn check_style(workspace: &Workspace) -> Result<(), Failure> {
    let bench = workspace.root.join("bench");
    step::heading("formatting");
    step::run(step::cargo(&workspace.root).args(["fmt", "--all", "--check"]))?;
    step::run(step::cargo(&bench).args(["fmt", "--all", "--check"]))?;
    step::heading("clippy");
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step::run(step::cargo(&workspace.root).args(clippy))
}

fn rust_tests(workspace: &Workspace) -> Tested {
    step::heading("Rust tests");
    let mut command = step::cargo(&workspace.root);
    if step::succeeds("cargo", &["nextest", "--version"]) {
        step::count(command.args(["nextest", "run", "--workspace", "--no-fail-fast"]), Runner::Nextest)
    } else {
        step::count(command.args(["test", "--workspace", "--no-fail-fast"]), Runner::CargoTest)
    }
}

/// Checks the benchmark harness, builds it as it is used, and runs its own tests. Measures nothing.
fn test_harness(workspace: &Workspace, count: &mut Count) -> Result<(), Failure> {
    let bench = workspace.root.join("bench");
    step::heading("benchmark harness");
    let cargo = || {
        let mut command = step::cargo(&bench);
        command.env("CARGO_TARGET_DIR", &workspace.bench_target);
        command
    };
    step::run(cargo().args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    step::run(cargo().args(["build", "--release", "--locked", "--workspace"]))?;
    add(count, step::count(cargo().args(["test", "--locked", "--workspace"]), Runner::CargoTest))?;
    let mut python = Command::new("python3");
    python.current_dir(&bench).env("PYTHONDONTWRITEBYTECODE", "1");
    python.args(["-m", "unittest", "discover", "--start-directory", ".", "--pattern", "test_*.py"]);
    add(count, step::count(&mut python, Runner::Unittest))
}

fn sdk_suites(workspace: &Workspace, options: Options, count: &mut Count) -> Result<(), Failure> {
    step::heading("SDK suites");
    let binary = workspace.target.join("debug/signalbox");
    let environments = Environments::prepare(workspace)?;
    add(count, environments.run(&binary, Upstream::Fake))?;
    if options.real_model {
        step::heading("SDK suites with a real model");
        environments.prepare_real_model()?;
        add(count, environments.run(&binary, Upstream::RealModel))?;
    }
    Ok(())
}

fn add(count: &mut Count, tested: Tested) -> Result<(), Failure> {
    *count += tested.count;
    tested.outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_known_or_refused() {
        assert_eq!(parsed(&[]), Ok(Options::default()));
        assert_eq!(parsed(&["--real-model"]), Ok(Options { real_model: true, rust_only: false }));
        assert!(parsed(&["--fast"]).is_err());
        assert!(parsed(&["--rust-only", "--real-model"]).is_err());
    }

    #[test]
    fn rust_only_needs_no_node() {
        assert!(!tools(Options { rust_only: true, real_model: false }).contains(&Tool::Node));
        assert!(tools(Options::default()).contains(&Tool::Npm));
    }
}
