//! Process settings: one file, the environment, the command line. Read once, here and nowhere else.
//!
//! A flag wins over a variable, a variable over the file, the file over the default. Unknown keys are
//! refused with their path. Every setting of [`Settings`] has a variable: `SIGNALBOX_` and its path in
//! capitals, so `limits.body_bytes_max` is `SIGNALBOX_LIMITS_BODY_BYTES_MAX`.

mod aliases;
mod aws;
mod environment;
mod identity;
mod providers;

pub use aliases::AliasSettings;
pub use environment::Environment;
pub use providers::{ModelSettings, ProviderEntry, resolve};

use crate::drain::Patience;
use crate::toml_text;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read when none is named, if it exists.
const DEFAULT_FILE: &str = "signalbox.toml";

/// Four segments of the journal: less would be full before the first is applied.
const JOURNAL_BYTES_MIN: u64 = 64 << 20;

/// Before the first look at a job: what Black Forest Labs' own examples wait
/// (<https://docs.bfl.ml/flux_models/flux_1_1_pro>, read 2026-11-26).
const JOB_PAUSE: Duration = Duration::from_millis(500);
/// How long one look at a job may take.
const JOB_LOOK: Duration = Duration::from_secs(30);

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named is not there, or cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("{path} is not valid TOML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// An unknown key, or a value of the wrong kind.
    #[error("setting `{path}`: {reason}")]
    Setting {
        /// Path of the key.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable's text does not fit its setting.
    #[error("the variable {variable} cannot be read: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// An alias cannot be used as configured.
    #[error("alias `{name}`: {reason}")]
    Alias {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A provider cannot be used as configured.
    #[error("provider `{name}`: {reason}")]
    Provider {
        /// Its name or kind.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// All process settings, with their defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Folder for everything the gateway keeps.
    pub data_dir: PathBuf,
    /// Model of a chat request that names none.
    pub default_model: String,
    /// Folder with catalogue files that replace the built-in ones. Empty: none.
    pub catalog_dir: PathBuf,
    /// What is written about the gateway's own doings.
    pub log: Log,
    /// Encryption towards callers.
    pub tls: Tls,
    /// Bounds in bytes and calls.
    pub limits: LimitSettings,
    /// Bounds in time.
    pub timeouts: Timeouts,
    /// How calls are written down before they reach the database.
    pub journal: JournalSettings,
    /// What is kept of calls under an `Idempotency-Key`.
    pub idempotency: IdempotencySettings,
    /// Bounds of realtime sessions.
    pub realtime: RealtimeSettings,
    /// PDFs for models that read none.
    pub pdf: PdfSettings,
    /// The providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderEntry>,
    /// Names of our own for their models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<AliasSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8400)),
            data_dir: PathBuf::from("signalbox-data"),
            default_model: "openai/gpt-4o-mini".to_owned(),
            catalog_dir: PathBuf::new(),
            log: Log::default(),
            tls: Tls::default(),
            limits: LimitSettings::default(),
            timeouts: Timeouts::default(),
            journal: JournalSettings::default(),
            idempotency: IdempotencySettings::default(),
            realtime: RealtimeSettings::default(),
            pdf: PdfSettings::default(),
            providers: Vec::new(),
            aliases: Vec::new(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is written about the gateway's own doings. Bodies, keys and addresses never are.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,gateway=debug`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// TLS towards callers: on when both files are named.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificate chain, PEM. Empty: no TLS.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// Bounds in bytes and calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Longest request body.
    pub body_bytes_max: usize,
    /// All request bodies that are held at once.
    pub bodies_bytes_max: u64,
    /// Longest answer of a provider that is not streamed.
    pub answer_bytes_max: usize,
    /// Calls that run at once.
    pub concurrent_calls_max: usize,
    /// Calls that wait while so many run; at more, calls are refused.
    pub waiting_calls_max: usize,
    /// Answers that are read to their end though their callers have left, since they are billed whole.
    pub abandoned_calls_max: usize,
    /// Answers that providers make in the background.
    pub background_answers_max: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 << 20,
            bodies_bytes_max: 256 << 20,
            answer_bytes_max: 64 << 20,
            concurrent_calls_max: 4_096,
            waiting_calls_max: 1_024,
            abandoned_calls_max: 256,
            background_answers_max: 1_024,
        }
    }
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalSync {
    /// In the system's memory; the disk follows within ten milliseconds.
    #[default]
    Interval,
    /// On the disk: calls wait for it.
    Strict,
}

/// How calls are written down before they reach the database.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSettings {
    /// When a record counts as written.
    pub sync: JournalSync,
    /// Bytes that may wait for the database; at more, no new calls are taken.
    pub bytes_max: u64,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self { sync: JournalSync::Interval, bytes_max: 1 << 30 }
    }
}

/// What is kept of calls under an `Idempotency-Key`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdempotencySettings {
    /// Off: the header means nothing, and no answer is kept.
    pub enabled: bool,
    /// Longest answer that is kept.
    pub answer_bytes_max: usize,
    /// Answers in memory, while their calls run.
    pub memory_bytes_max: usize,
    /// Answers in the database, for a day.
    pub stored_bytes_max: u64,
}

/// PDFs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PdfSettings {
    /// Models that read no PDFs are sent their text.
    pub text: bool,
}

impl Default for PdfSettings {
    fn default() -> Self {
        Self { text: true }
    }
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            answer_bytes_max: 4 << 20,
            memory_bytes_max: 64 << 20,
            stored_bytes_max: 1 << 30,
        }
    }
}

/// Bounds of realtime sessions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RealtimeSettings {
    /// Sessions that are open at once.
    pub sessions_max: usize,
    /// Longest message of either side, in bytes.
    pub message_bytes_max: usize,
    /// Silence of both sides after which a session is ended.
    pub idle_seconds: u64,
    /// From the beginning of a session to its end.
    pub session_seconds: u64,
}

impl Default for RealtimeSettings {
    fn default() -> Self {
        Self { sessions_max: 256, message_bytes_max: 4 << 20, idle_seconds: 600, session_seconds: 3_600 }
    }
}

/// Bounds in time, in seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To reach a provider.
    pub connect_seconds: u64,
    /// From sending a request to the first event of a streamed answer.
    pub first_event_seconds: u64,
    /// Silence between two pieces of an answer.
    pub idle_seconds: u64,
    /// From sending a request to the end of the answer.
    pub total_seconds: u64,
    /// While as many calls run as may: how long another waits at the most before it is refused.
    pub queue_seconds: u64,
    /// To receive a caller's request body.
    pub request_read_seconds: u64,
    /// A caller who reads nothing of a waiting answer for so long is given up, and one whose host is gone.
    pub write_stall_seconds: u64,
    /// When the process is told to stop: how long it takes calls all the same, not ready, until load balancers have
    /// noticed.
    pub drain_delay_seconds: u64,
    /// After that: for running requests to end.
    pub drain_seconds: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_seconds: 10,
            first_event_seconds: 300,
            idle_seconds: 180,
            total_seconds: 1_800,
            queue_seconds: 2,
            request_read_seconds: 60,
            write_stall_seconds: 60,
            drain_delay_seconds: 0,
            drain_seconds: 30,
        }
    }
}

impl Settings {
    /// The bounds as the data plane takes them.
    pub fn gateway_limits(&self) -> gateway::Limits {
        let seconds = Duration::from_secs;
        gateway::Limits {
            body_bytes_max: self.limits.body_bytes_max,
            answer_bytes_max: self.limits.answer_bytes_max,
            request_read: seconds(self.timeouts.request_read_seconds),
            first_event: seconds(self.timeouts.first_event_seconds),
            idle: seconds(self.timeouts.idle_seconds),
            total: seconds(self.timeouts.total_seconds),
            write_stall: seconds(self.timeouts.write_stall_seconds),
            job_pause: JOB_PAUSE,
            job_look: JOB_LOOK,
            realtime: gateway::realtime::Bounds {
                message_bytes_max: self.realtime.message_bytes_max,
                idle: seconds(self.realtime.idle_seconds),
                length: seconds(self.realtime.session_seconds),
            },
        }
    }

    /// Longer than any call or session.
    pub fn longest_call(&self) -> Duration {
        let longest = Duration::from_secs(self.timeouts.total_seconds.max(self.realtime.session_seconds));
        longest.max(gateway::BACKGROUND_PATIENCE)
    }

    /// How many calls run and wait.
    pub fn gate_bounds(&self) -> gateway::shed::Bounds {
        gateway::shed::Bounds {
            running: self.limits.concurrent_calls_max,
            waiting: self.limits.waiting_calls_max,
            wait: Duration::from_secs(self.timeouts.queue_seconds),
        }
    }

    /// How many bytes of bodies are held at once.
    pub fn bodies_bounds(&self) -> gateway::bodies::Bounds {
        gateway::bodies::Bounds {
            bytes: self.limits.bodies_bytes_max,
            longest: self.limits.body_bytes_max as u64,
            waiting: self.limits.waiting_calls_max,
            wait: Duration::from_secs(self.timeouts.queue_seconds),
        }
    }

    /// How long a process that is told to stop waits, and for what.
    pub fn drain_patience(&self) -> Patience {
        Patience {
            to_be_noticed: Duration::from_secs(self.timeouts.drain_delay_seconds),
            for_calls: Duration::from_secs(self.timeouts.drain_seconds),
        }
    }

    /// The journal as the store takes it.
    pub fn journal_options(&self) -> store::journal::Options {
        let sync = match self.journal.sync {
            JournalSync::Interval => store::journal::Sync::Interval,
            JournalSync::Strict => store::journal::Sync::Strict,
        };
        store::journal::Options { sync, bytes_max: self.journal.bytes_max, ..Default::default() }
    }

    /// What is kept of calls under keys; `None`: nothing.
    pub fn idempotency_options(&self) -> Option<gateway::idempotency::Options> {
        let IdempotencySettings { enabled, answer_bytes_max, memory_bytes_max, stored_bytes_max } =
            self.idempotency;
        let bounds = gateway::idempotency::Bounds { answer_bytes_max, memory_bytes_max };
        enabled.then_some(gateway::idempotency::Options { bounds, stored_bytes_max })
    }

    /// The folder of catalogue overrides, where one is set.
    pub fn catalog_overrides(&self) -> Option<&Path> {
        Some(self.catalog_dir.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// The folder of catalogue files that `signalbox models sync` writes.
    pub fn synced_catalog(&self) -> PathBuf {
        self.data_dir.join("catalog")
    }
}

/// What the command line says; wins over everything.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
}

/// Reads all sources and puts them together.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Settings, ConfigError> {
    let named = flags.config.clone().or_else(|| environment.get("SIGNALBOX_CONFIG").map(PathBuf::from));
    let mut table = match named {
        Some(path) => read(&path)?,
        None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
        None => toml::Table::new(),
    };
    environment.overlay(&mut table)?;
    let mut settings: Settings = serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        // What stands there instead of a text may still be the key.
        let is_key = path.ends_with("api_key");
        let reason = if is_key { "must be a string" } else { error.inner().message().trim() };
        ConfigError::Setting { path, reason: reason.to_owned() }
    })?;
    settings.data_dir = flags.data_dir.clone().unwrap_or(settings.data_dir);
    settings.listen = flags.listen.unwrap_or(settings.listen);
    check(&settings)?;
    Ok(settings)
}

fn read(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml_text::parse(&text)
        .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: place_of(&error, &text) })
}

/// The line and what is wrong with it. The library would also quote the line, and a key may stand there.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {}", error.message().trim())
}

/// Rules that types cannot hold.
fn check(settings: &Settings) -> Result<(), ConfigError> {
    let refuse = |path: &str, reason: &str| {
        Err(ConfigError::Setting { path: path.to_owned(), reason: reason.to_owned() })
    };
    if settings.tls.cert.as_os_str().is_empty() != settings.tls.key.as_os_str().is_empty() {
        return refuse("tls", "`cert` and `key` are set together or not at all");
    }
    let limits = &settings.limits;
    if [limits.body_bytes_max, limits.answer_bytes_max, limits.concurrent_calls_max].contains(&0) {
        return refuse("limits", "a limit of 0 would refuse everything");
    }
    if !settings.bodies_bounds().is_sound() {
        return refuse(
            "limits.bodies_bytes_max",
            "the longest body, `body_bytes_max`, must fit into three quarters of it",
        );
    }
    if settings.journal.bytes_max < JOURNAL_BYTES_MIN {
        return refuse(
            "journal.bytes_max",
            "less than 67108864 bytes (64 MiB) would refuse calls all the time",
        );
    }
    let kept = &settings.idempotency;
    if kept.answer_bytes_max > kept.memory_bytes_max {
        return refuse(
            "idempotency.answer_bytes_max",
            "one answer cannot be larger than all, `memory_bytes_max`",
        );
    }
    let realtime = &settings.realtime;
    if realtime.message_bytes_max == 0 || realtime.idle_seconds == 0 || realtime.session_seconds == 0 {
        return refuse("realtime", "a limit of 0 would refuse every session; `sessions_max = 0` says so");
    }
    let timeouts = &settings.timeouts;
    let all = [
        timeouts.connect_seconds,
        timeouts.first_event_seconds,
        timeouts.idle_seconds,
        timeouts.total_seconds,
        timeouts.queue_seconds,
        timeouts.request_read_seconds,
        timeouts.write_stall_seconds,
    ];
    if all.contains(&0) {
        return refuse("timeouts", "a timeout of 0 seconds would refuse everything");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
