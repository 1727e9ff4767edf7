//! What a call costs: usage times price, rounded once.

use crate::money::{Factor, Money, Price, round, round_up};
use crate::terms::{Demand, RegionDemand, Terms, Tier, TierDemand, Unpriced};
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
    /// Audio tokens read from cache; without a price of their own they cost as audio tokens in.
    pub audio_cache_read: Option<Price>,
    /// Image tokens read from cache; without a price of their own they cost as image tokens in.
    pub image_cache_read: Option<Price>,
}

/// Prices that apply to the whole request once its prompt is longer than a threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceTier {
    /// The tier applies to prompts of more tokens than this.
    pub above_input_tokens: u64,
    /// The prices within the tier.
    pub prices: TokenPrices,
}

/// Prices of one tier of service.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// Prices below the first tier of lengths.
    pub base: TokenPrices,
    /// Tiers of lengths by rising threshold.
    pub tiers: Vec<PriceTier>,
}

impl Schedule {
    /// The prices of a tier of service that is listed with prices for short prompts and perhaps without some
    /// kinds. What is missing keeps the proportion that it has in `model`, rounded up.
    pub fn like(model: &ModelPrice, listed: TokenPrices) -> Self {
        let base = model.base.completing(listed);
        let in_tier =
            |tier: &PriceTier| PriceTier { prices: tier.prices.scaled(&base, &model.base), ..*tier };
        Self { base, tiers: model.tiers.iter().map(in_tier).collect() }
    }
}

/// Prices on other terms than the ordinary ones.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SpecialPrices {
    /// Of the cheaper and slower tier.
    pub flex: Option<Schedule>,
    /// Of the dearer and faster tier.
    pub priority: Option<Schedule>,
    /// On all token prices, where the model runs in one region only.
    pub regional: Option<Factor>,
    /// On all token prices, where the model runs in its faster way.
    pub fast: Option<Factor>,
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
    /// One search through documents.
    pub per_query: Price,
    /// One letter to be spoken.
    pub per_character: Price,
    /// One millisecond of sound in the input.
    pub per_audio_ms: Price,
    /// One token that is kept in a cache for an hour, where its rent is paid for.
    pub per_kept_token_hour: Price,
    /// Prices on other terms; most models have none.
    pub special: Option<Box<SpecialPrices>>,
}

/// Prices for short prompts, and by rising threshold those for long ones.
type Ladder<'a> = (&'a TokenPrices, &'a [PriceTier]);

impl ModelPrice {
    /// The price of the same model where it is listed at these prices. What is not listed keeps its proportion, rounded
    /// up; what is sold by the piece costs the same.
    pub fn relisted(&self, listed: TokenPrices) -> Self {
        let Schedule { base, tiers } = Schedule::like(self, listed);
        let in_proportion = |schedule: &Schedule| {
            let in_tier =
                |tier: &PriceTier| PriceTier { prices: tier.prices.scaled(&base, &self.base), ..*tier };
            Schedule {
                base: schedule.base.scaled(&base, &self.base),
                tiers: schedule.tiers.iter().map(in_tier).collect(),
            }
        };
        let special = self.special.as_deref().map(|special| {
            let (flex, priority) = (special.flex.as_ref(), special.priority.as_ref());
            Box::new(SpecialPrices {
                flex: flex.map(in_proportion),
                priority: priority.map(in_proportion),
                ..special.clone()
            })
        });
        Self { base, tiers, special, ..self.clone() }
    }

    /// The prices of a tier of service. `None`: unknown.
    fn ladder(&self, tier: Tier) -> Option<Ladder<'_>> {
        let special = self.special.as_deref();
        let schedule = match tier {
            Tier::Standard => return Some((&self.base, &self.tiers)),
            Tier::Flex => special.and_then(|special| special.flex.as_ref()),
            Tier::Priority => special.and_then(|special| special.priority.as_ref()),
            Tier::Unknown => None,
        };
        schedule.map(|schedule| (&schedule.base, &schedule.tiers[..]))
    }

    fn fast(&self) -> Option<Factor> {
        self.special.as_deref().and_then(|special| special.fast)
    }

    fn regional(&self) -> Option<Factor> {
        self.special.as_deref().and_then(|special| special.regional)
    }

    /// The prices of a prompt of this many tokens on these terms, and the factor on them. `None`: unknown.
    fn on(&self, terms: Terms, input_tokens: u64) -> Option<(&TokenPrices, Factor)> {
        let (base, tiers) = self.ladder(terms.tier)?;
        let reached = tiers.iter().rev().find(|tier| input_tokens > tier.above_input_tokens);
        let fast = if terms.is_fast { self.fast()? } else { Factor::ONE };
        // Models that are not listed with a price of their region cost the same everywhere.
        let regional = self.regional().filter(|_| terms.is_regional).unwrap_or(Factor::ONE);
        Some((reached.map_or(base, |tier| &tier.prices), fast.and(regional)))
    }
}

impl TokenPrices {
    fn dearest_input(&self) -> Price {
        let others = [
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.audio_input,
            self.image_input,
            self.audio_cache_read,
            self.image_cache_read,
        ];
        others.into_iter().flatten().fold(self.input, Price::max)
    }

    fn dearest_output(&self) -> Price {
        let others = [self.reasoning, self.audio_output, self.image_output];
        others.into_iter().flatten().fold(self.output, Price::max)
    }

    /// `listed`, and for the kinds that it lacks what they cost here, in proportion.
    fn completing(&self, listed: TokenPrices) -> TokenPrices {
        let input = |own: Option<Price>, here: Option<Price>| {
            own.or(here.map(|price| price.in_proportion(listed.input, self.input)))
        };
        let output = |own: Option<Price>, here: Option<Price>| {
            own.or(here.map(|price| price.in_proportion(listed.output, self.output)))
        };
        TokenPrices {
            input: listed.input,
            output: listed.output,
            cache_read: input(listed.cache_read, self.cache_read),
            cache_write: input(listed.cache_write, self.cache_write),
            cache_write_1h: input(listed.cache_write_1h, self.cache_write_1h),
            reasoning: output(listed.reasoning, self.reasoning),
            audio_input: input(listed.audio_input, self.audio_input),
            audio_output: output(listed.audio_output, self.audio_output),
            image_input: input(listed.image_input, self.image_input),
            image_output: output(listed.image_output, self.image_output),
            audio_cache_read: input(listed.audio_cache_read, self.audio_cache_read),
            image_cache_read: input(listed.image_cache_read, self.image_cache_read),
        }
    }

    /// These prices, in the proportion of two other lists.
    fn scaled(&self, of: &TokenPrices, to: &TokenPrices) -> TokenPrices {
        let input = self.input.in_proportion(of.input, to.input);
        let output = self.output.in_proportion(of.output, to.output);
        self.completing(TokenPrices { input, output, ..TokenPrices::default() })
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
    /// The dearest prices that a prompt of at most so many tokens can meet: whichever tier it lands in, by its
    /// length or by what its request asks for, whatever of it is written to a cache.
    pub fn ceiling(&self, input_tokens_max: u64, demand: Demand) -> Result<Ceiling, Unpriced> {
        let other = match demand.tier {
            TierDemand::Standard => None,
            TierDemand::Any => self.ladder(Tier::Priority),
            TierDemand::Named(tier) => Some(self.ladder(tier).ok_or(Unpriced::Tier)?),
        };
        let fast = if demand.is_fast { self.fast().ok_or(Unpriced::Speed)? } else { Factor::ONE };
        let regional = match demand.region {
            RegionDemand::Anywhere => None,
            RegionDemand::Perhaps => self.regional(),
            RegionDemand::Named => Some(self.regional().ok_or(Unpriced::Region)?),
        };
        // A provider may serve on ordinary terms what was asked for on others.
        let factor = fast.max(Factor::ONE).and(regional.unwrap_or(Factor::ONE).max(Factor::ONE));
        let (mut input, mut output) = (Price::ZERO, Price::ZERO);
        for (base, tiers) in [Some((&self.base, &self.tiers[..])), other].into_iter().flatten() {
            let reachable = tiers.iter().filter(|tier| tier.above_input_tokens < input_tokens_max);
            for prices in std::iter::once(base).chain(reachable.map(|tier| &tier.prices)) {
                input = input.max(prices.dearest_input());
                output = output.max(prices.dearest_output());
            }
        }
        Ok(Ceiling {
            input: factor.raise(input),
            output: factor.raise(output),
            per_request: self.per_request,
            per_web_search: self.per_web_search,
            per_image: self.per_image,
        })
    }

    /// The rent of so many tokens in a cache for so many minutes, rounded up.
    pub fn rent(&self, tokens: u64, minutes: u32) -> Money {
        let hours = self.per_kept_token_hour.times(tokens).saturating_mul(i128::from(minutes));
        round_up((hours + 59) / 60)
    }

    /// What `usage` costs on these terms, rounded half up to nano-dollars, once. `None`: nobody knows.
    pub fn cost(&self, usage: &Usage, terms: Terms) -> Option<Money> {
        let (p, factor) = self.on(terms, usage.total_input())?;
        let cache_write = p.cache_write.unwrap_or(p.input);
        let (audio_input, image_input) = (p.audio_input.unwrap_or(p.input), p.image_input.unwrap_or(p.input));
        let tokens = p.input.times(usage.input)
            + p.cache_read.unwrap_or(p.input).times(usage.cache_read)
            + cache_write.times(usage.cache_write)
            + p.cache_write_1h.unwrap_or(cache_write).times(usage.cache_write_1h)
            + p.output.times(usage.output)
            + p.reasoning.unwrap_or(p.output).times(usage.reasoning)
            + audio_input.times(usage.audio_input)
            + p.audio_cache_read.unwrap_or(audio_input).times(usage.audio_cache_read)
            + p.audio_output.unwrap_or(p.output).times(usage.audio_output)
            + image_input.times(usage.image_input)
            + p.image_cache_read.unwrap_or(image_input).times(usage.image_cache_read)
            + p.image_output.unwrap_or(p.output).times(usage.image_output);
        let rest = self.per_image.times(usage.images)
            + self.per_web_search.times(usage.web_searches)
            + self.per_query.times(usage.queries)
            + self.per_character.times(usage.characters)
            + self.per_audio_ms.times(usage.audio_ms)
            + self.per_request.times(1);
        Some(round(factor, tokens, rest))
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

/// What `usage` costs on ordinary terms, rounded half up to nano-dollars, once.
pub fn cost(usage: &Usage, price: &ModelPrice) -> Money {
    // Ordinary terms always have a price.
    price.cost(usage, Terms::default()).unwrap_or(Money::ZERO)
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
            let ceiling = price.ceiling(input, Demand::default()).unwrap();
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
        assert_eq!(price.ceiling(1_000, Demand::default()).unwrap().output, dollars("15"));
    }

    #[test]
    fn an_amount_pays_for_no_more_tokens_than_it_covers() {
        let ceiling = sonnet().ceiling(10, Demand::default()).unwrap();
        for nano in [0, 1, 14_999, 15_000, 15_001, 1_000_000_007] {
            let tokens = ceiling.output_tokens_for(Money::from_nano(nano));
            assert!(ceiling.cost(0, tokens, 0) <= Money::from_nano(nano));
            assert!(ceiling.cost(0, tokens + 1, 0) > Money::from_nano(nano));
        }
    }

    fn with_tiers() -> ModelPrice {
        let listed = |input, output| TokenPrices {
            input: dollars(input),
            output: dollars(output),
            ..TokenPrices::default()
        };
        let price = sonnet();
        let special = SpecialPrices {
            flex: Some(Schedule::like(&price, listed("1.5", "7.5"))),
            priority: Some(Schedule::like(&price, listed("6", "30"))),
            regional: Some(Factor::from_amount("1.1".parse().unwrap())),
            fast: Some(Factor::from_amount("2".parse().unwrap())),
        };
        ModelPrice { special: Some(Box::new(special)), ..price }
    }

    fn on(tier: Tier) -> Demand {
        Demand { tier: TierDemand::Named(tier), ..Demand::default() }
    }

    #[test]
    fn kinds_and_lengths_that_a_tier_does_not_list_keep_their_proportion() {
        let price = with_tiers();
        let priority = price.special.as_ref().unwrap().priority.as_ref().unwrap();
        assert_eq!(priority.base.cache_write_1h, Some(dollars("12")));
        assert_eq!(priority.tiers[0].prices.input, dollars("12"));
        assert_eq!(priority.tiers[0].prices.output, dollars("45"));
    }

    #[test]
    fn a_call_costs_what_the_terms_say_that_it_was_served_on() {
        let (price, usage) =
            (with_tiers(), Usage { input: 1_000, output: 100, web_searches: 1, ..Usage::ZERO });
        let cost = |tier, is_fast, is_regional| price.cost(&usage, Terms { tier, is_fast, is_regional });
        let dollars = |text: &str| Some(text.parse::<Money>().unwrap());
        assert_eq!(cost(Tier::Standard, false, false), dollars("0.0145"));
        assert_eq!(cost(Tier::Priority, false, false), dollars("0.019"));
        assert_eq!(cost(Tier::Flex, false, false), dollars("0.01225"));
        assert_eq!(cost(Tier::Unknown, false, false), None);
        // Factors are on tokens, not on the search.
        assert_eq!(cost(Tier::Standard, true, false), dollars("0.019"));
        assert_eq!(cost(Tier::Standard, true, true), dollars("0.0199"));
        assert_eq!(sonnet().cost(&usage, Terms { is_fast: true, ..Terms::default() }), None);
        let regional = Terms { is_regional: true, ..Terms::default() };
        assert_eq!(sonnet().cost(&usage, regional), dollars("0.0145"));
    }

    #[test]
    fn the_ceiling_covers_every_tier_that_a_request_may_be_served_in() {
        let price = with_tiers();
        let input = |demand| price.ceiling(1_000, demand).map(|ceiling| ceiling.input);
        // The dearest input is written to a cache for an hour.
        assert_eq!(input(Demand::default()), Ok(dollars("6")));
        assert_eq!(input(on(Tier::Flex)), Ok(dollars("6")));
        assert_eq!(input(on(Tier::Priority)), Ok(dollars("12")));
        assert_eq!(input(Demand { tier: TierDemand::Any, ..Demand::default() }), Ok(dollars("12")));
        let all = Demand { is_fast: true, region: RegionDemand::Named, ..on(Tier::Priority) };
        assert_eq!(input(all), Ok(dollars("26.4")));
        assert_eq!(input(Demand { region: RegionDemand::Perhaps, ..Demand::default() }), Ok(dollars("6.6")));
    }

    #[test]
    fn terms_without_a_known_price_have_no_ceiling() {
        let price = sonnet();
        let why = |demand| price.ceiling(1_000, demand).map(|_| ()).unwrap_err();
        assert_eq!(why(on(Tier::Priority)), Unpriced::Tier);
        assert_eq!(with_tiers().ceiling(1, on(Tier::Unknown)), Err(Unpriced::Tier));
        assert_eq!(why(Demand { is_fast: true, ..Demand::default() }), Unpriced::Speed);
        assert_eq!(why(Demand { region: RegionDemand::Named, ..Demand::default() }), Unpriced::Region);
        for open in [
            Demand { tier: TierDemand::Any, ..Demand::default() },
            Demand { region: RegionDemand::Perhaps, ..Demand::default() },
        ] {
            assert_eq!(price.ceiling(1, open), price.ceiling(1, Demand::default()));
        }
    }

    #[test]
    fn absurd_token_counts_saturate() {
        let usage = Usage { output: u64::MAX, ..Usage::ZERO };
        assert_eq!(cost(&usage, &sonnet()), Money::from_nano(i64::MAX));
    }
}
