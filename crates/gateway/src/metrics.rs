//! Counters for `GET /metrics`, in OpenMetrics text.
//!
//! Filled by the record writer, not by requests. Names follow OpenTelemetry's GenAI conventions where they
//! have one (<https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>, read 2026-11-22, status
//! development), with Prometheus' underscores and unit suffixes.

use domain::{Money, RequestRecord};
use foldhash::{HashMap, HashMapExt};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: String,
    gen_ai_response_model: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    gen_ai_provider_name: String,
    gen_ai_response_model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_provider_name: String,
    gen_ai_response_model: String,
    gen_ai_token_type: &'static str,
}

/// Models that are kept apart: beyond, everything counts as the model `other`, so that callers who make up
/// model names cannot fill the memory.
const MODELS_MAX: usize = 2_000;

/// What is so at the moment.
#[derive(Clone, Default)]
struct Gauges {
    held: Gauge,
    overage: Gauge,
    calls: Gauge,
    waiting: Gauge,
    abandoned: Gauge,
    bodies: Gauge,
    open_intents: Gauge,
    unapplied: Gauge,
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("signalbox_held_nano_usd", "Reserved for running calls, in nano-dollars", &self.held),
            ("signalbox_overage_nano_usd", "Spent beyond what was reserved, in nano-dollars", &self.overage),
            ("signalbox_calls_running", "Calls to providers that run", &self.calls),
            ("signalbox_calls_waiting", "Calls that wait until fewer run", &self.waiting),
            ("signalbox_calls_abandoned", "Calls that are read to their end for nobody", &self.abandoned),
            ("signalbox_bodies_bytes", "Bytes of long request bodies that are held", &self.bodies),
            ("signalbox_journal_open_intents", "Attempts whose end is not stored yet", &self.open_intents),
            ("signalbox_journal_unapplied_bytes", "Bytes of the journal not in the store", &self.unapplied),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }
}

/// All counters.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    duration: Family<ModelLabels, Histogram>,
    first_token: Family<ModelLabels, Histogram>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, Counter<f64, AtomicU64>>,
    shed: Counter,
    gauges: Gauges,
    /// The counters of each provider's models, found without building labels.
    models: Arc<Mutex<HashMap<Arc<str>, OfProvider>>>,
}

/// The counters of a provider's models.
type OfProvider = HashMap<Arc<str>, ModelCounters>;

/// The counters of one model.
struct ModelCounters {
    duration: Histogram,
    first_token: Histogram,
    input: Counter,
    output: Counter,
    cost: Counter<f64, AtomicU64>,
    requests: HashMap<(&'static str, &'static str), Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 16));
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(seconds),
            first_token: Family::new_with_constructor(seconds),
            tokens: Family::default(),
            cost: Family::default(),
            shed: Counter::default(),
            gauges: Gauges::default(),
            models: Arc::default(),
            registry: Arc::default(),
        };
        registry.register("signalbox_requests", "Calls to the data plane", metrics.requests.clone());
        registry.register(
            "gen_ai_server_request_duration_seconds",
            "From arrival to the end of the answer",
            metrics.duration.clone(),
        );
        registry.register(
            "gen_ai_server_time_to_first_token_seconds",
            "From arrival to the first token of a streamed answer",
            metrics.first_token.clone(),
        );
        registry.register("gen_ai_client_token_usage", "Tokens used", metrics.tokens.clone());
        registry.register("signalbox_cost_usd", "What the calls cost, in US dollars", metrics.cost.clone());
        registry.register("signalbox_calls_shed", "Calls refused because too many ran", metrics.shed.clone());
        metrics.gauges.register(&mut registry);
        Self { registry: Arc::new(registry), ..metrics }
    }
}

impl Metrics {
    /// Counts finished requests.
    pub fn observe(&self, records: &[Box<RequestRecord>]) {
        // A panic while counting leaves counters, not invariants, half done.
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            let last = record.attempts.last();
            let (provider, model) = last.map_or(("", ""), |last| (&*last.provider, &*last.model));
            if !models.get(provider).is_some_and(|known| known.contains_key(model)) {
                let of_provider = models.entry(provider.into()).or_default();
                let model = if of_provider.len() < MODELS_MAX { model } else { "other" };
                of_provider.entry(model.into()).or_insert_with(|| self.counters(provider, model));
            }
            let Some(of_provider) = models.get_mut(provider) else { continue };
            let label = if of_provider.contains_key(model) { model } else { "other" };
            let Some(counters) = of_provider.get_mut(label) else { continue };
            counters.count(record, || self.requests(record, provider, label));
        }
    }

    fn counters(&self, provider: &str, model: &str) -> ModelCounters {
        let labels = ModelLabels {
            gen_ai_provider_name: provider.to_owned(),
            gen_ai_response_model: model.to_owned(),
        };
        let tokens = |gen_ai_token_type| {
            let labels = TokenLabels {
                gen_ai_provider_name: provider.to_owned(),
                gen_ai_response_model: model.to_owned(),
                gen_ai_token_type,
            };
            self.tokens.get_or_create_owned(&labels)
        };
        ModelCounters {
            duration: self.duration.get_or_create_owned(&labels),
            first_token: self.first_token.get_or_create_owned(&labels),
            input: tokens("input"),
            output: tokens("output"),
            cost: self.cost.get_or_create_owned(&labels),
            requests: HashMap::new(),
        }
    }

    fn requests(&self, record: &RequestRecord, provider: &str, model: &str) -> Counter {
        self.requests.get_or_create_owned(&RequestLabels {
            gen_ai_operation_name: record.operation.as_str(),
            gen_ai_provider_name: provider.to_owned(),
            gen_ai_response_model: model.to_owned(),
            outcome: record.outcome.as_str(),
        })
    }

    /// Says how far the store is behind the journal.
    pub fn journal(&self, open_intents: usize, unapplied_bytes: u64) {
        self.gauges.open_intents.set(open_intents.try_into().unwrap_or(i64::MAX));
        self.gauges.unapplied.set(unapplied_bytes.try_into().unwrap_or(i64::MAX));
    }

    /// Counts a call that is refused because too many run; gives how many were before it.
    pub fn count_shed(&self) -> u64 {
        self.shed.inc()
    }

    /// Says how many calls run, and how many wait until fewer do.
    pub fn calls(&self, running: usize, waiting: usize, abandoned: usize) {
        self.gauges.calls.set(running.try_into().unwrap_or(i64::MAX));
        self.gauges.waiting.set(waiting.try_into().unwrap_or(i64::MAX));
        self.gauges.abandoned.set(abandoned.try_into().unwrap_or(i64::MAX));
    }

    /// Says how many bytes of bodies are held.
    pub fn bodies(&self, bytes: u64) {
        self.gauges.bodies.set(bytes.try_into().unwrap_or(i64::MAX));
    }

    /// Says what running calls hold, and what was spent beyond.
    pub fn money(&self, held: Money, overage: Money) {
        self.gauges.held.set(held.nano());
        self.gauges.overage.set(overage.nano());
    }

    /// All counters as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

impl ModelCounters {
    fn count(&mut self, record: &RequestRecord, requests: impl FnOnce() -> Counter) {
        let kind = (record.operation.as_str(), record.outcome.as_str());
        self.requests.entry(kind).or_insert_with(requests).inc();
        self.duration.observe(seconds(record.duration_us));
        if record.first_token_us > 0 {
            self.first_token.observe(seconds(record.first_token_us));
        }
        for attempt in &record.attempts {
            self.input.inc_by(attempt.usage.total_input());
            self.output.inc_by(attempt.usage.total_output());
        }
        self.cost.inc_by(record.cost().nano() as f64 / 1e9);
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
