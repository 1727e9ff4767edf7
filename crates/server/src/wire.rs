//! Builds everything from the settings, and nothing else.

use crate::config::{self, ConfigError, Environment, Settings};
use crate::cores;
use arc_swap::ArcSwap;
use control::Control;
use domain::{Clock, Timestamp, Windows};
use gateway::idempotency::{Idempotency, Keeper};
use gateway::kept::KeptPrompts;
use gateway::metrics::Metrics;
use gateway::pdf::PdfReader;
use gateway::realtime::Sessions;
use gateway::stored::StoredAnswers;
use gateway::{Abandoned, Bodies, Gate, Gateway, Progress, Rates, Recorder, Tasks, Upstream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Applier, ApplyError, Budgets, Db, Journal, JournalError, StoreError};

/// A call that has not ended so long after the longest one allowed is taken for lost.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// Why the gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder cannot be made.
    #[error("cannot make the data folder {path}: {source}")]
    DataDir {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What an earlier process left in the journal cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Opens the store in the data folder, making both when they are missing.
pub async fn open_store(data_dir: &Path) -> Result<Db, WireError> {
    std::fs::create_dir_all(data_dir)
        .map_err(|source| WireError::DataDir { path: data_dir.to_owned(), source })?;
    Ok(Db::open(&data_dir.join("signalbox.db")).await?)
}

/// The parts of a gateway that is about to run.
pub struct Parts {
    /// The data plane's shared state, not ready yet.
    pub gateway: Arc<Gateway>,
    /// What [`gateway::record::write`] takes.
    pub applier: Applier,
    /// Its counters.
    pub metrics: Metrics,
    /// What writes for calls under keys, where there may be any.
    pub keeper: Option<Keeper>,
}

/// All that is served: the data plane, and the management API beside it.
pub fn service(gateway: &Arc<Gateway>, db: Db) -> gateway::http::Service {
    let configured = gateway.clone();
    let control = Control {
        db,
        snapshot: Arc::new(move || configured.snapshot.load_full()),
        clock: gateway.clock.clone(),
    };
    gateway::router(gateway.clone(), control::router(control))
}

/// Builds the data plane.
pub async fn build(
    settings: &Settings,
    environment: &Environment,
    db: &Db,
    clock: Arc<dyn Clock>,
) -> Result<Parts, WireError> {
    let providers = config::resolve(settings, environment)?;
    let first_segment = db.journal_position().await?.segment + 1;
    let options = store::journal::Options { first_segment, ..settings.journal_options() };
    let journal = Journal::open(&settings.data_dir.join("journal"), options)?;
    let (applier, crashed) = Applier::recover(db.clone(), journal.clone()).await?;
    if crashed > 0 {
        tracing::warn!(
            requests = crashed,
            "calls without an end were found: they cost what was held for them"
        );
    }
    let begin = store::budgets::begins_at(clock.now(), db.latest_day().await?);
    let budgets = Budgets::new(db.balances(Windows::at(begin)).await?, begin);
    let (idempotency, keeper) = idempotency(settings, db, &clock).await?;
    let metrics = Metrics::default();
    let gateway = Arc::new(Gateway {
        snapshot: ArcSwap::from_pointee(db.snapshot().await?),
        providers: ArcSwap::from_pointee(providers),
        upstream: Upstream::new(Duration::from_secs(settings.timeouts.connect_seconds), cores::count()),
        recorder: Recorder { journal, budgets },
        rates: Rates::new(settings.longest_call() + LEASE_MARGIN),
        idempotency,
        metrics: metrics.clone(),
        gate: Gate::new(settings.gate_bounds()),
        abandoned: Abandoned::new(settings.limits.abandoned_calls_max),
        background: Abandoned::new(settings.limits.background_answers_max),
        bodies: Bodies::new(settings.bodies_bounds()),
        sessions: Sessions::new(settings.realtime.sessions_max),
        tasks: Tasks::default(),
        clock,
        limits: settings.gateway_limits(),
        default_model: settings.default_model.clone(),
        stored: StoredAnswers::new(db.clone()),
        kept: KeptPrompts::default(),
        pdfs: settings.pdf.text.then(pdf_reader),
        progress: Progress::default(),
    });
    Ok(Parts { gateway, applier, metrics, keeper })
}

/// Reads PDFs by this very program, also where its file was replaced since.
fn pdf_reader() -> PdfReader {
    let itself = PathBuf::from("/proc/self/exe");
    let program = if cfg!(target_os = "linux") { Some(itself) } else { std::env::current_exe().ok() };
    PdfReader::new(program.unwrap_or_default())
}

/// What calls under keys need. Where they are switched off, nothing of earlier ones is left.
async fn idempotency(
    settings: &Settings,
    db: &Db,
    clock: &Arc<dyn Clock>,
) -> Result<(Option<Idempotency>, Option<Keeper>), StoreError> {
    let Some(options) = settings.idempotency_options() else {
        while db.forget_idempotent(Timestamp::from_unix_ms(i64::MAX)).await? > 0 {}
        return Ok((None, None));
    };
    let (idempotency, keeper) = Idempotency::new(db.clone(), clock.clone(), options);
    Ok((Some(idempotency), Some(keeper)))
}
