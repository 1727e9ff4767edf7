//! How long sound is at the most that is to be written down.
//!
//! Of WAV with plain samples, of MP3 and of Opus in Ogg the bytes tell it: whatever a decoder makes of them is no longer.
//! Everything else may be of any length: a few bytes of FLAC or MP4 can be an hour of silence.

use super::ogg;

/// Other sound takes about so many bytes a second at the least, unless it is silent: 4 kbit/s, below what speech codecs for
/// telephones use.
const BYTES_PER_SECOND: u64 = 500;
/// Kilobits a second of MP3, by the index in a frame's head: of MPEG 1, and of MPEG 2 and 2.5
/// (<http://www.mp3-tech.org/programmer/frame_header.html>, as of 2026-11-26).
const MP3_KILOBITS: [[u64; 14]; 2] = [
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/// Its samples a second in MPEG 1; in MPEG 2 half of them, in 2.5 a quarter.
const MP3_RATES: [u64; 3] = [44_100, 48_000, 32_000];

/// Milliseconds of a file at the most. `longest`: seconds of the longest that is taken. `None`: a length that only silence
/// exceeds will do.
pub fn most_millis(sound: &[u8], longest: Option<u64>) -> u64 {
    // Some count a second that has begun.
    let told = wav(sound).or_else(|| mp3(sound)).or_else(|| ogg::millis(sound)).map(|millis| millis + 1_000);
    match longest.map(|seconds| seconds.saturating_mul(1_000)) {
        Some(longest) => told.map_or(longest, |millis| millis.min(longest)),
        None => told.unwrap_or_else(|| sound.len() as u64 * 1_000 / BYTES_PER_SECOND + 1_000),
    }
}

/// Milliseconds of WAV with plain samples
/// (<https://learn.microsoft.com/en-us/windows/win32/api/mmreg/ns-mmreg-waveformatextensible>, as of 2026-11-26). `None`: it
/// is something else.
fn wav(sound: &[u8]) -> Option<u64> {
    if sound.get(..4)? != b"RIFF" || sound.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12;
    let format = loop {
        let size = u32::from_le_bytes(*sound.get(at + 4..)?.first_chunk()?) as usize;
        if sound.get(at..at + 4)? == b"fmt " {
            break sound.get(at + 8..(at + 8).checked_add(size)?)?;
        }
        at = at.checked_add(8)?.checked_add(size)?.checked_add(size % 2)?;
    };
    let word = |at: usize| Some(u64::from(u16::from_le_bytes(*format.get(at..)?.first_chunk()?)));
    let kind = match word(0)? {
        0xFFFE => word(24)?,
        kind => kind,
    };
    // Whole numbers and fractions; all else is packed.
    if !matches!(kind, 1 | 3) {
        return None;
    }
    let (channels, rate) = (word(2)?, u64::from(u32::from_le_bytes(*format.get(4..)?.first_chunk()?)));
    let per_second = rate * channels * (word(14)? / 8).max(1);
    (sound.len() as u64 * 1_000).checked_div(per_second).map(|millis| millis + 1)
}

/// Milliseconds of MP3. `None`: it is something else, or in a part of it.
fn mp3(sound: &[u8]) -> Option<u64> {
    let mut rest = sound;
    if rest.starts_with(b"ID3") {
        // Seven bits in each byte.
        let size = rest.get(6..10)?.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F));
        rest = rest.get(10 + size..)?;
    }
    let mut micros = 0;
    let mut frames = 0_u64;
    while let Some((bytes, lasts)) = mp3_frame(rest) {
        micros += lasts;
        frames += 1;
        rest = rest.get(bytes..).unwrap_or_default();
    }
    // A tag at the end tells titles.
    let is_over = rest.is_empty() || rest.len() == 128 && rest.starts_with(b"TAG");
    (frames > 0 && is_over).then_some(micros / 1_000 + 1)
}

/// Bytes and microseconds of the frame that begins here. `None`: none does, or one that does not tell its length.
fn mp3_frame(rest: &[u8]) -> Option<(usize, u64)> {
    let [sync, kind, rates, _] = *rest.first_chunk()?;
    let version = kind >> 3 & 3;
    if sync != 0xFF || kind & 0xE0 != 0xE0 || version == 1 || kind >> 1 & 3 != 1 {
        return None;
    }
    let is_first = version == 3;
    let index = usize::from(rates >> 4).checked_sub(1)?;
    let kilobits = *MP3_KILOBITS[usize::from(!is_first)].get(index)?;
    let rate = *MP3_RATES.get(usize::from(rates >> 2 & 3))? / [4, 1, 2, 1][usize::from(version)];
    let samples = if is_first { 1_152 } else { 576 };
    let bytes = samples / 8 * kilobits * 1_000 / rate + u64::from(rates >> 1 & 1);
    Some((bytes as usize, samples * 1_000_000 / rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav_of(kind: u16, rate: u32, bits: u16, seconds: usize) -> Vec<u8> {
        let mut file = b"RIFF\xFF\xFF\xFF\x7FWAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend([kind.to_le_bytes(), 1_u16.to_le_bytes()].concat());
        // What it says of bytes is not believed.
        file.extend([rate.to_le_bytes(), u32::MAX.to_le_bytes()].concat());
        file.extend([9_u16.to_le_bytes(), bits.to_le_bytes()].concat());
        file.extend(b"data\0\0\0\0");
        file.resize(file.len() + seconds * rate as usize * usize::from(bits / 8), 0);
        file
    }

    /// MPEG 2 with 8 kbit/s and 16,000 samples a second: 36 bytes for 36 milliseconds.
    fn mp3_of(frames: usize) -> Vec<u8> {
        let mut frame = [0; 36];
        frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x18, 0xC0]);
        frame.repeat(frames)
    }

    #[test]
    fn plain_samples_are_as_long_as_their_bytes() {
        let millis = wav(&wav_of(1, 16_000, 16, 60)).unwrap();
        assert!((60_000..60_010).contains(&millis), "{millis}");
        let slow = wav(&wav_of(3, 100, 32, 60)).unwrap();
        assert!((60_000..60_300).contains(&slow), "{slow}");
        assert_eq!(wav(&wav_of(2, 16_000, 16, 1)), None, "these are packed");
        assert_eq!(wav(&wav_of(1, 0, 16, 1)), None);
        let whole = wav_of(1, 8_000, 16, 0);
        for end in 0..whole.len() - 8 {
            assert_eq!(wav(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn frames_of_mp3_are_counted_unless_something_else_is_among_them() {
        assert_eq!(mp3(&mp3_of(1_000)), Some(36_001));
        let tagged = [b"ID3\x04\0\0\0\0\0\x05title".as_slice(), &mp3_of(10), b"TAG", &[0; 125]].concat();
        assert_eq!(mp3(&tagged), Some(361));
        // 128 kbit/s and 44,100 samples a second, in MPEG 1.
        let mut usual = vec![0; 417];
        usual[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
        assert_eq!(mp3(&usual.repeat(100)), Some(2_613));
        for other in [b"fLaC".as_slice(), &[0xFF, 0xF3, 0x08, 0xC0], &[0xFF, 0xF1, 0x50, 0x80]] {
            assert_eq!(mp3(&[&mp3_of(10), other].concat()), None, "{other:?}");
            assert_eq!(mp3(other), None);
        }
    }

    #[test]
    fn what_does_not_tell_its_length_may_be_as_long_as_is_taken() {
        let flac = [b"fLaC".as_slice(), &[0; 996]].concat();
        assert_eq!(most_millis(&flac, None), 3_000);
        assert_eq!(most_millis(&flac, Some(1_500)), 1_500_000);
        assert_eq!(most_millis(&mp3_of(1_000), Some(1_500)), 37_001);
        assert_eq!(most_millis(&mp3_of(1_000), Some(30)), 30_000, "more is not taken");
        assert_eq!(most_millis(&mp3_of(1_000), None), 37_001);
    }
}
