//! `cargo xtask run`: builds the product and becomes it.

use crate::{failure::Failure, step, workspace::Workspace};
use std::{os::unix::process::CommandExt, process::Command};

/// Builds a release and replaces this process with `signalbox serve ARGUMENTS…`, so that signals and the exit code
/// are the server's own. Returns only when that fails.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let workspace = Workspace::locate()?;
    step::run(step::cargo(&workspace.root).args(["build", "--release", "--package", "signalbox"]))?;
    let binary = workspace.target.join("release/signalbox");
    let error = Command::new(&binary).arg("serve").args(arguments).exec();
    Err(Failure::new(format!("cannot start {}: {error}", binary.display())))
}
