//! The rig of a proof: a folder, the simulator with its invoice, and the gateway in front of it.

use crate::{
    books::{Invoice, Ledger},
    child::{self, Program},
    client,
    failure::{Context, Failure},
    money::Price,
    mount::Mount,
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Made up; the simulator expects it.
const PROVIDER_KEY: &str = "sk-upstream";
const READY_WAIT_MAX: Duration = Duration::from_secs(20);
/// After the death of a process; without one it is far less.
pub const QUIET_WAIT_MAX: Duration = Duration::from_secs(60);

/// What the gauges of a quiet gateway say, all of them 0.
const QUIET: [&str; 5] = [
    "signalbox_held_nano_usd",
    "signalbox_calls_running",
    "signalbox_bodies_bytes",
    "signalbox_journal_unapplied_bytes",
    "signalbox_journal_open_intents",
];

/// What a proof was started with.
#[derive(Clone, Debug)]
pub struct Options {
    pub gateway: PathBuf,
    pub upstream: PathBuf,
    pub is_long: bool,
    pub seed: u64,
}

/// The two programs and their files. Dropping it stops them and removes the folder.
pub struct Rig {
    pub port: u16,
    pub gateway: Option<Program>,
    upstream_port: u16,
    folder: PathBuf,
    binary: PathBuf,
    disk: Option<Mount>,
    /// Variables of the gateway and its commands.
    variables: Vec<(String, String)>,
    _upstream: Program,
}

impl Rig {
    /// Starts the simulator. `settings` stands before the gateway's own, `provider` within those of the provider, which
    /// stops when its answer is left unless they say otherwise.
    pub fn new(name: &str, options: &Options, price: Price, settings: [&str; 2]) -> Result<Rig, Failure> {
        Rig::with_key(name, options, price, settings, PROVIDER_KEY)
    }

    /// The same, with a key of the provider's that is this one.
    pub fn with_key(
        name: &str,
        options: &Options,
        price: Price,
        [settings, provider]: [&str; 2],
        key: &str,
    ) -> Result<Rig, Failure> {
        let folder = std::env::temp_dir().join(format!("prove-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).context(folder.display())?;
        let (upstream_port, port) = child::free_ports()?;
        let abort = if provider.contains("abort = ") { "" } else { "abort = \"cancel\"\n" };
        let text = format!(
            "{settings}\n[[providers]]\nname = \"prove\"\nkind = \"openai-compatible\"\n\
             base_url = \"http://127.0.0.1:{upstream_port}/v1\"\napi_key = \"{key}\"\n{abort}{provider}\n\
             [[providers.models]]\nid = \"mock\"\n{}context_window = 8192\nmax_output_tokens = 1000\n\
             [[providers.models]]\nid = \"long\"\n{}context_window = 32768\nmax_output_tokens = 20000\n\
             capabilities = [\"tools\"]\n",
            price.settings(),
            price.settings()
        );
        fs::write(folder.join("signalbox.toml"), text).context("the settings")?;
        let mut command = Command::new(&options.upstream);
        command.args(["--listen", &format!("127.0.0.1:{upstream_port}"), "--require-key", key]);
        // A provider's own buffer is not the gateway's to bound.
        command.args(["--send-buffer", "65536"]);
        command.arg("--invoice").arg(folder.join("invoice.jsonl"));
        let upstream = Program::start(&mut command, &folder.join("upstream.log"))?;
        Ok(Rig {
            port,
            gateway: None,
            folder,
            binary: options.gateway.clone(),
            disk: None,
            upstream_port,
            variables: Vec::new(),
            _upstream: upstream,
        })
    }

    /// Gives the gateway a disk of its own of so many MiB.
    pub fn limit_data(&mut self, mib: u32) -> Result<(), Failure> {
        self.disk = Some(Mount::new(&self.folder.join("data"), mib)?);
        Ok(())
    }

    /// The disk of [`Rig::limit_data`].
    pub fn disk(&self) -> Result<&Mount, Failure> {
        self.disk.as_ref().ok_or_else(|| Failure::new("the gateway has no disk of its own"))
    }

    /// Sets a variable for the gateway and its commands.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Appends to the settings file.
    pub fn add_settings(&self, text: &str) -> Result<(), Failure> {
        let file = fs::OpenOptions::new().append(true).open(self.folder.join("signalbox.toml"));
        file.and_then(|mut file| file.write_all(text.as_bytes())).context("the settings")
    }

    /// The simulator's address, as a provider's `base_url`.
    pub fn upstream_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.upstream_port)
    }

    /// The gateway's program without any settings.
    pub fn bare_command(&self) -> Command {
        Command::new(&self.binary)
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command of the gateway's, for what [`Rig::run`] does not do.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.folder.join("signalbox.toml"));
        command.arg("--data-dir").arg(self.folder.join("data")).args(words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the gateway on its folder and waits until it is ready. With a failpoint, such as `after_head:3`, it
    /// may end itself at any time, the start included, which is no failure.
    pub async fn start(&mut self, failpoint: Option<&str>) -> Result<(), Failure> {
        let mut command = self.command(&["serve", "--listen", &format!("127.0.0.1:{}", self.port)]);
        if let Some(failpoint) = failpoint {
            command.env("SIGNALBOX_FAILPOINT", failpoint);
        }
        let log = self.folder.join("gateway.log");
        let gateway = self.gateway.insert(Program::start(&mut command, &log)?);
        let begun = Instant::now();
        while client::get(self.port, "/readyz").await.is_none() {
            if let Some(status) = gateway.ended() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(8)..].join("\n");
                let ended = Failure::new(format!("the gateway ended ({status})\n{last}"));
                return if failpoint.is_some() { Ok(()) } else { Err(ended) };
            }
            if begun.elapsed() > READY_WAIT_MAX {
                return Err(Failure::new("the gateway did not become ready"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub fn kill(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.kill();
        }
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        if let Some(gateway) = &self.gateway {
            gateway.ask_to_stop();
        }
    }

    /// SIGTERM; gives how long the gateway took.
    pub fn stop(&mut self, wait_max: Duration) -> Result<Duration, Failure> {
        let stopped = self.gateway.take().and_then(|mut gateway| gateway.terminate(wait_max));
        match stopped {
            Some((status, took)) if status.success() => Ok(took),
            Some((status, _)) => {
                Err(Failure::new(format!("the gateway ended badly when told to stop ({status})")))
            }
            None => Err(Failure::new(format!("the gateway did not stop within {wait_max:?}"))),
        }
    }

    /// Runs a command of the gateway's and gives what it printed.
    pub fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let output =
            self.command(words).stdin(Stdio::null()).output().context("cannot run the gateway's command")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!(
            "signalbox {} failed ({}): {}{}",
            words.join(" "),
            output.status,
            text,
            complaint.trim()
        )))
    }

    /// Makes a key, with a limit in dollars if there is one.
    pub fn create_key(&self, limit: Option<&str>) -> Result<String, Failure> {
        match limit {
            Some(limit) => self.create_key_with(&["--limit", limit, "--window", "total"]),
            None => self.create_key_with(&[]),
        }
    }

    /// Makes a key with these options.
    pub fn create_key_with(&self, options: &[&str]) -> Result<String, Failure> {
        let mut words = vec!["keys", "create", "--name", "prove"];
        words.extend(options);
        let printed = self.run(&words)?;
        printed.lines().next().map(str::to_owned).ok_or_else(|| Failure::new("keys create printed no key"))
    }

    /// Waits until nothing is held, running or unapplied. A gauge that is missing is a failure: silence proves nothing.
    pub async fn wait_until_quiet(&self, wait_max: Duration) -> Result<Duration, Failure> {
        let begun = Instant::now();
        loop {
            let text = client::get(self.port, "/metrics").await.unwrap_or_default();
            let loud: Vec<&str> = QUIET.into_iter().filter(|name| gauge(&text, name) != Some(0.0)).collect();
            if loud.is_empty() {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > wait_max {
                return Err(Failure::new(format!(
                    "not 0, or missing, after {wait_max:?}: {}",
                    loud.join(", ")
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn invoice(&self) -> Result<Invoice, Failure> {
        Invoice::read(&self.invoice_text()?)
    }

    /// The invoice's lines as they are.
    pub fn invoice_text(&self) -> Result<String, Failure> {
        fs::read_to_string(self.folder.join("invoice.jsonl")).context("the invoice")
    }

    pub fn ledger(&self) -> Result<Ledger, Failure> {
        Ledger::read(&self.run(&["ledger", "export", "--format", "jsonl"])?)
    }

    /// Fails unless the gateway finds its own ledger sound.
    pub fn verify(&self) -> Result<(), Failure> {
        let text = self.run(&["ledger", "verify"])?;
        let is_clean = text.split_whitespace().any(|word| word == "fold_diff_nano=0");
        if is_clean { Ok(()) } else { Err(Failure::new(format!("ledger verify: {}", text.trim()))) }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
        self.disk = None;
        // Left over in the temporary folder at worst.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The sum of a metric over its labels; nothing when it is not there.
pub fn gauge(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit_once('}').map_or(rest, |(_, value)| value).split_whitespace().next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_missed_when_missing() {
        let text = "# TYPE held gauge\nheld{key=\"a b\"} 2\nheld{key=\"c\"} 3\nheld_more 9\nfree 0\n";
        assert_eq!(
            (gauge(text, "held"), gauge(text, "free"), gauge(text, "hel")),
            (Some(5.0), Some(0.0), None)
        );
    }
}
