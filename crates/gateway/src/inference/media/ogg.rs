//! How long Opus in Ogg is: as long as its packets.
//!
//! Pages: <https://www.rfc-editor.org/rfc/rfc3533#section-6>. Their stream: <https://www.rfc-editor.org/rfc/rfc7845>. The
//! first bytes of a packet: <https://www.rfc-editor.org/rfc/rfc6716#section-3.1>. All read 2026-11-26.

use memchr::memmem;

/// Bytes of a page's head before its table.
const HEAD: usize = 27;
/// Packets that tell of the stream, and are no sound.
const HEADERS: u64 = 2;
/// Where a page ends no packet, it says so in place of a time.
const NO_TIME: u64 = u64::MAX;

/// One page.
struct Page<'a> {
    /// Its first packet began on the page before.
    is_continued: bool,
    /// Samples of the stream up to its end.
    time: u64,
    stream: [u8; 4],
    /// Lengths of the parts of its packets.
    table: &'a [u8],
    packets: &'a [u8],
    rest: &'a [u8],
}

/// The packet that is being read.
#[derive(Default)]
struct Packet {
    first: Option<u8>,
    second: Option<u8>,
}

/// Milliseconds at the most. `None`: it is something else, or anything in it is out of order.
pub fn millis(sound: &[u8]) -> Option<u64> {
    if !page(sound)?.packets.starts_with(b"OpusHead") {
        return None;
    }
    let (mut rest, mut pages, mut packets, mut micros, mut time) = (sound, 0, 0, 0_u64, 0);
    let stream = page(sound)?.stream;
    let mut open: Option<Packet> = None;
    while !rest.is_empty() {
        let page = page(rest)?;
        if page.stream != stream || page.is_continued != open.is_some() {
            return None;
        }
        if page.time != NO_TIME {
            time = time.max(page.time);
        }
        let mut bytes = page.packets;
        for length in page.table {
            let (part, after) = bytes.split_at(usize::from(*length));
            let packet = open.get_or_insert_default();
            packet.read(part);
            bytes = after;
            // A full part is followed by another one of the same packet.
            if *length < u8::MAX {
                packets += 1;
                micros += if packets > HEADERS { packet.micros()? } else { 0 };
                open = None;
            }
        }
        pages += 1;
        rest = page.rest;
    }
    // A page within another one is read by whoever finds fault with the outer one.
    let is_plain = memmem::find_iter(sound, b"OggS").count() == pages;
    // 48,000 samples a second.
    (is_plain && open.is_none()).then_some((micros / 1_000).max(time / 48) + 1)
}

/// The page that begins here.
fn page(bytes: &[u8]) -> Option<Page<'_>> {
    if !bytes.starts_with(b"OggS\0") {
        return None;
    }
    let parts = usize::from(*bytes.get(HEAD - 1)?);
    let table = bytes.get(HEAD..HEAD + parts)?;
    let length: usize = table.iter().map(|length| usize::from(*length)).sum();
    let (packets, rest) = bytes.get(HEAD + parts..)?.split_at_checked(length)?;
    Some(Page {
        is_continued: bytes.get(5)? & 1 == 1,
        time: u64::from_le_bytes(*bytes.get(6..)?.first_chunk()?),
        stream: *bytes.get(14..)?.first_chunk()?,
        table,
        packets,
        rest,
    })
}

impl Packet {
    fn read(&mut self, part: &[u8]) {
        for byte in part.iter().take(2) {
            if self.first.is_none() {
                self.first = Some(*byte);
            } else if self.second.is_none() {
                self.second = Some(*byte);
            }
        }
    }

    /// Microseconds of its frames. `None`: it has nothing in it.
    fn micros(&self) -> Option<u64> {
        let first = self.first?;
        let frame = match first >> 3 {
            kind @ 0..12 => [10_000, 20_000, 40_000, 60_000][usize::from(kind & 3)],
            kind @ 12..16 => [10_000, 20_000][usize::from(kind & 1)],
            kind => [2_500, 5_000, 10_000, 20_000][usize::from(kind & 3)],
        };
        let frames = match first & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => u64::from(self.second? & 0x3F),
        };
        Some(frame * frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(kind: u8, time: u64, table: &[u8], packets: &[u8]) -> Vec<u8> {
        let (head, tail) = ([b"OggS\0".as_slice(), &[kind]].concat(), [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [&head, time.to_le_bytes().as_slice(), &tail, &[table.len() as u8], table, packets].concat()
    }

    fn head() -> Vec<u8> {
        [page_of(2, 0, &[19], b"OpusHead\x01\x01\0\0\x80\xBB\0\0\0\0\0"), page_of(0, 0, &[8], b"OpusTags")]
            .concat()
    }

    fn with(pages: &[Vec<u8>]) -> Option<u64> {
        millis(&[head(), pages.concat()].concat())
    }

    #[test]
    fn opus_is_as_long_as_its_packets_or_as_it_says() {
        // One frame of 20 ms, two of 60, and six of 20.
        let packets = [0b0111_1000, 0b0001_1001, 0, 0b1111_1011, 6, 0];
        assert_eq!(with(&[page_of(4, 0, &[1, 2, 3], &packets)]), Some(20 + 120 + 120 + 1));
        // A kilobyte of silence: a minute.
        assert_eq!(with(&[page_of(0, 0, &[1; 250], &[0b0001_1001; 250]).repeat(2)]), Some(60_001));
        assert_eq!(with(&[page_of(0, 480_000, &[1], &[0b0111_1000])]), Some(10_001));
        // A packet that goes on on the next page, of 20 ms.
        let long = [page_of(0, NO_TIME, &[255], &[0x78; 255]), page_of(1, 0, &[9], &[0x78; 9])];
        assert_eq!(with(&long), Some(21));
    }

    #[test]
    fn what_is_out_of_order_has_no_length() {
        let good = page_of(0, 0, &[1], &[0x78]);
        assert_eq!(with(std::slice::from_ref(&good)), Some(21));
        let mut other = good.clone();
        other[14] = 8;
        let within = page_of(0, 0, &[good.len() as u8], &good);
        for (what, pages) in [
            ("another stream", other),
            ("a page within another one", within),
            ("goes on from nothing", page_of(1, 0, &[1], &[0x78])),
            ("does not end", page_of(0, 0, &[255], &[0x78; 255])),
            ("empty", page_of(0, 0, &[0], &[])),
            ("no count", page_of(0, 0, &[1], &[0x7B])),
            ("no page", b"fLaC".to_vec()),
        ] {
            assert_eq!(with(&[good.clone(), pages]), None, "{what}");
        }
        assert_eq!(millis(&page_of(2, 0, &[5], b"\x01vorb")), None);
        let whole = [head(), good].concat();
        for end in (0..whole.len()).filter(|end| page(&whole[*end..]).is_none()) {
            assert_eq!(millis(&whole[..end]), None, "{end}");
        }
    }
}
