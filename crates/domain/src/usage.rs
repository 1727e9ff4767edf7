//! What one call consumed, in disjoint kinds, and where the figures come from.

use crate::record::UnknownWord;
use std::str::FromStr;

/// Units consumed by a call. Kinds are disjoint: a token is counted in exactly one of them. A protocol
/// that reports "input includes cached" subtracts in its decoder, once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Input tokens at the full price.
    pub input: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the provider's prompt cache (its default lifetime).
    pub cache_write: u64,
    /// Input tokens written to the prompt cache with a lifetime of one hour.
    pub cache_write_1h: u64,
    /// Output tokens without reasoning and audio.
    pub output: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// Audio tokens in the input.
    pub audio_input: u64,
    /// Audio tokens in the output.
    pub audio_output: u64,
    /// Image tokens in the input, where a provider counts them apart.
    pub image_input: u64,
    /// Image tokens in the output, where a provider counts them apart.
    pub image_output: u64,
    /// Images made, where they are sold by the piece.
    pub images: u64,
    /// Web searches the provider ran.
    pub web_searches: u64,
    /// Searches through documents (rerankers), where they are sold by the piece.
    pub queries: u64,
    /// Letters to be spoken, where they are sold by their number.
    pub characters: u64,
    /// Milliseconds of sound in the input, where sound is sold by its length.
    pub audio_ms: u64,
    /// Audio tokens in the input that were read from the provider's prompt cache, where they are counted apart.
    pub audio_cache_read: u64,
    /// The same of image tokens.
    pub image_cache_read: u64,
}

impl Usage {
    /// All kinds, in the order of the fields.
    pub const fn to_array(self) -> [u64; 17] {
        [
            self.input,
            self.cache_read,
            self.cache_write,
            self.cache_write_1h,
            self.output,
            self.reasoning,
            self.audio_input,
            self.audio_output,
            self.image_input,
            self.image_output,
            self.images,
            self.web_searches,
            self.queries,
            self.characters,
            self.audio_ms,
            self.audio_cache_read,
            self.image_cache_read,
        ]
    }

    /// The usage of these figures, in the order of the fields.
    pub const fn from_array(kinds: [u64; 17]) -> Self {
        let [input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_input, ..] = kinds;
        let [
            ..,
            audio_output,
            image_input,
            image_output,
            images,
            web_searches,
            queries,
            characters,
            audio_ms,
            audio_cache_read,
            image_cache_read,
        ] = kinds;
        Self {
            input,
            cache_read,
            cache_write,
            cache_write_1h,
            output,
            reasoning,
            audio_input,
            audio_output,
            image_input,
            image_output,
            images,
            web_searches,
            queries,
            characters,
            audio_ms,
            audio_cache_read,
            image_cache_read,
        }
    }

    /// Nothing consumed.
    pub const ZERO: Usage = Usage {
        input: 0,
        cache_read: 0,
        cache_write: 0,
        cache_write_1h: 0,
        output: 0,
        reasoning: 0,
        audio_input: 0,
        audio_output: 0,
        image_input: 0,
        image_output: 0,
        images: 0,
        web_searches: 0,
        queries: 0,
        characters: 0,
        audio_ms: 0,
        audio_cache_read: 0,
        image_cache_read: 0,
    };

    /// All tokens of the prompt, cached or not. This is what price tiers look at.
    pub const fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.audio_input)
            .saturating_add(self.image_input)
            .saturating_add(self.audio_cache_read)
            .saturating_add(self.image_cache_read)
    }

    /// All tokens of the answer, reasoning included.
    pub const fn total_output(&self) -> u64 {
        self.output
            .saturating_add(self.reasoning)
            .saturating_add(self.audio_output)
            .saturating_add(self.image_output)
    }

    /// The sum of each kind.
    pub fn plus(self, other: Usage) -> Usage {
        self.combine(other, u64::saturating_add)
    }

    /// The larger figure of each kind: providers report a stream's usage in steps that only grow.
    pub fn merge(self, later: Usage) -> Usage {
        self.combine(later, u64::max)
    }

    fn combine(self, other: Usage, of: fn(u64, u64) -> u64) -> Usage {
        Usage {
            input: of(self.input, other.input),
            cache_read: of(self.cache_read, other.cache_read),
            cache_write: of(self.cache_write, other.cache_write),
            cache_write_1h: of(self.cache_write_1h, other.cache_write_1h),
            output: of(self.output, other.output),
            reasoning: of(self.reasoning, other.reasoning),
            audio_input: of(self.audio_input, other.audio_input),
            audio_output: of(self.audio_output, other.audio_output),
            image_input: of(self.image_input, other.image_input),
            image_output: of(self.image_output, other.image_output),
            images: of(self.images, other.images),
            web_searches: of(self.web_searches, other.web_searches),
            queries: of(self.queries, other.queries),
            characters: of(self.characters, other.characters),
            audio_ms: of(self.audio_ms, other.audio_ms),
            audio_cache_read: of(self.audio_cache_read, other.audio_cache_read),
            image_cache_read: of(self.image_cache_read, other.image_cache_read),
        }
    }
}

impl FromStr for UsageSource {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = UsageSource::ALL.into_iter().find(|source| source.as_str() == text);
        found.ok_or_else(|| UnknownWord(text.to_owned()))
    }
}

/// Who says what a call consumed. Stands on every record.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub enum UsageSource {
    /// Nothing was sent to a provider, or nothing is billed.
    #[default]
    None,
    /// The provider's own final figure.
    ProviderFinal,
    /// A provider's figure from the middle of a stream that did not end.
    ProviderPartial,
    /// Counted here from what was sent and received.
    Estimate,
    /// Nobody knows: what was held for it is taken for spent, since it may have been.
    HoldAssumed,
}

impl UsageSource {
    /// All of them.
    pub const ALL: [UsageSource; 5] = [
        UsageSource::None,
        UsageSource::ProviderFinal,
        UsageSource::ProviderPartial,
        UsageSource::Estimate,
        UsageSource::HoldAssumed,
    ];

    /// The word used in storage and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            UsageSource::None => "none",
            UsageSource::ProviderFinal => "provider_final",
            UsageSource::ProviderPartial => "provider_partial",
            UsageSource::Estimate => "estimate",
            UsageSource::HoldAssumed => "hold_assumed",
        }
    }
}
