//! `cargo xtask tidy`: rules that no compiler and no linter checks.
//!
//! Each rule is a function from what it looks at to what it found, and finds nothing where there is nothing to look
//! at. `cargo test` runs all of them too, so that no change can land that breaks one.

mod dependencies;
mod files;
mod tree;

use crate::{failure::Failure, workspace};
use std::{fmt, path::Path};
use tree::Tree;

/// A rule that is broken somewhere.
#[derive(PartialEq, Debug)]
pub struct Finding {
    /// A file, or the name of a crate.
    place: String,
    problem: String,
}

impl Finding {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Finding {
        Finding { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.problem)
    }
}

/// Checks the repository and prints what is wrong.
pub fn run() -> Result<(), Failure> {
    let findings = check(&workspace::root())?;
    if findings.is_empty() {
        println!("tidy");
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(Failure::new(format!("{}\n{} to tidy up", lines.join("\n"), lines.len())))
}

/// Every rule on the repository at `root`.
fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let tree = Tree::read(root)?;
    let mut findings = dependencies::check(&workspace::metadata(root)?);
    for rule in files::RULES {
        findings.extend(rule(&tree));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = check(&workspace::root()).unwrap();
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
