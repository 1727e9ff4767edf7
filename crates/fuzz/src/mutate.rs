//! Making hostile inputs of harmless ones.

use crate::rng::Rng;

/// Longest input: a MiB takes a build without optimization a few milliseconds.
const BYTES_MAX: usize = 256 << 10;
/// Changes to one input, at the most.
const CHANGES_MAX: usize = 8;
/// Copies of a piece, at the most: nests brackets deeper than any stack.
const COPIES_MAX: usize = 20_000;

/// What means something to some parser.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"0.1e-9",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"\\u0000",
    b"\\ud800",
    b"\\udfff\\ud800",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"data: ",
    b"data:",
    b"event: ",
    b": ",
    b"id: ",
    b"retry: ",
    b"data: [DONE]\n\n",
    b"{\"a\":",
    b"[[",
    b"\"model\":",
    b"\"model\":\"a/b\",",
    b"\"stream\":true",
    b"\"messages\":[",
    b"\"role\":\"user\"",
    b"\"role\":\"tool\"",
    b"\"content\":",
    b"\"type\":\"text\"",
    b"\"type\":\"tool_use\"",
    b"\"type\":\"image_url\"",
    b"\"tool_calls\":[",
    b"\"tool_call_id\":",
    b"\"arguments\":",
    b"\"usage\":{",
    b"\"cost\":",
    b"\"index\":4294967295",
    b"\"index\":-1",
    b"\"delta\":{",
    b"\"choices\":[",
    b"\"error\":",
    b"\"signalbox\":{",
    b"\"tags\":[",
    b"\"extra\":{",
    b"\"max_tokens\":",
    b"\"thinking\":{",
    b"data:image/png;base64,",
    b"[[providers]]\n",
    b"kind = \"openai\"\n",
    b"[limits]\n",
    b"'''",
    b"\"\"\"",
    b" = ",
    b".",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
];

/// An input made of one of the seeds.
pub fn mutate(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.pick(seeds).cloned().unwrap_or_default();
    for _ in 0..=rng.below(CHANGES_MAX) {
        change(&mut input, seeds, rng);
        input.truncate(BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.below(input.len() + 1);
    match rng.below(10) {
        0 => flip(input, rng),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.next().to_le_bytes()[0];
            }
        }
        2 => input.truncate(at),
        3 => {
            let end = at + rng.below((input.len() - at).min(64) + 1);
            input.drain(at..end);
        }
        4 | 5 => insert(input, at, rng.pick(WORDS).copied().unwrap_or_default()),
        6 => {
            // Mostly few: long inputs take the time of many short ones.
            let doublings = rng.below(COPIES_MAX.ilog2() as usize + 1);
            let copies = 1 << rng.below(doublings + 1);
            let word = rng.pick(WORDS).copied().unwrap_or_default();
            insert(input, at, &word.repeat(copies.min(BYTES_MAX / word.len().max(1))));
        }
        7 => {
            let piece = piece(input, rng).to_vec();
            let copies = 1 << rng.below(5);
            insert(input, at, &piece.repeat(copies.min(BYTES_MAX / piece.len().max(1))));
        }
        8 => {
            let other = rng.pick(seeds).cloned().unwrap_or_default();
            insert(input, at, piece(&other, rng));
        }
        _ => {
            // One number for another.
            let digits = |byte: &u8| byte.is_ascii_digit();
            if let Some(begin) = input.get(at..).and_then(|rest| rest.iter().position(digits)).map(|n| n + at)
            {
                let length = input[begin..].iter().take_while(|byte| digits(byte)).count();
                let number = [u64::MAX, 0, 1 << 53, rng.next()][rng.below(4)].to_string();
                input.splice(begin..begin + length, number.into_bytes());
            }
        }
    }
}

fn flip(input: &mut [u8], rng: &mut Rng) {
    let at = rng.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

/// Some stretch of some bytes.
fn piece<'a>(of: &'a [u8], rng: &mut Rng) -> &'a [u8] {
    let begin = rng.below(of.len() + 1);
    let end = begin + rng.below(of.len() - begin + 1);
    &of[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_inputs_within_bounds() {
        let seeds = [b"{\"model\":\"a/b\",\"n\":12}".to_vec(), Vec::new()];
        let inputs = |seed| {
            let mut rng = Rng::new(seed);
            (0..2_000).map(|_| mutate(&seeds, &mut rng)).collect::<Vec<_>>()
        };
        let made = inputs(7);
        assert_eq!(made, inputs(7));
        assert!(made.iter().all(|input| input.len() <= BYTES_MAX));
        assert!(made.iter().any(|input| input.len() > 10_000));
    }
}
