//! What must be on the machine before the tests can run, and installing it where that is ours to do.

use crate::{failure::Failure, step};
use std::{path::Path, process::Command};

/// Something that must be there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Tool {
    Rustfmt,
    Clippy,
    CCompiler,
    CxxCompiler,
    Python,
    PythonVenv,
    Node,
    Npm,
    /// For the proof about the clock.
    Faketime,
}

/// The oldest Node.js that the SDKs of the tests support.
const NODE_MAJOR_MIN: u32 = 20;

impl Tool {
    fn is_present(self) -> bool {
        match self {
            Tool::Rustfmt => step::succeeds("cargo", &["fmt", "--version"]),
            Tool::Clippy => step::succeeds("cargo", &["clippy", "--version"]),
            Tool::CCompiler => step::succeeds("cc", &["--version"]),
            Tool::CxxCompiler => step::succeeds("c++", &["--version"]),
            Tool::Python => step::succeeds("python3", &["--version"]),
            Tool::PythonVenv => step::succeeds("python3", &["-c", "import ensurepip, venv"]),
            Tool::Node => node_major().is_some_and(|major| major >= NODE_MAJOR_MIN),
            Tool::Npm => step::succeeds("npm", &["--version"]),
            Tool::Faketime => step::succeeds("faketime", &["--version"]),
        }
    }

    /// What a person would call it.
    fn description(self) -> &'static str {
        match self {
            Tool::Rustfmt => "rustfmt (rustup component add rustfmt)",
            Tool::Clippy => "clippy (rustup component add clippy)",
            Tool::CCompiler => "a C compiler",
            Tool::CxxCompiler => "a C++ compiler",
            Tool::Python => "python3",
            Tool::PythonVenv => "python3 with venv",
            Tool::Node => "Node.js 20 or later",
            Tool::Npm => "npm",
            Tool::Faketime => "faketime",
        }
    }

    /// The Debian packages that bring it.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Tool::Rustfmt | Tool::Clippy => &[],
            Tool::CCompiler => &["gcc", "libc6-dev"],
            Tool::CxxCompiler => &["g++"],
            Tool::Python => &["python3"],
            Tool::PythonVenv => &["python3", "python3-venv"],
            Tool::Node => &["nodejs"],
            Tool::Npm => &["npm"],
            Tool::Faketime => &["faketime"],
        }
    }
}

/// What to do about tools that are missing.
#[derive(PartialEq, Debug)]
enum Remedy {
    Nothing,
    /// Packages to install with apt-get.
    Install(Vec<&'static str>),
    Tell(String),
}

/// Makes sure that the tools are there: installs what is missing as root on a Debian-like system, else says what to
/// install.
pub fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    match remedy(&missing(tools), can_install()) {
        Remedy::Nothing => return Ok(()),
        Remedy::Tell(message) => return Err(Failure::new(message)),
        Remedy::Install(packages) => install(&packages)?,
    }
    // A distribution may be too old: the package is there and the tool still is not good enough.
    match remedy(&missing(tools), Installer::Nobody) {
        Remedy::Nothing => Ok(()),
        Remedy::Tell(message) => Err(Failure::new(message)),
        Remedy::Install(packages) => Err(Failure::new(format!("still missing: {}", packages.join(" ")))),
    }
}

/// Who may install packages here.
#[derive(Clone, Copy, PartialEq)]
enum Installer {
    Apt,
    Nobody,
}

fn remedy(missing: &[Tool], installer: Installer) -> Remedy {
    if missing.is_empty() {
        return Remedy::Nothing;
    }
    let mut packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages()).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    let needs_person = missing.iter().any(|tool| tool.packages().is_empty());
    if installer == Installer::Apt && !needs_person {
        return Remedy::Install(packages);
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.description()).collect();
    let mut message = format!("missing: {}", names.join(", "));
    if !packages.is_empty() {
        message.push_str(&format!(" (on Debian: apt-get install {})", packages.join(" ")));
    }
    Remedy::Tell(message)
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !tool.is_present()).collect()
}

fn can_install() -> Installer {
    let is_root = step::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let is_debian = Path::new("/etc/debian_version").exists() && step::succeeds("apt-get", &["--version"]);
    if is_root && is_debian { Installer::Apt } else { Installer::Nobody }
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    step::heading(&format!("installing {}", packages.join(" ")));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        command
    };
    step::run(apt().arg("update"))?;
    step::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn node_major() -> Option<u32> {
    let version = step::capture(Command::new("node").arg("--version")).ok()?;
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_on_debian_installs_each_package_once() {
        let missing = [Tool::PythonVenv, Tool::Python, Tool::Npm];
        assert_eq!(remedy(&missing, Installer::Apt), Remedy::Install(vec!["npm", "python3", "python3-venv"]));
    }

    #[test]
    fn anyone_else_is_told_in_one_line() {
        let told = remedy(&[Tool::Node, Tool::CCompiler], Installer::Nobody);
        let line =
            "missing: Node.js 20 or later, a C compiler (on Debian: apt-get install gcc libc6-dev nodejs)";
        assert_eq!(told, Remedy::Tell(line.to_owned()));
    }

    #[test]
    fn what_apt_does_not_have_is_left_to_the_person() {
        let told = remedy(&[Tool::Clippy], Installer::Apt);
        assert_eq!(told, Remedy::Tell("missing: clippy (rustup component add clippy)".to_owned()));
    }

    #[test]
    fn nothing_is_done_when_all_is_there() {
        assert_eq!(remedy(&[], Installer::Nobody), Remedy::Nothing);
        assert_eq!(missing(&[]), []);
    }
}
