//! Where things are: the repository, the build directories, the environment.

use crate::{
    failure::{Context, Failure},
    json::Json,
    step,
};
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The directories that commands work in.
pub struct Workspace {
    pub root: PathBuf,
    /// Where cargo builds the product.
    pub target: PathBuf,
    /// Where cargo builds the benchmark harness.
    pub bench_target: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows its environment and its configuration files.
    pub fn locate() -> Result<Workspace, Failure> {
        let root = root();
        let target = metadata(&root)?
            .at(&["target_directory"])
            .and_then(Json::as_str)
            .map(PathBuf::from)
            .ok_or_else(|| Failure::new("cargo metadata names no target directory"))?;
        let is_shared = variable("CARGO_TARGET_DIR").is_some();
        let bench_target = if is_shared { target.join("bench") } else { root.join("bench/target") };
        Ok(Workspace { root, target, bench_target })
    }
}

/// What cargo says about the workspace, without its external dependencies.
pub fn metadata(root: &Path) -> Result<Json, Failure> {
    let mut command = step::cargo(root);
    command.args(["metadata", "--format-version", "1", "--no-deps"]);
    Json::parse(&step::capture(&mut command)?).context("the output of cargo metadata")
}

/// An environment variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the product's configuration is not involved; cargo's is")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
