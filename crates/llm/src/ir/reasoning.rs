//! How much a model is to think before it answers, and how one way of saying so turns into the other.
//!
//! The table is the reference product's: words for OpenAI, token budgets for Anthropic.

/// What the caller asks for. All parts may be absent: then the model decides.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reasoning {
    /// Whether to think, and how the amount is set.
    pub thinking: Option<Thinking>,
    /// How much effort to take.
    pub effort: Option<Effort>,
    /// How thoughts are shown (`summarized`, `omitted`), where the caller says so.
    pub display: Option<String>,
}

/// Whether to think, and how the amount is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thinking {
    /// Not at all.
    Disabled,
    /// As much as the model finds right at the given effort.
    Adaptive,
    /// At most this many tokens.
    Budget(u64),
}

/// How much effort to take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effort {
    /// `none`.
    None,
    /// `min`, the reference product's word for the least there is.
    Min,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    ExtraHigh,
    /// `max`.
    Max,
}

impl Effort {
    /// Reads a word of any protocol.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Effort::None,
            "min" => Effort::Min,
            "minimal" => Effort::Minimal,
            "low" => Effort::Low,
            "medium" => Effort::Medium,
            "high" => Effort::High,
            "xhigh" => Effort::ExtraHigh,
            "max" => Effort::Max,
            _ => return None,
        })
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Min => "min",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::ExtraHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// The effort that a budget of thinking tokens stands for.
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=1024 => Effort::Low,
            1025..=8192 => Effort::Medium,
            _ => Effort::High,
        }
    }

    /// The budget of thinking tokens that the effort stands for. `None`: as much as the model can.
    pub const fn budget(self) -> Option<u64> {
        match self {
            Effort::None | Effort::Min | Effort::Minimal | Effort::Low => Some(1024),
            Effort::Medium => Some(8192),
            Effort::High => Some(16_384),
            Effort::ExtraHigh | Effort::Max => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_words_follow_the_table() {
        let words = [0, 1024, 1025, 8192, 8193, 60_000].map(|tokens| Effort::of_budget(tokens).as_str());
        assert_eq!(words, ["low", "low", "medium", "medium", "high", "high"]);
        let budgets =
            ["none", "min", "low", "medium", "high", "max"].map(|word| Effort::parse(word).unwrap().budget());
        assert_eq!(budgets, [Some(1024), Some(1024), Some(1024), Some(8192), Some(16_384), None]);
    }
}
