//! Reading how many tests passed from what test runners print.

use std::ops::AddAssign;

/// Tests that passed and tests that did not.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Who runs the tests. Each is read by its own summary alone: a runner may show the output of another that it runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Runner {
    CargoTest,
    Nextest,
    Unittest,
    /// `sdk-tests/run` and `bench/prove`, which close like this crate does.
    Closing,
}

/// A stream of a process.
#[derive(Clone, Copy, PartialEq)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Runner {
    /// Where the summary is written.
    pub fn summary_stream(self) -> Stream {
        match self {
            Runner::CargoTest | Runner::Closing => Stream::Stdout,
            Runner::Nextest | Runner::Unittest => Stream::Stderr,
        }
    }

    /// The count in a summary line; zero in any other line.
    pub fn count(self, line: &str) -> Count {
        let plain = without_colours(line);
        let text = plain.trim();
        match self {
            Runner::CargoTest => {
                let rest = text.strip_prefix("test result: ");
                rest.map_or(Count::default(), |rest| Count::in_parts(rest.split(['.', ';'])))
            }
            Runner::Nextest => {
                let rest = text.strip_prefix("Summary [").and_then(|rest| rest.split_once(" run: "));
                rest.map_or(Count::default(), |(_, rest)| Count::in_parts(rest.split(',')))
            }
            Runner::Unittest => {
                let number = text.strip_prefix("Ran ").and_then(|rest| rest.split(' ').next());
                Count { passed: number.and_then(|number| number.parse().ok()).unwrap_or(0), failed: 0 }
            }
            Runner::Closing => match Count::in_parts(text.split(", ")) {
                // The closing line is those words and nothing else.
                count if text == count.to_string() => count,
                _ => Count::default(),
            },
        }
    }
}

impl Count {
    /// Each part reads `12 passed`, `1 exec failed`, `2 timed out`, perhaps with a remark in brackets.
    fn in_parts<'a>(parts: impl Iterator<Item = &'a str>) -> Count {
        let mut count = Count::default();
        for part in parts {
            let words = part.split('(').next().unwrap_or_default().trim();
            let Some((number, what)) = words.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => count.passed += number,
                "failed" | "exec failed" | "timed out" => count.failed += number,
                _ => {}
            }
        }
        count
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Leaves out the escape sequences that switch colours.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, text)| text);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_count(runner: Runner, line: &str, passed: u64, failed: u64) {
        assert_eq!(runner.count(line), Count { passed, failed }, "{line}");
    }

    #[test]
    fn every_runner_is_understood() {
        let cargo = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; finished in 0.00s";
        assert_count(Runner::CargoTest, cargo, 5, 0);
        assert_count(Runner::CargoTest, "test result: FAILED. 5 passed; 2 failed; 0 ignored", 5, 2);
        let nextest = "     Summary [   0.005s] 5 tests run: 4 passed (1 slow), 1 failed, 3 skipped\n";
        assert_count(Runner::Nextest, nextest, 4, 1);
        let nextest = "Summary [1.5s] 4 tests run: 1 passed, 1 failed, 1 exec failed, 1 timed out, 0 skipped";
        assert_count(Runner::Nextest, nextest, 1, 3);
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [ 0.1s] \u{1b}[1m1\u{1b}[0m test run: \u{1b}[1m1\u{1b}[0m passed";
        assert_count(Runner::Nextest, coloured, 1, 0);
        assert_count(Runner::Unittest, "Ran 7 tests in 0.001s", 7, 0);
        assert_count(Runner::Closing, "12 passed, 3 failed\n", 12, 3);
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_count(Runner::CargoTest, "running 5 tests", 0, 0);
        assert_count(Runner::Nextest, "test result: FAILED. 0 passed; 1 failed; 0 ignored", 0, 0);
        assert_count(Runner::Closing, "the check of 5 passed, 3 failed to print", 0, 0);
        assert_count(Runner::Closing, "5 passed in 0.4s", 0, 0);
        assert_count(Runner::Unittest, "", 0, 0);
    }
}
