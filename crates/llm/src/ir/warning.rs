//! What a translation could not carry.

use crate::protocol::{Protocol, Shape};
use std::fmt;

/// The longest text of a warning: it goes into a response header.
const TEXT_CHARS_MAX: usize = 240;

/// Something of a request or an answer that was given up or emulated on the way to another protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The field or feature.
    pub feature: &'static str,
    /// The word of the protocol it was said in, or of the shape.
    pub from: &'static str,
    /// The word of the one it could not be said in.
    pub to: &'static str,
    /// What became of it.
    pub detail: String,
}

/// One line of printable ASCII: `temperature (anthropic_messages): 1.4 was lowered to 1`.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.feature, self.to)?;
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        self.detail.chars().take(TEXT_CHARS_MAX).try_for_each(|c| fmt::Write::write_char(f, printable(c)))
    }
}

/// Gathers the warnings of one translation.
#[derive(Clone, Debug)]
pub(crate) struct Warnings {
    from: &'static str,
    to: &'static str,
    list: Vec<Warning>,
}

impl Warnings {
    /// Of a translation between these two.
    pub(crate) const fn new(from: Protocol, to: Protocol) -> Self {
        Self { from: from.as_str(), to: to.as_str(), list: Vec::new() }
    }

    /// Of a translation between these two of what is no conversation.
    pub(crate) const fn of_shapes(from: Shape, to: Shape) -> Self {
        Self { from: from.as_str(), to: to.as_str(), list: Vec::new() }
    }

    /// Notes a loss; the same loss twice is noted once.
    pub(crate) fn add(&mut self, feature: &'static str, detail: impl Into<String>) {
        let warning = Warning { feature, from: self.from, to: self.to, detail: detail.into() };
        if !self.list.contains(&warning) {
            self.list.push(warning);
        }
    }

    /// Hands the warnings over.
    pub(crate) fn take(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_line_of_ascii() {
        let (from, to) = ("openai_chat", "anthropic_messages");
        let warning = Warning { feature: "extra", from, to, detail: "a\r\nß: 1".to_owned() };
        assert_eq!(warning.to_string(), "extra (anthropic_messages): a???: 1");
    }
}
