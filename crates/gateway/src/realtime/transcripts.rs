//! Speech that is written down beside a conversation: by another model, at its own price, told of in events of its own.

use domain::{AttemptRecord, Model, Money, Terms, Usage};
use llm::realtime::Transcription;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of a second of sound at the least, as they are sent: telephones' 8,000, in base64
/// (`types/realtime/realtime_audio_formats.py` of OpenAI's Python SDK 3.54, read 2026-11-26).
const SOUND_BYTES_PER_SECOND_MIN: u64 = 8_000 * 4 / 3;
/// Tokens of a second of sound, and of what is written down of it, at the most: twice the ten that OpenAI counts.
const TOKENS_PER_SECOND: u64 = 20;
/// Pieces that are followed one by one.
const OPEN_MAX: usize = 256;
/// Tokens around what the model is told with each piece.
const OVERHEAD: u64 = 64;

/// The transcriptions of a session.
#[derive(Debug, Default)]
pub struct Transcripts {
    by: Option<Arc<By>>,
    /// All that do so, or did, at a known price; each once.
    all: Vec<Arc<By>>,
    /// Who has written down the last piece.
    last: Option<Arc<str>>,
    /// All sound that was relayed, as it was sent.
    sound_bytes: u64,
    /// What of it is not taken into the conversation yet.
    loose_bytes: u64,
    /// Pieces that are being written down.
    open: VecDeque<Piece>,
    pieces: u64,
    usage: Usage,
    cost: Money,
    is_guess: bool,
    is_unpriced: bool,
}

/// Speech that is being written down.
#[derive(Debug)]
struct Piece {
    sound_bytes: u64,
    by: Arc<By>,
}

#[derive(Debug)]
struct By {
    name: Arc<str>,
    model: Option<Arc<Model>>,
    terms: Terms,
    prompt_bytes: u64,
}

impl By {
    fn has_price(&self) -> bool {
        self.model.as_ref().is_some_and(|model| model.price.is_some())
    }

    fn cost(&self, usage: &Usage) -> Option<Money> {
        self.model.as_ref()?.price.as_ref()?.cost(usage, self.terms)
    }

    /// What so much sound in so many pieces consumes at the most.
    fn most(&self, sound_bytes: u64, pieces: u64) -> Usage {
        let seconds = sound_bytes / SOUND_BYTES_PER_SECOND_MIN + 1;
        Usage {
            audio_ms: seconds.saturating_mul(1_000),
            audio_input: seconds.saturating_mul(TOKENS_PER_SECOND),
            output: seconds.saturating_mul(TOKENS_PER_SECOND),
            input: pieces.saturating_mul(self.prompt_bytes + OVERHEAD),
            ..Usage::ZERO
        }
    }
}

impl Transcripts {
    /// Speech is written down from now on, or no more. `known`: the model that does. `false`, and nothing changed: at a
    /// price that nobody knows.
    pub fn set(
        &mut self,
        by: Option<&Transcription>,
        known: Option<Arc<Model>>,
        terms: Terms,
        must_have_price: bool,
    ) -> bool {
        let Some(Transcription { model, prompt_bytes }) = by else { return true };
        if must_have_price && known.as_ref().is_none_or(|model| model.price.is_none()) {
            return false;
        }
        // Switched off or changed, it may go on for what was said before: the longest prompt counts.
        let prompt_bytes = self.by.as_ref().map_or(0, |by| by.prompt_bytes).max(*prompt_bytes);
        let by = Arc::new(By { name: model.as_str().into(), model: known, terms, prompt_bytes });
        self.all.retain(|other| other.name != by.name);
        if by.has_price() {
            self.all.push(by.clone());
        }
        self.by = Some(by);
        true
    }

    /// Whether speech is, or was, written down.
    pub fn is_on(&self) -> bool {
        self.by.is_some()
    }

    /// Whether it is known what they cost.
    pub fn have_price(&self) -> bool {
        self.by.iter().chain(self.open.iter().map(|piece| &piece.by)).all(|by| by.has_price())
    }

    /// Sound was relayed.
    pub fn heard(&mut self, bytes: u64) {
        self.sound_bytes = self.sound_bytes.saturating_add(bytes);
        self.loose_bytes = self.loose_bytes.saturating_add(bytes);
    }

    /// So much of it was not, after all.
    pub fn unheard(&mut self, bytes: u64) {
        self.sound_bytes = self.sound_bytes.saturating_sub(bytes);
        self.loose_bytes = self.loose_bytes.saturating_sub(bytes);
    }

    /// Sound was taken into the conversation.
    pub fn committed(&mut self) {
        let sound_bytes = std::mem::take(&mut self.loose_bytes);
        let Some(by) = self.by.clone() else { return };
        self.pieces += 1;
        let is_full = self.open.len() >= OPEN_MAX;
        match self.open.back_mut().filter(|_| is_full) {
            Some(last) => last.sound_bytes = last.sound_bytes.saturating_add(sound_bytes),
            None => self.open.push_back(Piece { sound_bytes, by }),
        }
    }

    /// A piece was written down at this expense; `None`: it failed, or its expense is not told.
    pub fn ended(&mut self, usage: Option<Usage>, has_failed: bool) {
        let by_now = || self.by.clone().map(|by| Piece { sound_bytes: 0, by });
        let Some(Piece { sound_bytes, by }) = self.open.pop_front().or_else(by_now) else { return };
        let usage = match usage {
            Some(usage) => usage,
            None if has_failed => return,
            None => {
                self.is_guess = true;
                by.most(sound_bytes, 1)
            }
        };
        self.last = Some(by.name.clone());
        self.usage = self.usage.plus(usage);
        match by.cost(&usage) {
            Some(cost) => self.cost += cost,
            None => self.is_unpriced = true,
        }
    }

    /// Pieces that are being written down.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// What all of it costs at the most: all sound, in one piece more than there were, by the dearest who writes it down.
    pub fn bound(&self) -> Money {
        let most = |by: &By| by.cost(&by.most(self.sound_bytes, self.pieces + 1));
        self.all.iter().filter_map(|by| most(by)).max().unwrap_or(Money::ZERO).max(self.cost)
    }

    /// Ends it. What is still being written down is taken for what its sound costs at the most.
    pub fn record(mut self, session: &AttemptRecord) -> Option<AttemptRecord> {
        while self.open() > 0 {
            self.ended(None, false);
        }
        let model = self.last.filter(|_| self.usage != Usage::ZERO)?;
        Some(AttemptRecord {
            model,
            usage: self.usage,
            usage_source: match self.is_guess {
                true => domain::UsageSource::HoldAssumed,
                false => domain::UsageSource::ProviderFinal,
            },
            cost: self.cost,
            is_unpriced: self.is_unpriced,
            ..session.clone()
        })
    }
}
