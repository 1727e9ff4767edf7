//! Running other programs: showing, capturing, counting.

use crate::{
    count::{Count, Runner, Stream},
    failure::{Context, Failure},
};
use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    path::Path,
    process::{Command, Stdio},
};

/// A cargo command in a folder.
pub fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    command
}

/// Announces what comes next.
pub fn heading(text: &str) {
    println!("\n── {text}");
}

/// Runs a command with its output shown.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let name = name(command);
    let status = command.stdin(Stdio::null()).status().context(format!("cannot start {name}"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name} failed ({status})"))) }
}

/// Runs a command and gives what it wrote to standard output.
pub fn capture(command: &mut Command) -> Result<String, Failure> {
    let name = name(command);
    let output = command.stdin(Stdio::null()).output().context(format!("cannot start {name}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("{name} failed ({}): {}", output.status, complaint.trim())));
    }
    String::from_utf8(output.stdout).context(format!("the output of {name}"))
}

/// Whether a command starts and succeeds. Shows nothing.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a test runner said.
pub struct Tested {
    pub count: Count,
    pub outcome: Result<(), Failure>,
}

/// Runs a test runner with its output shown, and sums the counts that it reports.
pub fn count(command: &mut Command, runner: Runner) -> Tested {
    let mut counted = Count::default();
    let outcome = watch(command, runner.summary_stream(), &mut |line| counted += runner.count(line));
    if outcome.is_err() {
        // A runner that failed before it could count has failed all the same.
        counted.failed = counted.failed.max(1);
    }
    Tested { count: counted, outcome }
}

fn watch(command: &mut Command, on: Stream, see: &mut dyn FnMut(&str)) -> Result<(), Failure> {
    let name = name(command);
    command.stdin(Stdio::null());
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    match on {
        Stream::Stdout => command.stdout(Stdio::piped()),
        Stream::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().context(format!("cannot start {name}"))?;
    if let Some(stdout) = child.stdout.take() {
        echo(BufReader::new(stdout), std::io::stdout(), see);
    }
    if let Some(stderr) = child.stderr.take() {
        echo(BufReader::new(stderr), std::io::stderr(), see);
    }
    let status = child.wait().context(format!("cannot wait for {name}"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{name} failed ({status})"))) }
}

fn echo(mut from: impl BufRead, mut to: impl Write, see: &mut dyn FnMut(&str)) {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Nobody reads the terminal any more when this fails; the tests still count.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        see(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

/// The program and its first words, for messages.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let words = command.get_args().take(2).map(|word| word.to_string_lossy());
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn counts_are_summed_over_all_summaries() {
        let summary = "Summary [1s] 2 tests run: 2 passed, 0 skipped";
        let mut command = shell(&format!("(echo '{summary}'; echo '{summary}') >&2"));
        let tested = count(&mut command, Runner::Nextest);
        assert!(tested.outcome.is_ok());
        assert_eq!(tested.count, Count { passed: 4, failed: 0 });
    }

    #[test]
    fn a_runner_that_dies_counts_as_failed() {
        let tested = count(&mut shell("exit 3"), Runner::Nextest);
        assert_eq!(tested.count, Count { passed: 0, failed: 1 });
        assert!(tested.outcome.is_err_and(|failure| failure.to_string().contains("sh -c exit 3 failed")));
    }

    #[test]
    fn a_captured_failure_tells_what_was_complained() {
        let captured = capture(&mut shell("echo no such thing >&2; exit 1"));
        assert!(captured.is_err_and(|failure| failure.to_string().ends_with("no such thing")));
    }
}
