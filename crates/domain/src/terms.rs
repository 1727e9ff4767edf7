//! On what terms a call is served, as far as they change its price: the tier of the service, the speed, the region.
//!
//! A request asks for terms ([`Demand`]), its provider chooses and tells ([`Told`]), and the price follows what it
//! told ([`Terms`]). How vendors word them is the business of `llm`.

/// A tier of service, by its price.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Tier {
    /// The ordinary price, whatever the tier is called.
    #[default]
    Standard,
    /// Cheaper and slower.
    Flex,
    /// Dearer and faster.
    Priority,
    /// A tier that nobody here has heard of: its price is unknown.
    Unknown,
}

/// The terms that a call was served on.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Which tier.
    pub tier: Tier,
    /// The model ran in a faster and dearer way.
    pub is_fast: bool,
    /// The model ran in one region only.
    pub is_regional: bool,
}

/// What a provider's answer tells of its terms. Nothing is told by most.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Told {
    /// Which tier.
    pub tier: Option<Tier>,
    /// Whether it was fast.
    pub is_fast: Option<bool>,
    /// Whether it ran in one region only.
    pub is_regional: Option<bool>,
}

impl Told {
    /// What was told later counts.
    pub fn and_later(self, later: Told) -> Told {
        Told {
            tier: later.tier.or(self.tier),
            is_fast: later.is_fast.or(self.is_fast),
            is_regional: later.is_regional.or(self.is_regional),
        }
    }

    /// The terms of a call that was asked for on others.
    pub fn or(self, asked: Terms) -> Terms {
        Terms {
            tier: self.tier.unwrap_or(asked.tier),
            is_fast: self.is_fast.unwrap_or(asked.is_fast),
            is_regional: self.is_regional.unwrap_or(asked.is_regional),
        }
    }
}

/// Which tiers a request may be served in. A provider may serve any of them as [`Tier::Standard`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum TierDemand {
    /// The standard one only.
    #[default]
    Standard,
    /// Whichever the account is set to, of those the model has.
    Any,
    /// This one is asked for.
    Named(Tier),
}

/// Whether a request may be served in one region only.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum RegionDemand {
    /// No.
    #[default]
    Anywhere,
    /// The account may be set to it.
    Perhaps,
    /// It is asked for.
    Named,
}

/// The terms that a request asks for or leaves open.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Demand {
    /// Tiers of service.
    pub tier: TierDemand,
    /// The faster and dearer way is asked for.
    pub is_fast: bool,
    /// The region.
    pub region: RegionDemand,
}

impl Demand {
    /// The terms that count where the answer tells none.
    pub const fn terms(self) -> Terms {
        let tier = match self.tier {
            TierDemand::Standard | TierDemand::Any => Tier::Standard,
            TierDemand::Named(tier) => tier,
        };
        Terms { tier, is_fast: self.is_fast, is_regional: matches!(self.region, RegionDemand::Named) }
    }
}

/// What of a request's terms has no known price.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unpriced {
    /// The tier.
    #[error("service tier")]
    Tier,
    /// The speed.
    #[error("speed")]
    Speed,
    /// The region.
    #[error("region")]
    Region,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_answer_tells_counts_and_the_rest_is_as_asked() {
        let asked = Demand { tier: TierDemand::Named(Tier::Priority), is_fast: true, ..Demand::default() };
        assert_eq!(
            Told::default().or(asked.terms()),
            Terms { tier: Tier::Priority, is_fast: true, is_regional: false }
        );
        let first = Told { tier: Some(Tier::Priority), ..Told::default() };
        let last = Told { tier: Some(Tier::Standard), is_regional: Some(true), ..Told::default() };
        assert_eq!(
            first.and_later(last).or(asked.terms()),
            Terms { tier: Tier::Standard, is_fast: true, is_regional: true }
        );
    }
}
