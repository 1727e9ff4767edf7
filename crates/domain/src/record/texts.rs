//! How long the texts of a record may be that callers and providers tell: names, warnings, errors.
//!
//! A record is written into the journal, into the database and into the head of an answer. None of them is the place for
//! a name of megabytes.

use super::{AttemptRecord, RequestRecord};
use std::sync::Arc;

/// Bytes of a name that is told: of a model, of a tool, of an answer.
pub const NAME_BYTES_MAX: usize = 512;
/// Tools that are named.
pub const TOOL_CALLS_MAX: usize = 256;
/// Bytes of a warning.
pub const WARNING_BYTES_MAX: usize = 512;
/// Warnings of one request.
pub const WARNINGS_MAX: usize = 64;
/// Bytes of what is told of an attempt's failure.
pub const ERROR_BYTES_MAX: usize = 4_096;

/// Stands where a text was cut.
const CUT: &str = "…";
/// Stands for the warnings that were left out.
const MORE_WARNINGS: &str = "warnings: there were more, the rest is left out";

impl RequestRecord {
    /// Cuts what is longer than a record should have. What was cut before stays as it is.
    pub fn bound_texts(&mut self) {
        cut_shared(&mut self.model_requested);
        cut_shared(&mut self.finish_reason);
        cut(&mut self.response_id, NAME_BYTES_MAX);
        shorten(&mut self.tool_calls, TOOL_CALLS_MAX, CUT);
        self.tool_calls.iter_mut().for_each(|name| cut(name, NAME_BYTES_MAX));
        shorten(&mut self.warnings, WARNINGS_MAX, MORE_WARNINGS);
        self.warnings.iter_mut().for_each(|warning| cut(warning, WARNING_BYTES_MAX));
        self.attempts.iter_mut().for_each(|attempt| cut(&mut attempt.error, ERROR_BYTES_MAX));
    }

    /// The same without what callers and providers told: who called what, how it ended and what it cost.
    pub fn without_texts(&self) -> Self {
        let mut model_requested = self.model_requested.clone();
        cut_shared(&mut model_requested);
        Self {
            model_requested,
            scopes: self.scopes.clone(),
            error_code: self.error_code.clone(),
            finish_reason: Arc::from(""),
            response_id: String::new(),
            tool_calls: Vec::new(),
            warnings: Vec::new(),
            metadata: None,
            attempts: self.attempts.iter().map(AttemptRecord::without_texts).collect(),
            ..*self
        }
    }
}

impl AttemptRecord {
    /// The same without what was told of its failure.
    pub fn without_texts(&self) -> Self {
        Self { provider: self.provider.clone(), model: self.model.clone(), error: String::new(), ..*self }
    }
}

/// Cuts a text to so many bytes, between two letters, and marks that.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(CUT.len())));
        text.push_str(CUT);
        text.shrink_to_fit();
    }
}

fn cut_shared(text: &mut Arc<str>) {
    if text.len() > NAME_BYTES_MAX {
        let mut short = text.to_string();
        cut(&mut short, NAME_BYTES_MAX);
        *text = short.into();
    }
}

/// Cuts a list to so many texts, the last of which says that there were more.
fn shorten(list: &mut Vec<String>, max: usize, more: &str) {
    if list.len() > max {
        list.truncate(max - 1);
        list.push(more.to_owned());
        list.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_letters_and_only_beyond_its_limit() {
        for (text, expected) in [
            ("a".repeat(16), "a".repeat(16)),
            ("a".repeat(17), format!("{}…", "a".repeat(13))),
            // Two bytes each: the thirteenth byte is the first of a letter.
            ("é".repeat(9), format!("{}…", "é".repeat(6))),
        ] {
            let mut text = text;
            cut(&mut text, 16);
            assert_eq!(text, expected);
            cut(&mut text, 16);
            assert_eq!(text, expected, "what was cut stays as it is");
        }
    }

    #[test]
    fn a_list_that_is_too_long_says_so_once() {
        let mut list: Vec<String> = (0..4).map(|n| n.to_string()).collect();
        shorten(&mut list, 4, "more");
        assert_eq!(list, ["0", "1", "2", "3"]);
        list.push("4".to_owned());
        shorten(&mut list, 4, "more");
        assert_eq!(list, ["0", "1", "2", "more"]);
        list.push("5".to_owned());
        shorten(&mut list, 4, "more");
        assert_eq!(list, ["0", "1", "2", "more"]);
    }
}
