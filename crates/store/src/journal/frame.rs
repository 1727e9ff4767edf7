//! Frames of the journal: a length, a checksum, and the bytes of one record.
//!
//! `[length: u32][CRC-32 of length and payload: u32][payload]`, numbers in little-endian order. A segment's
//! unwritten rest is zero, and a length of zero is no frame, so the end of what was written needs no mark.

/// Bytes before the payload.
pub const HEAD: usize = 8;
/// Longest payload, that of a frame which fills a segment: beyond, a length is taken for garbage.
pub const PAYLOAD_MAX: usize = (16 << 20) - HEAD;
/// Longest stretch that holds nothing: a page.
pub const PADDING_MAX: usize = 4_096;

/// The length that says: nothing here, go on after as many bytes as the checksum's place tells.
const PADDING: u32 = u32::MAX;

/// The head of a stretch of so many bytes, head included, that holds nothing. `None`: too short for a head.
pub fn padding(bytes: u32) -> Option<[u8; HEAD]> {
    let [a, b, c, d] = PADDING.to_le_bytes();
    let [e, f, g, h] = bytes.to_le_bytes();
    (bytes as usize >= HEAD).then_some([a, b, c, d, e, f, g, h])
}

/// A frame being made: the payload is written behind a head that is filled in at the end.
#[derive(Debug)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Begins a frame in a buffer, whose content is thrown away.
    pub fn begin(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEAD, 0);
        Self(buffer)
    }

    /// Where the payload goes.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Fills in the head. `None`: nothing was written, or more than so many bytes, head included, or than can be read.
    pub fn finish(mut self, bytes_max: u64) -> Option<Vec<u8>> {
        let length = self.0.len() - HEAD;
        if length == 0 || length > PAYLOAD_MAX || self.0.len() as u64 > bytes_max {
            return None;
        }
        let length = u32::try_from(length).ok()?.to_le_bytes();
        let checksum = checksum(length, &self.0[HEAD..]);
        self.0[..4].copy_from_slice(&length);
        self.0[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
        Some(self.0)
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A whole frame.
    Frame {
        /// Its payload.
        payload: &'a [u8],
        /// Bytes it takes, head included.
        length: usize,
    },
    /// Nothing, for so many bytes.
    Padding(usize),
    /// Nothing was written here.
    End,
    /// The bytes may be the beginning of a frame; so many are needed to tell.
    Short(usize),
    /// Something was written, but not whole.
    Torn,
}

/// Reads the frame at the beginning of `bytes`.
pub fn read(bytes: &[u8]) -> Next<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return if bytes.iter().all(|byte| *byte == 0) { Next::End } else { Next::Short(HEAD) };
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let length = [a, b, c, d];
    let size = u32::from_le_bytes(length) as usize;
    if size == 0 {
        return if [e, f, g, h] == [0; 4] { Next::End } else { Next::Torn };
    }
    if size == PADDING as usize {
        let skipped = u32::from_le_bytes([e, f, g, h]) as usize;
        return if (HEAD..=PADDING_MAX).contains(&skipped) { Next::Padding(skipped) } else { Next::Torn };
    }
    if size > PAYLOAD_MAX {
        return Next::Torn;
    }
    let Some(payload) = rest.get(..size) else { return Next::Short(HEAD + size) };
    if checksum(length, payload) == u32::from_le_bytes([e, f, g, h]) {
        Next::Frame { payload, length: HEAD + size }
    } else {
        Next::Torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = Frame::begin(Vec::new());
        frame.payload().extend_from_slice(payload);
        frame.finish(u64::MAX).unwrap()
    }

    fn is_whole(bytes: &[u8]) -> bool {
        matches!(read(bytes), Next::Frame { .. })
    }

    #[test]
    fn zeros_are_the_end() {
        assert_eq!(read(&[]), Next::End);
        assert_eq!(read(&[0; 5]), Next::End);
        assert_eq!(read(&[0; 64]), Next::End);
    }

    #[test]
    fn padding_is_skipped_and_never_more_than_a_page() {
        assert_eq!(read(&padding(4_096).unwrap()), Next::Padding(4_096));
        assert_eq!(padding(7), None);
        assert_eq!(read(&padding(4_097).unwrap()), Next::Torn);
    }

    #[test]
    fn an_empty_record_is_none() {
        assert!(Frame::begin(vec![1, 2, 3]).finish(u64::MAX).is_none());
    }

    #[test]
    fn what_can_be_read_and_has_room_is_written_to_the_byte() {
        let of = |bytes: usize, bytes_max: u64| {
            let mut frame = Frame::begin(Vec::new());
            frame.payload().resize(bytes, 1);
            frame.finish(bytes_max)
        };
        assert!(of(100, 100).is_some() && of(101, 100).is_none());
        let longest = HEAD + PAYLOAD_MAX;
        assert!(is_whole(&of(longest, u64::MAX).unwrap()));
        assert!(of(longest + 1, u64::MAX).is_none());
        let default = super::super::Options::default().segment_bytes;
        assert_eq!(longest as u64, default, "a segment takes all that can be read");
    }

    proptest! {
        #[test]
        fn a_frame_reads_back_as_it_was_written(payload in proptest::collection::vec(any::<u8>(), 1..200)) {
            let mut bytes = frame(&payload);
            let length = bytes.len();
            bytes.extend([0; 20]);
            prop_assert_eq!(read(&bytes), Next::Frame { payload: &payload, length });
        }

        #[test]
        fn one_wrong_bit_is_noticed(payload in proptest::collection::vec(any::<u8>(), 1..60), at: prop::sample::Index, bit in 0..8u8) {
            let mut bytes = frame(&payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(!is_whole(&bytes));
        }

        #[test]
        fn a_cut_frame_is_not_taken_for_whole(payload in proptest::collection::vec(1..u8::MAX, 1..60), cut: prop::sample::Index) {
            let bytes = frame(&payload);
            let cut = cut.index(bytes.len());
            prop_assert!(!is_whole(&bytes[..cut]));
            // As a crash of the machine leaves it: the rest of the segment is zero.
            let mut torn = bytes[..cut].to_vec();
            torn.extend(vec![0; bytes.len()]);
            prop_assert!(!is_whole(&torn));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            read(&bytes);
        }
    }
}
