//! What came of the requests, and the JSON object that is printed about it.

use crate::{
    arguments::{Arguments, Mode},
    clock::{cpu_secs, tenths_of_us},
    events::{EventLog, Window},
    http::{Failure, Timing},
};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Tally {
    pub window: Window,
    pub connections_opened: u64,
    ok: u64,
    statuses: BTreeMap<u16, u64>,
    connect: u64,
    cut: u64,
    timeout: u64,
    bad_body: u64,
    ended_in_window: u64,
    chunks_in_window: u64,
    /// Over the whole run, warm-up and drain too: what CPU time is to be divided by.
    total: u64,
    total_chunks: u64,
    bytes: u64,
    /// Samples in tenths of a microsecond.
    latencies: Vec<u32>,
    service_times: Vec<u32>,
    times_to_first: Vec<u32>,
    transits: Vec<u32>,
    chunk_delays: Vec<u32>,
    gap_growths: Vec<u32>,
    first_error: Option<String>,
}

/// The outcome of one request; `None` after a timeout.
pub type Outcome = Option<Result<Timing, Failure>>;

impl Tally {
    pub fn new(window: Window) -> Tally {
        Tally { window, ..Tally::default() }
    }

    pub fn errors(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.connect + self.cut + self.timeout + self.bad_body
    }

    /// Counts a request towards throughput: what ENDS inside the window (chunks: what arrives inside it).
    pub fn count(&mut self, outcome: &Outcome, log: Option<&EventLog>) {
        self.total += 1;
        if let Some(log) = log {
            self.chunks_in_window += log.chunks_in_window;
            self.total_chunks += log.chunks;
        }
        if let Some(Ok(timing)) = outcome {
            self.ended_in_window += u64::from(self.window.contains(timing.end_ns));
        }
    }

    /// Takes the samples of a request that STARTED inside the window.
    pub fn sample(
        &mut self,
        outcome: Outcome,
        due_ns: Option<u64>,
        log: Option<EventLog>,
        body_bytes: usize,
    ) {
        let timing = match outcome {
            Some(Ok(timing)) => timing,
            Some(Err(failure)) => return self.fail(failure),
            None => {
                self.timeout += 1;
                self.first_error.get_or_insert_with(|| "timeout".to_owned());
                return;
            }
        };
        self.ok += 1;
        self.bytes += body_bytes as u64;
        self.latencies.push(tenths_of_us(timing.end_ns - due_ns.unwrap_or(timing.sent_ns)));
        if due_ns.is_some() {
            self.service_times.push(tenths_of_us(timing.end_ns - timing.sent_ns));
        }
        if let Some(mut log) = log {
            self.times_to_first.extend(log.time_to_first);
            self.transits.extend(log.transit);
            self.chunk_delays.append(&mut log.chunk_delays);
            self.gap_growths.append(&mut log.gap_growths);
        }
    }

    fn fail(&mut self, failure: Failure) {
        let message = match failure {
            Failure::Connect => {
                self.connect += 1;
                "connect".to_owned()
            }
            Failure::Cut => {
                self.cut += 1;
                "cut".to_owned()
            }
            Failure::Status(status, body) => {
                *self.statuses.entry(status).or_default() += 1;
                format!("{status}: {body}")
            }
            Failure::BadBody(body) => {
                self.bad_body += 1;
                format!("bad body: {body}")
            }
        };
        self.first_error.get_or_insert(message);
    }

    /// The run as one JSON object. `offered` and `backlog` are those of the open loop.
    pub fn report(&mut self, arguments: &Arguments, now_ns: u64, offered: u64, backlog: usize) -> String {
        let secs = (now_ns.min(self.window.end_ns) - self.window.from_ns) as f64 / 1e9;
        let rate = if arguments.mode == Mode::Open { arguments.rate } else { 0.0 };
        let statuses: BTreeMap<String, u64> =
            self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        let fields = [
            ("mode", quote(arguments.mode.name())),
            ("secs", format!("{secs:.3}")),
            ("conns", arguments.connections.to_string()),
            ("conns_opened", self.connections_opened.to_string()),
            ("rate", rate.to_string()),
            ("offered", offered.to_string()),
            ("ok", self.ok.to_string()),
            ("rps", format!("{:.1}", self.ended_in_window as f64 / secs)),
            ("errors", self.errors().to_string()),
            ("backlog", backlog.to_string()),
            // The debug form of a map from strings to numbers is JSON.
            ("status", format!("{statuses:?}")),
            ("connect", self.connect.to_string()),
            ("cut", self.cut.to_string()),
            ("timeout", self.timeout.to_string()),
            ("bad_body", self.bad_body.to_string()),
            ("bytes", self.bytes.to_string()),
            ("chunks", self.chunks_in_window.to_string()),
            ("chunks_per_s", format!("{:.1}", self.chunks_in_window as f64 / secs)),
            ("total", self.total.to_string()),
            ("total_chunks", self.total_chunks.to_string()),
            ("self_cpu_s", format!("{:.3}", cpu_secs())),
            ("lat_us", distribution(&mut self.latencies)),
            ("svc_us", distribution(&mut self.service_times)),
            ("ttft_us", distribution(&mut self.times_to_first)),
            ("transit_us", distribution(&mut self.transits)),
            ("chunk_us", distribution(&mut self.chunk_delays)),
            ("gap_add_us", distribution(&mut self.gap_growths)),
            ("first_error", self.first_error.as_deref().map_or("null".to_owned(), quote)),
        ];
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

/// Count, mean and percentiles in microseconds, as JSON.
fn distribution(samples: &mut [u32]) -> String {
    if samples.is_empty() {
        return "null".into();
    }
    samples.sort_unstable();
    let last = (samples.len() - 1) as f64;
    let at = |share: f64| f64::from(samples[(last * share).round() as usize]) / 10.0;
    let mean = samples.iter().map(|&sample| f64::from(sample)).sum::<f64>() / samples.len() as f64 / 10.0;
    format!(
        "{{\"n\":{},\"mean\":{mean:.1},\"p50\":{:.1},\"p90\":{:.1},\"p95\":{:.1},\"p99\":{:.1},\"p999\":{:.1},\"max\":{:.1}}}",
        samples.len(),
        at(0.5),
        at(0.9),
        at(0.95),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if u32::from(control) < 32 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_gives_its_percentiles_in_microseconds() {
        let mut samples: Vec<u32> = (0..=100).rev().map(|n| n * 10).collect();
        let text = distribution(&mut samples);
        assert_eq!(
            text,
            "{\"n\":101,\"mean\":50.0,\"p50\":50.0,\"p90\":90.0,\"p95\":95.0,\"p99\":99.0,\"p999\":100.0,\"max\":100.0}"
        );
        assert_eq!(distribution(&mut []), "null");
    }

    #[test]
    fn quoting_escapes_what_json_forbids() {
        assert_eq!(quote("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
