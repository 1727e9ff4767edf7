//! The events of one stream, and what the simulator's stamps in them tell.

use crate::clock::tenths_of_us;
use memchr::memmem;

/// A span of time in `CLOCK_MONOTONIC` nanoseconds, its end excluded.
#[derive(Clone, Copy, Default)]
pub struct Window {
    pub from_ns: u64,
    pub end_ns: u64,
}

impl Window {
    pub fn contains(&self, at_ns: u64) -> bool {
        at_ns >= self.from_ns && at_ns < self.end_ns
    }
}

pub struct EventLog {
    window: Window,
    sent_ns: u64,
    last_received_ns: u64,
    last_stamp_ns: u64,
    /// Content chunks in all, and those which arrived inside the window.
    pub chunks: u64,
    pub chunks_in_window: u64,
    /// Whether the event that ends a stream was seen.
    pub is_ended: bool,
    /// Tenths of a microsecond, as everything below.
    pub time_to_first: Option<u32>,
    pub transit: Option<u32>,
    pub chunk_delays: Vec<u32>,
    pub gap_growths: Vec<u32>,
}

impl EventLog {
    pub fn new(window: Window) -> EventLog {
        EventLog {
            window,
            sent_ns: 0,
            last_received_ns: 0,
            last_stamp_ns: 0,
            chunks: 0,
            chunks_in_window: 0,
            is_ended: false,
            time_to_first: None,
            transit: None,
            chunk_delays: Vec::new(),
            gap_growths: Vec::new(),
        }
    }

    pub fn begin(&mut self, sent_ns: u64) {
        self.sent_ns = sent_ns;
    }

    /// Reads the whole events in `body[at..]`, received at one moment; gives the position after them.
    pub fn read(&mut self, body: &[u8], mut at: usize, received_ns: u64, end_marker: &[u8]) -> usize {
        while let Some((length, separator)) = memmem::find(&body[at..], b"\n\n")
            .map(|length| (length, 2))
            .or_else(|| memmem::find(&body[at..], b"\r\n\r\n").map(|length| (length, 4)))
        {
            let event = &body[at..at + length];
            at += length + separator;
            if let Some(stamp_ns) = stamp(event, b"t=") {
                self.note_chunk(event, stamp_ns, received_ns);
            } else if !end_marker.is_empty() && memmem::find(event, end_marker).is_some() {
                self.is_ended = true;
            }
        }
        at
    }

    fn note_chunk(&mut self, event: &[u8], stamp_ns: u64, received_ns: u64) {
        let delay_ns = received_ns.saturating_sub(stamp_ns);
        if self.chunks == 0 {
            self.time_to_first = Some(tenths_of_us(received_ns - self.sent_ns));
            self.transit = stamp(event, b"a=")
                .map(|arrived_ns| tenths_of_us(arrived_ns.saturating_sub(self.sent_ns) + delay_ns));
        } else {
            let gap_ns = received_ns - self.last_received_ns;
            let gap_at_source_ns = stamp_ns.saturating_sub(self.last_stamp_ns);
            self.gap_growths.push(tenths_of_us(gap_ns.saturating_sub(gap_at_source_ns)));
        }
        self.chunk_delays.push(tenths_of_us(delay_ns));
        self.chunks += 1;
        self.chunks_in_window += u64::from(self.window.contains(received_ns));
        self.last_received_ns = received_ns;
        self.last_stamp_ns = stamp_ns;
    }
}

/// The 16 digits after `name`.
fn stamp(event: &[u8], name: &[u8]) -> Option<u64> {
    let at = memmem::find(event, name)? + name.len();
    event
        .get(at..at + 16)?
        .iter()
        .try_fold(0u64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_give_delays_and_the_growth_of_gaps() {
        let mut log = EventLog::new(Window { from_ns: 0, end_ns: 50_000 });
        log.begin(1_000);
        let first = b"data: a=0000000000002000 t=0000000000003000 x\n\n";
        assert_eq!(log.read(first, 0, 5_000, b"[DONE]"), first.len());
        let second = b"data: t=0000000000013000 x\n\ndata: [DONE]\n\nrest";
        assert_eq!(log.read(second, 0, 65_000, b"[DONE]"), second.len() - 4);
        assert_eq!((log.chunks, log.chunks_in_window, log.is_ended), (2, 1, true));
        // 4 µs to the first chunk, of which the simulator held 1; then 60 µs between chunks sent 10 µs apart.
        assert_eq!((log.time_to_first, log.transit), (Some(40), Some(30)));
        assert_eq!((log.chunk_delays, log.gap_growths), (vec![20, 520], vec![500]));
    }
}
