//! `cargo xtask bench`: Signalbox beside the floor, in one interleaved run of `bench/compare`.
//!
//! The floor is `bench/passthrough` with all duties on: what a gateway of this kind costs at least. The ratio to it
//! carries over from machine to machine; a number of microseconds does not. Nothing here passes or fails on time.

use crate::{
    failure::{Context, Failure},
    json::Json,
    plot,
    prerequisites::{self, Tool},
    server::{self, Server},
    startup::StartupTimes,
    step, table,
    workspace::Workspace,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The gateway's name in tables and files, and the floor's.
pub const NAME: &str = "signalbox";
pub const FLOOR: &str = "floor";
/// The same gateway, asked in Anthropic's protocol for a model whose provider speaks OpenAI's.
pub const TRANSLATED: &str = "translated";

/// Made up for each run's empty data directory; opens nothing else.
const CALLER_KEY: &str = "sbx_bench_4f1d7c2a9be8436095ad10e7c3b6f258";
/// The keys that the simulator and the floor expect.
const UPSTREAM_KEY: &str = "sk-upstream";
const FLOOR_KEY: &str = "sk-bench-1";
/// The rate of the latency figures.
pub const RATE: &str = "500";

#[derive(PartialEq, Debug)]
struct Options {
    secs: f64,
    rounds: u32,
    is_quick: bool,
    prefer: bool,
    has_limits: bool,
    out: Option<PathBuf>,
}

/// Measures and writes the results.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = parse(arguments)?;
    prerequisites::ensure(&[Tool::CCompiler, Tool::Python])?;
    let workspace = Workspace::locate()?;
    build(&workspace)?;
    let scratch = Scratch::new(&workspace)?;
    let result = measure(&workspace, &options, &scratch.folder)?;
    let out = options.out.unwrap_or_else(|| workspace.root.join("docs/benchmarks"));
    write(&out, &result)
}

fn parse(arguments: &[String]) -> Result<Options, Failure> {
    let mut options =
        Options { secs: 3.0, rounds: 3, is_quick: false, prefer: false, has_limits: true, out: None };
    let mut words = arguments.iter();
    while let Some(name) = words.next() {
        let mut value = || words.next().ok_or_else(|| Failure::new(format!("{name} needs a value")));
        match name.as_str() {
            "--secs" => options.secs = value()?.parse().context("--secs")?,
            "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
            "--out" => options.out = Some(PathBuf::from(value()?)),
            "--quick" => options.is_quick = true,
            "--prefer" => options.prefer = true,
            "--without-limits" => options.has_limits = false,
            unknown => return Err(Failure::new(format!("cargo xtask bench: unknown option {unknown}"))),
        }
    }
    if options.is_quick {
        (options.secs, options.rounds) = (1.0, 1);
    }
    if !(0.5..=60.0).contains(&options.secs) || !(1..=20).contains(&options.rounds) {
        return Err(Failure::new("--secs is 0.5 to 60, --rounds 1 to 20"));
    }
    Ok(options)
}

fn build(workspace: &Workspace) -> Result<(), Failure> {
    step::heading("building");
    let bench = workspace.root.join("bench");
    let mut harness = step::cargo(&bench);
    harness.env("CARGO_TARGET_DIR", &workspace.bench_target);
    step::run(harness.args(["build", "--release", "--locked", "--workspace"]))?;
    step::run(step::cargo(&workspace.root).args(["build", "--release", "--package", "signalbox"]))
}

/// A folder of this run, removed with all that is in it.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn new(workspace: &Workspace) -> Result<Scratch, Failure> {
        let folder = workspace.target.join(format!("bench-run-{}", std::process::id()));
        fs::create_dir_all(&folder).context(folder.display())?;
        Ok(Scratch { folder })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in the build directory, where nobody misses or minds it.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// How Signalbox is started, again and again.
pub struct Gateway<'a> {
    binary: PathBuf,
    folder: &'a Path,
    port: u16,
}

impl Gateway<'_> {
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--config").arg(self.config()).arg("--data-dir").arg(self.data_dir());
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.env("SIGNALBOX_BOOTSTRAP_KEY", CALLER_KEY);
        command
    }

    /// Sets four hard spending limits and rate limits that nothing reaches: every call reserves under all of them.
    fn set_limits(&self) -> Result<(), Failure> {
        let text = step::capture(self.on_its_folder().args(["keys", "list", "--json"]))?;
        let key = Json::parse(text.lines().next().unwrap_or_default()).context("keys list")?;
        let key = key.at(&["id"]).and_then(Json::as_str).ok_or_else(|| Failure::new("there is no key"))?;
        for (scope, window) in [("org", "day"), ("org", "month"), ("org", "total"), (key, "month")] {
            let words = ["limits", "set", scope, "1000000", "--window", window];
            step::capture(self.on_its_folder().args(words))?;
        }
        let rates = [
            "--requests-per-minute",
            "100000000",
            "--tokens-per-minute",
            "4000000000",
            "--concurrent",
            "4000",
        ];
        step::capture(self.on_its_folder().args(["keys", "rate", key]).args(rates))?;
        Ok(())
    }

    fn on_its_folder(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config()).arg("--data-dir").arg(self.data_dir());
        command
    }

    pub fn folder(&self) -> &Path {
        self.folder
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("signalbox.toml")
    }
}

/// Both protocols of the simulator, each as a provider.
fn config_text(upstream_port: u16) -> String {
    let provider = |name: &str, kind: &str, path: &str| {
        format!(
            "[[providers]]\nname = \"{name}\"\nkind = \"{kind}\"\n\
             base_url = \"http://127.0.0.1:{upstream_port}{path}\"\napi_key = \"{UPSTREAM_KEY}\"\n\
             [[providers.models]]\nid = \"mock\"\ninput = \"0.10\"\noutput = \"0.40\"\n\
             context_window = 32768\nmax_output_tokens = 4096\n"
        )
    };
    provider("bench", "openai-compatible", "/v1") + "\n" + &provider("bench-anthropic", "anthropic", "")
}

fn measure(workspace: &Workspace, options: &Options, folder: &Path) -> Result<Json, Failure> {
    let [upstream_port, floor_port, port] = server::free_ports()?;
    let harness = |name: &str| Command::new(workspace.bench_target.join("release").join(name));

    let mut command = harness("upstream");
    command.arg("--listen").arg(format!("127.0.0.1:{upstream_port}")).args(["--require-key", UPSTREAM_KEY]);
    let mut upstream = Server::start("upstream", &mut command, folder)?;
    upstream.wait_until(|| server::is_listening(upstream_port))?;

    let mut command = harness("passthrough");
    command.arg("--listen").arg(format!("127.0.0.1:{floor_port}"));
    command.arg("--upstream").arg(format!("127.0.0.1:{upstream_port}"));
    command.args(["--mode", "log", "--db"]).arg(folder.join("floor.db"));
    let mut floor = Server::start(FLOOR, &mut command, folder)?;
    floor.wait_until(|| server::is_listening(floor_port))?;

    let gateway = Gateway { binary: workspace.target.join("release/signalbox"), folder, port };
    fs::write(gateway.config(), config_text(upstream_port)).context("the configuration")?;
    step::heading("time to ready");
    let startup = StartupTimes::measure(&gateway)?;
    if options.has_limits {
        gateway.set_limits()?;
    }
    let mut signalbox = Server::start(NAME, &mut gateway.command(), folder)?;
    signalbox.wait_until(|| server::answers_200(port, "/readyz"))?;

    step::heading("load");
    let target = |name: &str, port: u16, key: &str, model: &str, pid: u32| {
        format!("{name}=http://127.0.0.1:{port}/v1,{key},{model},pid={pid}")
    };
    let summary = folder.join("summary.json");
    let mut compare = compare_command(workspace, options, upstream_port);
    compare.arg("--summary").arg(&summary);
    compare.arg(target(FLOOR, floor_port, FLOOR_KEY, "mock", floor.pid()));
    let own = target(NAME, port, CALLER_KEY, "bench/mock", signalbox.pid());
    let translated = target(TRANSLATED, port, CALLER_KEY, "bench/mock", signalbox.pid());
    compare.arg(own).arg(format!("{translated},api=anthropic,only=closed+smax"));
    step::run(&mut compare)?;

    let text = fs::read_to_string(&summary).context("the summary")?;
    let mut result = Json::parse(&text).context("the summary")?;
    result.insert("time_to_ready", startup.to_json());
    Ok(result)
}

fn compare_command(workspace: &Workspace, options: &Options, upstream_port: u16) -> Command {
    let mut command = Command::new("python3");
    command.env("CARGO_TARGET_DIR", &workspace.bench_target).arg(workspace.root.join("bench/compare"));
    command.arg("--upstream").arg(format!("http://127.0.0.1:{upstream_port}/v1"));
    command.args(["--upstream-key", UPSTREAM_KEY, "--floor", FLOOR, "--rates", RATE, "--strict"]);
    command.arg("--secs").arg(options.secs.to_string()).arg("--rounds").arg(options.rounds.to_string());
    // A busy machine makes each run of a scenario repeat; bounded, since the median takes most of it out.
    command.args(["--retries", if options.is_quick { "0" } else { "1" }]);
    if options.prefer {
        command.arg("--prefer");
    }
    command
}

fn write(folder: &Path, result: &Json) -> Result<(), Failure> {
    let table = table::markdown(result);
    fs::create_dir_all(folder).context(folder.display())?;
    let files =
        [("latest.json", result.pretty()), ("overhead.svg", plot::svg(result)), ("table.md", table.clone())];
    for (name, text) in files {
        fs::write(folder.join(name), text).context(name)?;
    }
    step::heading("result");
    println!("{table}\nwritten to {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn quick_is_one_short_round() {
        let options = parsed(&["--rounds", "5", "--quick"]).unwrap();
        assert_eq!((options.secs, options.rounds), (1.0, 1));
    }

    #[test]
    fn bounds_are_kept_and_options_known() {
        for words in [&["--secs", "600"][..], &["--rounds", "0"], &["--secs", "x"], &["--secs"], &["--fast"]]
        {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn both_protocols_of_the_simulator_are_configured() {
        let text = config_text(9100);
        assert!(text.contains("base_url = \"http://127.0.0.1:9100/v1\"\n"), "{text}");
        assert!(text.contains("base_url = \"http://127.0.0.1:9100\"\n"), "{text}");
    }
}
