//! How one request is to be answered: the knobs, and where they are read from.

use crate::wire::Usage;
use bytes::Bytes;
use memchr::memmem;

/// What goes wrong with an answer, on purpose.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fault {
    None,
    Status(u16),
    Hang,
    Reset,
    Cut,
    Stall,
    BadJson,
    ErrorEvent,
}

impl Fault {
    /// An unknown name is no fault: a typing error in a benchmark must not look like a broken gateway.
    fn parse(text: &str) -> Fault {
        match text {
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "cut" => Fault::Cut,
            "stall" => Fault::Stall,
            "badjson" => Fault::BadJson,
            "errevent" => Fault::ErrorEvent,
            _ => text.parse().map_or(Fault::None, Fault::Status),
        }
    }
}

/// The knobs described at the top of `main.rs`, bounded so that no request can hold the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knobs {
    pub latency_ms: u64,
    /// Between the head of a stream and its first event.
    pub pause_ms: u64,
    pub chunks: u32,
    pub delay_ms: u64,
    pub chunk_bytes: usize,
    input_tokens: u32,
    output_tokens: u32,
    pub dimensions: usize,
    every: u64,
    pub after: u32,
    pub fault: Fault,
    /// Whether the request's limit on output tokens is kept.
    pub honours_limit: bool,
    /// Whether an aborted call is billed as if it had run to its end.
    pub bills_full: bool,
    /// Whether a stream is the arguments of a tool call, and no text.
    pub calls_tool: bool,
    /// Whether errors quote the credential that came with the request.
    pub quotes_key: bool,
    /// The caller's name of the call, repeated on the invoice.
    pub tag: u64,
}

impl Knobs {
    pub const DEFAULT: Knobs = Knobs {
        latency_ms: 0,
        pause_ms: 0,
        chunks: 16,
        delay_ms: 0,
        chunk_bytes: 24,
        input_tokens: 0,
        output_tokens: 0,
        dimensions: 256,
        every: 1,
        after: 3,
        fault: Fault::None,
        honours_limit: false,
        bills_full: false,
        calls_tool: false,
        quotes_key: false,
        tag: 0,
    };

    /// Takes over each `key=value` of a comma-separated list; unknown keys are ignored.
    pub fn apply(&mut self, list: &str) {
        for pair in list.split(',') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            let value = value.trim();
            let number = || value.parse::<u64>().unwrap_or(0);
            match key.trim() {
                "latency" => self.latency_ms = number().min(120_000),
                "pause" => self.pause_ms = number().min(120_000),
                "chunks" => self.chunks = number().min(1_000_000) as u32,
                "delay" => self.delay_ms = number().min(60_000),
                "size" => self.chunk_bytes = (number() as usize).min(16 << 20),
                "in" => self.input_tokens = number() as u32,
                "out" => self.output_tokens = number() as u32,
                "dims" => self.dimensions = (number() as usize).min(65_536),
                "every" => self.every = number().max(1),
                "after" => self.after = number() as u32,
                "honour" => self.honours_limit = number() == 1,
                "tools" => self.calls_tool = number() == 1,
                "quote" => self.quotes_key = number() == 1,
                "tag" => self.tag = number(),
                "bill" => self.bills_full = value == "full",
                "fault" => self.fault = Fault::parse(value),
                _ => {}
            }
        }
    }

    /// The knobs of one request: the command line's, then the model's, the header's, the body's.
    pub fn of_request(base: Knobs, number: u64, model: &str, header: Option<&str>, body: &Bytes) -> Knobs {
        let mut knobs = base;
        if let Some((_, fault)) = model.split_once("fault-") {
            knobs.fault = Fault::parse(fault);
        }
        if let Some((_, list)) = model.split_once("mock:") {
            knobs.apply(list);
        }
        if let Some(list) = header {
            knobs.apply(list);
        }
        if let Some(list) = marker(body) {
            knobs.apply(list);
        }
        if knobs.every > 1 && !number.is_multiple_of(knobs.every) {
            knobs.fault = Fault::None;
        }
        knobs
    }

    /// Shortens the answer to the request's limit, where limits are kept; tells whether that cut it.
    pub fn limit(&mut self, tokens_max: Option<u32>) -> bool {
        let Some(max) = tokens_max.filter(|_| self.honours_limit) else { return false };
        let wanted = if self.output_tokens > 0 { self.output_tokens } else { self.chunks };
        self.chunks = self.chunks.min(max);
        self.output_tokens = self.output_tokens.min(max);
        wanted > max
    }

    /// Makes each content chunk of a stream one token, whatever `out` says.
    pub fn count_chunks(&mut self) {
        self.output_tokens = 0;
    }

    /// Input and output tokens to report, of an answer that no limit cut.
    pub fn usage(&self, body_bytes: usize) -> Usage {
        let input = if self.input_tokens > 0 { self.input_tokens } else { (body_bytes / 4).max(1) as u32 };
        let output = if self.output_tokens > 0 { self.output_tokens } else { self.chunks.max(1) };
        Usage { input, output, is_cut: false, calls_tool: self.calls_tool }
    }
}

/// The list inside `@mock{…}`, wherever it stands in the body.
fn marker(body: &[u8]) -> Option<&str> {
    let rest = &body[memmem::find(body, b"@mock{")? + 6..];
    let end = memchr::memchr(b'}', rest)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knobs(number: u64, model: &str, header: Option<&str>, body: &'static str) -> Knobs {
        Knobs::of_request(Knobs::DEFAULT, number, model, header, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_later_place_overrides_an_earlier_one() {
        let read = knobs(0, "mock:chunks=2,delay=7", Some("chunks=3,size=9"), "… @mock{chunks=4} …");
        assert_eq!((read.chunks, read.delay_ms, read.chunk_bytes), (4, 7, 9));
    }

    #[test]
    fn a_model_name_can_ask_for_a_status() {
        assert_eq!(knobs(0, "fault-429", None, "").fault, Fault::Status(429));
    }

    #[test]
    fn every_spares_the_requests_in_between() {
        let faults: Vec<Fault> = (0..3).map(|n| knobs(n, "mock:fault=cut,every=2", None, "").fault).collect();
        assert_eq!(faults, [Fault::Cut, Fault::None, Fault::Cut]);
    }

    #[test]
    fn a_limit_is_kept_only_when_asked() {
        let mut ignoring = knobs(0, "mock:chunks=9", None, "");
        assert!(!ignoring.limit(Some(4)) && ignoring.usage(8).output == 9);
        let mut keeping = knobs(0, "mock:chunks=9,honour=1", None, "");
        assert!(keeping.limit(Some(4)) && keeping.usage(8).output == 4);
        let mut shorter = knobs(0, "mock:chunks=3,honour=1", None, "");
        assert!(!shorter.limit(Some(4)) && shorter.usage(8).output == 3);
    }

    #[test]
    fn nonsense_changes_nothing() {
        assert_eq!(knobs(0, "mock:what,fault=unheard-of,=", None, "@mock{never closed"), Knobs::DEFAULT);
    }
}
