//! The gateway's own log.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error, and sends panics there as log lines. Text and key never appear in a
/// log line: bodies are not logged, and keys are [`domain::Secret`].
pub fn start(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| format!("setting `log.filter`: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // The message may hold anything; the place is enough to find the fault.
        tracing::error!(place, "a task panicked; its request is recorded as an internal error");
    }));
    started.map_err(|error| error.to_string())
}
