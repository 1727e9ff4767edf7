//! What a call costs: usage times price, rounded once.

use crate::money::{Money, Price, round, round_up};
use crate::usage::Usage;

/// Prices of one model. `None` means "no price of its own": see each field for what then applies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct TokenPrices {
    /// Input tokens.
    pub input: Price,
    /// Output tokens.
    pub output: Price,
    /// Input read from cache; without a price of its own it costs as input.
    pub cache_read: Option<Price>,
    /// Input written to cache; without a price of its own it costs as input.
    pub cache_write: Option<Price>,
    /// Input written to cache for an hour; without a price of its own it costs as `cache_write`.
    pub cache_write_1h: Option<Price>,
    /// Reasoning tokens; without a price of their own they cost as output.
    pub reasoning: Option<Price>,
    /// Audio tokens in; without a price of their own they cost as input.
    pub audio_input: Option<Price>,
    /// Audio tokens out; without a price of their own they cost as output.
    pub audio_output: Option<Price>,
    /// Image tokens in; without a price of their own they cost as input.
    pub image_input: Option<Price>,
    /// Image tokens out; without a price of their own they cost as output.
    pub image_output: Option<Price>,
}

/// Prices that apply to the whole request once its prompt is longer than a threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceTier {
    /// The tier applies to prompts of more tokens than this.
    pub above_input_tokens: u64,
    /// The prices within the tier.
    pub prices: TokenPrices,
}

/// All prices of one model at one provider.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ModelPrice {
    /// Prices below the first tier.
    pub base: TokenPrices,
    /// Tiers by rising threshold.
    pub tiers: Vec<PriceTier>,
    /// One image made.
    pub per_image: Price,
    /// One web search run by the provider.
    pub per_web_search: Price,
    /// One request, whatever its size.
    pub per_request: Price,
}

impl ModelPrice {
    /// The prices that apply to a prompt of this many tokens.
    pub fn at(&self, input_tokens: u64) -> &TokenPrices {
        self.tiers
            .iter()
            .rev()
            .find(|tier| input_tokens > tier.above_input_tokens)
            .map_or(&self.base, |tier| &tier.prices)
    }
}

/// The dearest prices that a request can meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ceiling {
    /// Of any kind of input token.
    pub input: Price,
    /// Of any kind of output token.
    pub output: Price,
    /// Of a request, whatever its size.
    pub per_request: Price,
    /// Of a web search.
    pub per_web_search: Price,
    /// Of an image.
    pub per_image: Price,
}

impl ModelPrice {
    /// The dearest prices that a prompt of at most so many tokens can meet: whichever tier it lands in,
    /// whatever of it is written to a cache.
    pub fn ceiling(&self, input_tokens_max: u64) -> Ceiling {
        let reachable = self.tiers.iter().filter(|tier| tier.above_input_tokens < input_tokens_max);
        let all = || std::iter::once(&self.base).chain(reachable.clone().map(|tier| &tier.prices));
        let input = |p: &TokenPrices| {
            let others = [p.cache_read, p.cache_write, p.cache_write_1h, p.audio_input, p.image_input];
            others.into_iter().flatten().fold(p.input, Price::max)
        };
        let output = |p: &TokenPrices| {
            [p.reasoning, p.audio_output, p.image_output].into_iter().flatten().fold(p.output, Price::max)
        };
        Ceiling {
            input: all().map(input).fold(Price::ZERO, Price::max),
            output: all().map(output).fold(Price::ZERO, Price::max),
            per_request: self.per_request,
            per_web_search: self.per_web_search,
            per_image: self.per_image,
        }
    }
}

impl Ceiling {
    /// What so many tokens and searches cost at the most, rounded up.
    pub fn cost(&self, input_tokens: u64, output_tokens: u64, web_searches: u64) -> Money {
        let femto = self.input.times(input_tokens)
            + self.output.times(output_tokens)
            + self.per_web_search.times(web_searches)
            + self.per_request.times(1);
        round_up(femto)
    }

    /// How many output tokens an amount pays for.
    pub fn output_tokens_for(&self, amount: Money) -> u64 {
        self.output.units_for(amount)
    }
}

/// What `usage` costs, rounded half up to nano-dollars, once.
pub fn cost(usage: &Usage, price: &ModelPrice) -> Money {
    let p = price.at(usage.total_input());
    let cache_write = p.cache_write.unwrap_or(p.input);
    let femto = p.input.times(usage.input)
        + p.cache_read.unwrap_or(p.input).times(usage.cache_read)
        + cache_write.times(usage.cache_write)
        + p.cache_write_1h.unwrap_or(cache_write).times(usage.cache_write_1h)
        + p.output.times(usage.output)
        + p.reasoning.unwrap_or(p.output).times(usage.reasoning)
        + p.audio_input.unwrap_or(p.input).times(usage.audio_input)
        + p.audio_output.unwrap_or(p.output).times(usage.audio_output)
        + p.image_input.unwrap_or(p.input).times(usage.image_input)
        + p.image_output.unwrap_or(p.output).times(usage.image_output)
        + price.per_image.times(usage.images)
        + price.per_web_search.times(usage.web_searches)
        + price.per_request.times(1);
    round(femto)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(text: &str) -> Price {
        Price::per_million(text.parse().unwrap())
    }

    fn sonnet() -> ModelPrice {
        ModelPrice {
            base: TokenPrices {
                input: dollars("3"),
                output: dollars("15"),
                cache_read: Some(dollars("0.3")),
                cache_write: Some(dollars("3.75")),
                cache_write_1h: Some(dollars("6")),
                ..TokenPrices::default()
            },
            tiers: vec![PriceTier {
                above_input_tokens: 200_000,
                prices: TokenPrices {
                    input: dollars("6"),
                    output: dollars("22.5"),
                    ..TokenPrices::default()
                },
            }],
            per_web_search: Price::per_unit("0.01".parse().unwrap()),
            ..ModelPrice::default()
        }
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        let usage = Usage {
            input: 1_000,
            cache_read: 10_000,
            cache_write: 2_000,
            cache_write_1h: 1_000,
            output: 500,
            reasoning: 100,
            web_searches: 2,
            ..Usage::ZERO
        };
        // 0.003 + 0.003 + 0.0075 + 0.006 + 0.0075 + 0.0015 + 0.02
        assert_eq!(cost(&usage, &sonnet()).to_string(), "0.0485");
    }

    #[test]
    fn a_prompt_above_the_threshold_pays_the_tier_for_everything() {
        let at = Usage { input: 150_000, cache_read: 50_000, ..Usage::ZERO };
        let above = Usage { input: 150_000, cache_read: 50_001, ..Usage::ZERO };
        assert_eq!(cost(&at, &sonnet()).to_string(), "0.465");
        // The tier names no cache price, so cached input costs as input there.
        assert_eq!(cost(&above, &sonnet()).to_string(), "1.200006");
    }

    #[test]
    fn rounding_happens_once_over_the_sum() {
        let price = ModelPrice {
            base: TokenPrices {
                input: dollars("0.0004"),
                output: dollars("0.0004"),
                ..TokenPrices::default()
            },
            ..ModelPrice::default()
        };
        // 0.4 + 0.4 nano-dollars: rounded apart they would vanish.
        assert_eq!(cost(&Usage { input: 1, output: 1, ..Usage::ZERO }, &price), Money::from_nano(1));
    }

    #[test]
    fn the_ceiling_is_never_below_what_a_request_costs() {
        let price = sonnet();
        for (input, output) in [(1_000, 0), (199_999, 10), (200_001, 1_000), (1, 1)] {
            let ceiling = price.ceiling(input);
            let kinds = [
                Usage { input, output, ..Usage::ZERO },
                Usage { cache_write_1h: input, reasoning: output, ..Usage::ZERO },
                Usage { cache_read: input, output, ..Usage::ZERO },
                Usage { cache_write: input, output, ..Usage::ZERO },
            ];
            for usage in kinds {
                assert!(cost(&usage, &price) <= ceiling.cost(input, output, 0), "{usage:?}");
            }
        }
        // A short prompt cannot land in the long one's tier.
        assert_eq!(price.ceiling(1_000).output, dollars("15"));
    }

    #[test]
    fn an_amount_pays_for_no_more_tokens_than_it_covers() {
        let ceiling = sonnet().ceiling(10);
        for nano in [0, 1, 14_999, 15_000, 15_001, 1_000_000_007] {
            let tokens = ceiling.output_tokens_for(Money::from_nano(nano));
            assert!(ceiling.cost(0, tokens, 0) <= Money::from_nano(nano));
            assert!(ceiling.cost(0, tokens + 1, 0) > Money::from_nano(nano));
        }
    }

    #[test]
    fn absurd_token_counts_saturate() {
        let usage = Usage { output: u64::MAX, ..Usage::ZERO };
        assert_eq!(cost(&usage, &sonnet()), Money::from_nano(i64::MAX));
    }
}
