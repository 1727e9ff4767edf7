//! The data plane: inference calls from the first byte to the record.
//!
//! [`Gateway`] is the shared state, [`router`] the HTTP surface. [`inference::serve`] tells the life of a
//! request; [`inference::call`] owns the upstream call in a task of its own. No SQL and no administration
//! here: configuration arrives as a [`domain::Snapshot`], records leave through [`record::Recorder`].

pub mod abandoned;
pub mod auth;
pub mod bodies;
pub mod credentials;
pub mod http;
pub mod idempotency;
pub mod inference;
pub mod kept;
pub mod listing;
pub mod metrics;
pub mod pdf;
pub mod phase;
pub mod providers;
mod random;
pub mod rates;
pub mod realtime;
pub mod record;
pub mod refusal;
pub mod shed;
pub mod stored;
pub mod tasks;
pub mod upstream;

pub use crate::http::router;
pub use abandoned::Abandoned;
pub use bodies::Bodies;
pub use idempotency::Idempotency;
pub use inference::call::background::PATIENCE as BACKGROUND_PATIENCE;
pub use phase::{Phase, Progress};
pub use providers::{Provider, Providers};
pub use rates::Rates;
pub use record::Recorder;
pub use refusal::Refusal;
pub use shed::Gate;
pub use tasks::Tasks;
pub use upstream::Upstream;

use arc_swap::ArcSwap;
use domain::{Clock, RequestId, Snapshot};
use std::sync::Arc;
use std::time::Duration;

/// Callers that are shed are told to come back after one to so many seconds, in turn.
const RETRY_SPREAD: u64 = 3;

/// Bounds on what one request may take. All have defaults in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body_bytes_max: usize,
    /// Longest whole answer of a provider, in bytes.
    pub answer_bytes_max: usize,
    /// From the request's head to the end of its body.
    pub request_read: Duration,
    /// From sending to the first event of a streamed answer.
    pub first_event: Duration,
    /// Silence between two pieces of an answer.
    pub idle: Duration,
    /// From sending to the end of the answer.
    pub total: Duration,
    /// How long a caller may leave its answer unread.
    pub write_stall: Duration,
    /// Before the first look at a job; later pauses are longer.
    pub job_pause: Duration,
    /// How long one look at a job may take before it is repeated.
    pub job_look: Duration,
    /// Of realtime sessions.
    pub realtime: realtime::Bounds,
}

/// State shared by all requests.
pub struct Gateway {
    /// Tenants' configuration, swapped whole.
    pub snapshot: ArcSwap<Snapshot>,
    /// The configured providers, swapped whole when the configuration is reloaded.
    pub providers: ArcSwap<Providers>,
    /// The way to providers.
    pub upstream: Upstream,
    /// The way to the store.
    pub recorder: Recorder,
    /// How often and how much scopes have called.
    pub rates: Rates,
    /// Calls that are made under an `Idempotency-Key`. `None`: the header means nothing.
    pub idempotency: Option<Idempotency>,
    /// Counters for `/metrics`.
    pub metrics: metrics::Metrics,
    /// How many calls run at once.
    pub gate: Gate,
    /// How many answers are read to their end for callers who have left.
    pub abandoned: Abandoned,
    /// How many bytes of bodies are held at once.
    pub bodies: Bodies,
    /// How many realtime sessions run at once.
    pub sessions: realtime::Sessions,
    /// Call tasks, waited for at shutdown.
    pub tasks: Tasks,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub limits: Limits,
    /// What a chat request without `model` asks for.
    pub default_model: String,
    /// How many answers are made in the background.
    pub background: Abandoned,
    /// Answers that providers store.
    pub stored: stored::StoredAnswers,
    /// Beginnings of prompts that are kept at Google.
    pub kept: kept::KeptPrompts,
    /// Who reads PDFs for models that do not. `None`: nobody.
    pub pdfs: Option<pdf::PdfReader>,
    /// How far the process is between its start and its end.
    pub progress: Progress,
}

impl Gateway {
    /// A fresh id for a request that arrives now.
    pub fn request_id(&self) -> RequestId {
        RequestId::from_parts(self.clock.now(), random::ten_bytes())
    }

    /// Counts a call that is shed, and says when to try again: not all at the same time.
    pub fn overloaded(&self) -> Refusal {
        Refusal::Overloaded { retry_after_seconds: 1 + self.metrics.count_shed() % RETRY_SPREAD }
    }

    /// Whether a call is taken at the moment, and can be written down.
    pub fn check_open(&self) -> Result<(), Refusal> {
        if !self.takes_calls() {
            return Err(Refusal::ShuttingDown);
        }
        if self.recorder.journal.is_full() { Err(Refusal::StorageExhausted) } else { Ok(()) }
    }

    /// What a call is told that finds no room, or waited for it in vain.
    pub fn shed(&self) -> Refusal {
        if self.tasks.is_over() { Refusal::ShuttingDown } else { self.overloaded() }
    }

    /// Ends all calls now, those that wait to begin included: the drain deadline has passed.
    pub fn end_calls(&self) {
        self.tasks.end_all();
        self.gate.close();
        self.bodies.close();
    }

    /// Whether requests are taken.
    pub fn takes_calls(&self) -> bool {
        matches!(self.progress.phase(), Phase::Serving | Phase::Leaving)
    }
}
