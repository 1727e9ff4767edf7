//! The few changes to bytes that pass through; every other byte stays.

use domain::Money;
use std::ops::Range;

/// A place in a body, and what stands there from now on.
pub type Edit = (Range<usize>, Vec<u8>);

/// The body with its edits, which do not overlap.
pub fn edited(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_unstable_by_key(|(at, _)| at.start);
    let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(body.len() + grown);
    let mut kept_from = 0;
    for (at, text) in edits {
        out.extend_from_slice(&body[kept_from..at.start]);
        out.extend_from_slice(&text);
        kept_from = at.end;
    }
    out.extend_from_slice(&body[kept_from..]);
    out
}

/// Puts `cost` into the usage object at `at`. A cost that the provider put there itself is replaced: the field is ours.
pub fn cost(body: &[u8], at: Range<usize>, cost: Money) -> Edit {
    let usage = &body[at.clone()];
    let text = if memchr::memmem::find(usage, b"\"cost\"").is_some() {
        replaced(usage, cost)
    } else {
        // It was parsed as an object, so it ends with its closing brace.
        let inside = usage.strip_suffix(b"}").unwrap_or(usage);
        let comma = if inside.trim_ascii() == b"{" { "" } else { "," };
        [inside, format!("{comma}\"cost\":{cost}}}").as_bytes()].concat()
    };
    (at, text)
}

fn replaced(usage: &[u8], cost: Money) -> Vec<u8> {
    match crate::raw::RawObject::parse(bytes::Bytes::copy_from_slice(usage)) {
        Ok(mut object) => {
            object.set("cost", cost.to_string().into_bytes());
            object.to_bytes().into()
        }
        Err(_) => usage.to_vec(),
    }
}

/// Puts a name in place of the string at `at`.
pub fn name(at: Range<usize>, name: &str) -> Edit {
    (at, serde_json::to_vec(name).unwrap_or_default())
}
