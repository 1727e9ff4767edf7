//! The ends of calls as they stand on the invoice, by the callers' tags, and what the ledger says of them.

use crate::{
    books::{Ledger, Row},
    failure::{Context, Failure},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// A call's end on the invoice.
pub struct End {
    pub attempt: String,
    pub at_ns: u64,
    pub input: u64,
    pub produced: u64,
    /// What it bills, which is more than was produced where answers are billed whole.
    pub billed: (u64, u64),
    pub is_whole: bool,
}

impl End {
    /// The rows of the ledger that belong to it.
    pub fn rows<'a>(&self, ledger: &'a Ledger) -> &'a [Row] {
        ledger.0.get(&self.attempt).map_or(&[][..], Vec::as_slice)
    }
}

/// All ends by tag. Calls without one count as tag 0.
pub fn read(text: &str) -> Result<BTreeMap<u64, End>, Failure> {
    let mut ends = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).context("a line of the invoice")?;
        if value["event"] != "end" {
            continue;
        }
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let end = End {
            attempt: value["attempt"].as_str().unwrap_or_default().to_owned(),
            at_ns: number(&value["at_ns"]),
            input: number(&value["input_tokens"]),
            produced: number(&value["output_tokens"]),
            billed: (number(&value["billed"]["input_tokens"]), number(&value["billed"]["output_tokens"])),
            is_whole: value["ended"] == "whole",
        };
        ends.insert(number(&value["tag"]), end);
    }
    Ok(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_by_its_tag() {
        let text = r#"{"event":"begin","tag":7}
{"event":"end","tag":7,"attempt":"a-1","ended":"aborted","input_tokens":3,"output_tokens":2,"billed":{"input_tokens":3,"output_tokens":9},"at_ns":5}"#;
        let end = &read(text).unwrap()[&7];
        assert_eq!((end.at_ns, end.produced, end.billed, end.is_whole), (5, 2, (3, 9), false));
        assert!(end.rows(&Ledger::default()).is_empty());
    }
}
