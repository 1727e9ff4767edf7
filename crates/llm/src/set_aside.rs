//! What makes a body long, set aside while the body is read, edited and translated.
//!
//! Two things do, and nothing here looks into either: runs of base64 ([`SetAside::of`]), and the texts of a conversation
//! ([`SetAside::of_texts`]). Where one stands a mark takes its place, and what is made of the body in between is small. In
//! what is sent the marks give way to the runs again, which are parts of the body that arrived and no copies of them.
//!
//! Of base64 the beginning stays, for whoever looks at a picture's type or measures a value. Such a run ends at a quote
//! and holds none, no escape and nothing beyond ASCII. So it can only stand within a JSON string, the body with marks is
//! JSON exactly if the other is, and any JSON writer would write the run as it is. Texts have escapes, so they may only
//! be set aside where they are known to be written as strings again: `texts` tells.

mod texts;

use crate::raw::RawObject;
use bytes::Bytes;
use memchr::memmem::Finder;
use std::ops::Range;

/// Shorter runs of base64 stay where they are.
const RUN_BYTES_MIN: usize = 64 * 1024;
/// What stays of such a run: more than any value of which somebody asks how long it is.
const KEPT: usize = 4 * 1024;
/// Bytes of randomness in a mark: a caller who could guess it could move runs about.
const NONCE: usize = 10;
/// `x`, the nonce in hexadecimal, and the number of the run in as many digits as keep the mark whole base64.
const MARK: usize = PREFIX + 7;
const PREFIX: usize = 1 + 2 * NONCE;
/// The fields of a request that hold a conversation.
const CONVERSATION: [&str; 2] = ["system", "messages"];

/// The runs that were set aside of one body.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// Finds what every mark begins with.
    finder: Finder<'static>,
    runs: Vec<Bytes>,
}

/// Pieces that follow each other, with the runs in them.
#[derive(Debug)]
pub struct Restored {
    /// The pieces.
    pub pieces: Vec<Bytes>,
    /// Every run stands there, and stands there once.
    pub is_complete: bool,
}

impl SetAside {
    /// Sets the long runs of base64 of a body aside, and gives the body with marks in their place. `None`: they are less
    /// than half of it, so that another copy of the rest would be no gain.
    pub fn of(body: &Bytes, nonce: [u8; NONCE]) -> Option<(Bytes, Self)> {
        let runs = base64(body);
        if !is_gain(runs.iter(), body) {
            return None;
        }
        let mut aside = Self::named(nonce);
        let marked = aside.mark(body, runs);
        Some((marked.into(), aside))
    }

    /// Sets the long texts of a request's conversation aside, and its long runs of base64, for a translation of it.
    /// `None`: they are less than half of it, or all of it must be read.
    pub fn of_texts(body: &RawObject, nonce: [u8; NONCE]) -> Option<(Bytes, Self)> {
        let mut found = Vec::new();
        for field in CONVERSATION {
            let Some(value) = body.value(field) else { continue };
            let mut runs = texts::of(field, &value)?;
            runs.extend(base64(&value));
            found.push((field, value, apart(runs)));
        }
        if !is_gain(found.iter().flat_map(|(_, _, runs)| runs), body.original()) {
            return None;
        }
        let (mut marked, mut aside) = (body.clone(), Self::named(nonce));
        for (field, value, runs) in found {
            let text = aside.mark(&value, runs);
            marked.set(field, text);
        }
        Some((marked.to_bytes(), aside))
    }

    fn named(nonce: [u8; NONCE]) -> Self {
        let mut prefix = String::with_capacity(PREFIX);
        prefix.push('x');
        for byte in nonce {
            prefix.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        Self { finder: Finder::new(prefix.as_bytes()).into_owned(), runs: Vec::new() }
    }

    /// Takes runs out of a text, and gives it with marks in their place.
    fn mark(&mut self, text: &Bytes, runs: Vec<Range<usize>>) -> Vec<u8> {
        let aside: usize = runs.iter().map(Range::len).sum();
        let mut marked = Vec::with_capacity(text.len() - aside + runs.len() * MARK);
        self.runs.reserve_exact(runs.len());
        let mut copied = 0;
        for run in runs {
            marked.extend_from_slice(&text[copied..run.start]);
            marked.extend_from_slice(self.finder.needle());
            marked.extend_from_slice(format!("{:07x}", self.runs.len()).as_bytes());
            copied = run.end;
            self.runs.push(text.slice(run));
        }
        marked.extend_from_slice(&text[copied..]);
        marked
    }

    /// How many bytes are missing in a text where marks stand for them.
    pub fn bytes_behind(&self, text: &[u8]) -> usize {
        self.marks(text).map(|(_, run)| self.runs[run].len().saturating_sub(MARK)).sum()
    }

    /// Whether a run is in the other alphabet of base64, the one for addresses. Such a run must be seen by who writes it
    /// for vendors that read the first one only.
    pub fn is_url_safe(&self) -> bool {
        self.runs.iter().any(|run| memchr::memchr2(b'-', b'_', run).is_some())
    }

    /// Puts the runs where their marks stand.
    pub fn restore(&self, pieces: Vec<Bytes>) -> Restored {
        let mut restored = Vec::with_capacity(pieces.len() + 2 * self.runs.len());
        let mut times = vec![0_u32; self.runs.len()];
        for piece in pieces {
            let mut from = 0;
            for (at, run) in self.marks(&piece) {
                times[run] += 1;
                restored.push(piece.slice(from..at));
                restored.push(self.runs[run].clone());
                from = at + MARK;
            }
            restored.push(piece.slice(from..));
        }
        Restored { pieces: restored, is_complete: times.iter().all(|times| *times == 1) }
    }

    /// Where marks stand, and for which run each.
    fn marks<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let at = from + self.finder.find(&text[from..])?;
                from = at + PREFIX;
                let digits = text.get(from..at + MARK).and_then(|digits| std::str::from_utf8(digits).ok());
                let run = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
                if let Some(run) = run.filter(|run| *run < self.runs.len()) {
                    from = at + MARK;
                    return Some((at, run));
                }
            }
        })
    }
}

/// Whether the rest is so short that it may be copied.
fn is_gain<'a>(runs: impl Iterator<Item = &'a Range<usize>>, body: &[u8]) -> bool {
    let aside: usize = runs.map(Range::len).sum();
    aside > 0 && aside >= body.len() / 2
}

/// The runs in their order, without those that lie in others.
fn apart(mut runs: Vec<Range<usize>>) -> Vec<Range<usize>> {
    runs.sort_unstable_by_key(|run| run.start);
    let mut end = 0;
    runs.retain(|run| {
        let is_apart = run.start >= end;
        end = end.max(run.end);
        is_apart
    });
    runs
}

/// Long runs of base64.
fn base64(body: &[u8]) -> Vec<Range<usize>> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    let mut runs = Vec::new();
    let mut from = 0;
    for quote in memchr::memchr_iter(b'"', body) {
        // Most quotes stand close together.
        if quote - from >= RUN_BYTES_MIN {
            let start =
                body[from..quote].iter().rposition(|byte| !is_base64(byte)).map_or(from, |at| from + at + 1);
            if quote - start >= RUN_BYTES_MIN {
                runs.push(start + KEPT..quote);
            }
        }
        from = quote + 1;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONCE_OF_TESTS: [u8; NONCE] = [0xa5; NONCE];

    fn of(body: &str) -> Option<(Bytes, SetAside)> {
        SetAside::of(&Bytes::copy_from_slice(body.as_bytes()), NONCE_OF_TESTS)
    }

    fn joined(restored: &Restored) -> String {
        String::from_utf8(restored.pieces.concat()).unwrap()
    }

    fn picture(letter: &str) -> String {
        format!("data:image/png;base64,{}", letter.repeat(100_000))
    }

    #[test]
    fn a_body_comes_back_as_it_was() {
        let body = format!(r#"{{"a":"{}","b":[ 1.0,"\"{}","short"]}}"#, picture("A"), picture("/9"));
        let (marked, aside) = of(&body).unwrap();
        assert!(marked.len() < 3 * KEPT);
        assert!(serde_json::from_slice::<serde_json::Value>(&marked).is_ok());
        assert_eq!(marked.len() + aside.bytes_behind(&marked), body.len());
        let restored = aside.restore(vec![marked]);
        assert!(restored.is_complete && joined(&restored) == body);
    }

    #[test]
    fn runs_are_parts_of_the_body_and_no_copies() {
        let body = Bytes::from(format!("[\"{}\"]", picture("A")));
        let (marked, aside) = SetAside::of(&body, NONCE_OF_TESTS).unwrap();
        let restored = aside.restore(vec![marked]);
        let longest = restored.pieces.iter().max_by_key(|piece| piece.len()).unwrap();
        assert!(body.as_ptr_range().contains(&longest.as_ptr()));
    }

    #[test]
    fn a_run_that_is_lost_or_stands_twice_is_told() {
        let (marked, aside) = of(&format!(r#"["{}"]"#, picture("A"))).unwrap();
        assert!(!aside.restore(vec![Bytes::from_static(b"[]")]).is_complete);
        assert!(!aside.restore(vec![marked.clone(), marked]).is_complete);
    }

    #[test]
    fn what_is_no_long_base64_in_a_string_stays() {
        let long = "x".repeat(RUN_BYTES_MIN);
        for body in [
            format!("[{}]", "1".repeat(RUN_BYTES_MIN)),
            format!(r#"["{}"]"#, &long[1..]),
            format!(r#"["{long} "]"#),
            format!(r#"["{long}é"]"#),
            format!(r#"["{long}\n"]"#),
            format!(r#"["{long}\""]"#),
            format!(r#"["{long}","{}"]"#, "words, ".repeat(RUN_BYTES_MIN)),
        ] {
            assert!(of(&body).is_none(), "{}", &body[body.len() - 8..]);
        }
    }

    #[test]
    fn what_is_broken_stays_broken() {
        let long = "1".repeat(RUN_BYTES_MIN + KEPT);
        for body in [format!("[{long}\"]"), format!("{{\"a\":{long}\",\"b\":1}}"), format!("[\"\\{long}\"]")]
        {
            let (marked, _) = of(&body).unwrap();
            assert!(serde_json::from_slice::<serde_json::Value>(body.as_bytes()).is_err());
            assert!(serde_json::from_slice::<serde_json::Value>(&marked).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_pieces_come_back(parts in proptest::collection::vec(("\\PC{0,12}", 0..3_usize), 0..6)) {
            let text = |(text, runs): &(String, usize)| format!("{text}{}", "Zm9v".repeat(runs * 20_000));
            let body = serde_json::to_string(&parts.iter().map(text).collect::<Vec<_>>()).unwrap();
            if let Some((marked, aside)) = of(&body) {
                let middle = marked.len() / 2;
                prop_assert_eq!(marked.len() + aside.bytes_behind(&marked), body.len());
                let restored = aside.restore(vec![marked.clone()]);
                prop_assert!(restored.is_complete && joined(&restored) == body);
                // Wherever a piece ends, unless that is within a mark.
                let halves = aside.restore(vec![marked.slice(..middle), marked.slice(middle..)]);
                prop_assert!(!halves.is_complete || joined(&halves) == body);
            }
        }
    }
}
