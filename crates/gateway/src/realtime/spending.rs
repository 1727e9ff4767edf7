//! What a session has cost, and what it may cost before we can end it. Decides, and does nothing.
//!
//! Every answer reads the whole conversation, so its price is bounded by the conversation's length (and the model's
//! window) and by the longest answer. Held is what was metered, that bound for each answer that is under way, and for
//! those that the model may begin by itself before we know of the first. See ADR 0016.

mod callers;
mod turns;

use super::pace::PIECE_SECONDS_MAX;
use super::transcripts::Transcripts;
use crate::inference::bound::OUTPUT_MIN;
use crate::providers::{Target, Tariff};
use crate::refusal::Refusal;
use domain::{
    Account, AttemptRecord, Ceiling, Demand, Model, Money, RegionDemand, Terms, Told, Usage, UsageSource,
};
use llm::realtime::{AnswerLimit, SessionChange};
use memchr::memmem::Finder;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

/// Answers of one session that may be under way at once.
const ANSWERS_MAX: usize = 16;
/// The same of what a provider says to have begun.
const RUNNING_MAX: usize = 64;
/// Changes of one session that its provider has not confirmed.
const CHANGES_MAX: usize = 64;
/// Of what a caller calls an event.
const EVENT_ID_BYTES_MAX: usize = 512;
/// Tokens of a prompt that we do not see: what a model is told where its caller tells it nothing.
const OVERHEAD: u64 = 2_048;
/// Bytes of sound, as they are sent, that are a token: half of the least that OpenAI takes for one.
const SOUND_BYTES_PER_TOKEN: u64 = 512;
/// Bytes of sound that are a second where nobody says otherwise: 24,000 samples of two bytes, in base64.
const SOUND_BYTES_PER_SECOND: u64 = 64_000;
/// Tokens of an answer whose length nobody bounds; only where no hard limit applies.
const ASSUMED_ANSWER: u64 = 4_096;
/// Tokens by which the conversation grows between two reservations.
const STEP: u64 = 1_024;

/// How an event tells that it brings more into the conversation than its own bytes: pictures, files, what a provider
/// keeps or fetches. An escaped letter may hide any of them.
static HINTS: LazyLock<[Finder<'static>; 5]> =
    LazyLock::new(|| ["image", "\"mcp", "\"prompt\"", "file", "\\u00"].map(Finder::new));

/// What is known of the model's prices and lengths.
#[derive(Debug)]
struct Bounds {
    ceiling: Ceiling,
    window: Option<u64>,
    longest: Option<u64>,
}

/// An answer that was asked for and has not begun.
#[derive(Debug)]
struct Asked {
    /// What we call the event that asked for it.
    ours: String,
    /// What its caller calls it.
    theirs: Option<String>,
    limit: u64,
    /// Something has failed since that names no event: it may be this one. Held until another answer begins, and not
    /// charged when none does.
    is_doubtful: bool,
}

/// A change of the session that was asked for.
#[derive(Debug)]
struct Change {
    /// What we call the event that asked for it.
    ours: String,
    /// What its caller calls it.
    theirs: Option<String>,
    /// Bytes of base64 that are a second of sound, where it says so.
    sound_bytes_per_second: Option<u64>,
    /// Milliseconds of the silence that ends a turn, where it says so.
    silence_millis: Option<u64>,
}

/// An answer that is being made.
#[derive(Debug)]
struct Running {
    id: String,
    limit: u64,
}

/// What a session spends.
#[derive(Debug)]
pub struct Spending {
    target: Target,
    requested: String,
    terms: Terms,
    tariff: Tariff,
    bounds: Option<Bounds>,
    is_limited: bool,
    /// Who pays, at which prices.
    account: Option<Arc<Account>>,
    /// Tokens of the longest answer, unless an event says otherwise.
    limit: u64,
    /// Tokens of the conversation that are not sound.
    text: u64,
    sound_bytes: u64,
    /// The longest piece of sound that was taken under a hard limit.
    longest_piece_millis: u64,
    /// Something is in it whose length nobody here knows.
    is_open: bool,
    answers_by_itself: bool,
    answers_silence: bool,
    has_tools_of_provider: bool,
    /// Changes of the session that the provider has not confirmed.
    changes: VecDeque<Change>,
    /// What the provider has confirmed last.
    confirmed: SessionChange,
    asked: VecDeque<Asked>,
    running: Vec<Running>,
    transcripts: Transcripts,
    usage: Usage,
    cost: Money,
    is_guess: bool,
    is_unpriced: bool,
}

/// What is to be done with a caller's event beside relaying it.
#[derive(Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing.
    None,
    /// It gets this id, so that an error that it causes is known to be its own.
    Id(String),
    /// That too, and the session's model gets the provider's name for it.
    IdAndModel(String),
}

/// How much of the conversation is counted.
#[derive(Clone, Copy, Debug)]
pub struct Conversation {
    text: u64,
    sound_bytes: u64,
    is_open: bool,
}

impl Spending {
    /// Begins. Refuses where a hard limit applies and nothing bounds what an answer costs.
    pub fn new(target: &Target, requested: &str, is_limited: bool) -> Result<Self, Refusal> {
        let model = target.model.as_ref();
        let terms = Terms { is_regional: target.is_regional, ..Terms::default() };
        let region = if target.is_regional { RegionDemand::Perhaps } else { RegionDemand::Anywhere };
        let window = model.map(|model| model.context_window).filter(|tokens| *tokens > 0);
        let longest = model.map(|model| model.max_output_tokens).filter(|tokens| *tokens > 0).or(window);
        let demand = Demand { region, ..Demand::default() };
        let price = model.and_then(|model| model.price.as_ref());
        let ceiling = price.and_then(|price| price.ceiling(window.unwrap_or(u64::MAX), demand).ok());
        let mut spending = Self {
            requested: requested.to_owned(),
            terms,
            tariff: target.tariff(terms),
            target: target.clone(),
            is_unpriced: ceiling.is_none(),
            bounds: ceiling.map(|ceiling| Bounds { ceiling, window, longest }),
            is_limited: false,
            account: None,
            limit: 0,
            text: OVERHEAD,
            sound_bytes: 0,
            longest_piece_millis: 0,
            is_open: false,
            // What a session is that nobody has configured.
            answers_by_itself: true,
            answers_silence: false,
            has_tools_of_provider: false,
            changes: VecDeque::new(),
            confirmed: SessionChange::default(),
            asked: VecDeque::new(),
            running: Vec::new(),
            transcripts: Transcripts::default(),
            usage: Usage::ZERO,
            cost: Money::ZERO,
            is_guess: false,
        };
        spending.limit = spending.tokens(AnswerLimit::Unlimited);
        spending.set_limited(is_limited)?;
        Ok(spending)
    }

    /// Whether a hard limit applies; that may change while the session runs. Refuses where one does, and nothing bounds
    /// what was configured before.
    pub fn set_limited(&mut self, is_limited: bool) -> Result<(), Refusal> {
        self.is_limited = is_limited;
        if !is_limited {
            return Ok(());
        }
        let (requested, rest) = (&self.requested, "and a spending limit applies to this key");
        let Some(bounds) = &self.bounds else {
            return Err(Refusal::Unbounded(format!("the model `{requested}` has no known price, {rest}")));
        };
        if bounds.window.is_none() || self.target.provider.ignores_output_limit {
            return Err(Refusal::Unbounded(format!(
                "nothing bounds the answers of the model `{requested}`, {rest}: give it `context_window` and \
                 `max_output_tokens` in the settings"
            )));
        }
        if !self.transcripts.have_price() {
            return Err(Refusal::Unbounded(format!("the transcription model has no known price, {rest}")));
        }
        self.set_tools(self.has_tools_of_provider)
    }

    /// The same at the prices of an account.
    pub fn for_account(mut self, account: Arc<Account>) -> Self {
        self.account = Some(account);
        self
    }

    /// No price is known.
    pub fn is_unpriced(&self) -> bool {
        self.is_unpriced
    }

    /// A session that cannot afford this much is of no use: a short answer to a short prompt.
    pub fn least(&self) -> Money {
        let cost = |bounds: &Bounds| bounds.ceiling.cost(OVERHEAD, OUTPUT_MIN.min(self.limit), 0);
        self.bounds.as_ref().map_or(Money::ZERO, cost)
    }

    fn tokens(&self, limit: AnswerLimit) -> u64 {
        let longest = self.bounds.as_ref().and_then(|bounds| bounds.longest);
        match limit {
            AnswerLimit::Tokens(tokens) => tokens.min(longest.unwrap_or(u32::MAX.into())),
            AnswerLimit::Unlimited => longest.unwrap_or(ASSUMED_ANSWER),
        }
    }

    /// The provider told how the session is configured. Refuses tools that it runs, where a hard limit applies: a prompt
    /// that it keeps may bring them.
    pub fn configured(&mut self, now: &SessionChange, is_new: bool, bytes: u64) -> Result<(), Refusal> {
        if is_new {
            self.text = self.text.saturating_add(bytes);
        } else {
            self.changes.pop_front();
        }
        self.confirmed = now.clone();
        self.settle();
        if !self.transcripts.is_on() {
            self.transcribe();
        }
        self.set_tools(now.has_tools_of_provider)
    }

    /// Where no change is on its way, what was confirmed counts.
    fn settle(&mut self) {
        if !self.changes.is_empty() {
            return;
        }
        let now = &self.confirmed;
        let limit = self.tokens(now.answer_limit.unwrap_or(AnswerLimit::Unlimited));
        let answers_by_itself = now.answers_by_itself.unwrap_or(true);
        let answers_silence = now.answers_silence.unwrap_or(false);
        self.limit = limit;
        self.answers_by_itself = answers_by_itself;
        self.answers_silence = answers_silence;
        self.transcribe();
    }

    /// Speech is written down as was confirmed. What a provider sets by itself cannot be refused any more.
    fn transcribe(&mut self) {
        if let Some(by) = self.confirmed.transcription.clone().flatten() {
            let model = self.transcriber(&by.model);
            self.transcripts.set(Some(&by), model, self.terms, false);
        }
    }

    /// A model that writes speech down, as its account pays for it.
    fn transcriber(&self, name: &str) -> Option<Arc<Model>> {
        let model = self.target.provider.catalog.find(name)?.clone();
        let full_name = format!("{}/{}", self.target.provider.name, model.id);
        let priced = self.account.as_ref().and_then(|account| account.priced(&full_name, &model));
        Some(priced.map_or(model, Arc::new))
    }

    /// An answer has begun.
    pub fn started(&mut self, id: String) -> Result<(), Refusal> {
        if self.running.len() >= RUNNING_MAX {
            let message = "more answers have begun than can be under way at once";
            return Err(Refusal::InvalidResponse(message.to_owned()));
        }
        let asked = self.begun().map(|asked| asked.limit);
        // It may be another one than the one asked for.
        let other = if self.begins_by_itself() { self.limit } else { 0 };
        self.running.push(Running { id, limit: asked.map_or(self.limit, |limit| limit.max(other)) });
        Ok(())
    }

    /// The answer that was asked for and begins: the first of which nothing says that it failed.
    fn begun(&mut self) -> Option<Asked> {
        let first = self.asked.iter().position(|asked| !asked.is_doubtful);
        self.asked.drain(..first.unwrap_or(0));
        self.asked.pop_front()
    }

    /// Something has failed, and nothing says what: an answer that was asked for may never begin.
    pub fn doubt(&mut self) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| !asked.is_doubtful) {
            asked.is_doubtful = true;
        }
    }

    /// An answer has ended.
    pub fn done(&mut self, id: &str, usage: Option<Usage>, has_failed: bool) {
        let named = self.running.iter().position(|running| running.id == id);
        // An id that never began is one that was told otherwise: the oldest answer has ended.
        let limit = match named.or((!self.running.is_empty()).then_some(0)) {
            Some(at) => self.running.remove(at).limit,
            None => self.asked.pop_front().map_or(self.limit, |asked| asked.limit),
        };
        let Some(usage) = usage else {
            if !has_failed {
                self.assume(limit, self.limits().sum());
            }
            return;
        };
        self.usage = self.usage.plus(usage);
        self.text = self.text.saturating_add(usage.total_output());
        match self.tariff.cost(&usage, Told::default()) {
            Some(cost) => self.cost += cost,
            None => self.is_unpriced = true,
        }
    }

    /// Nobody tells what an answer has consumed: it is taken for the dearest there is.
    fn assume(&mut self, limit: u64, before: u64) {
        self.is_guess = true;
        self.cost += self.answer(limit, before);
    }

    /// An event of the caller's has failed. If it is one that had asked for an answer or a change: what its caller calls
    /// it.
    pub fn failed(&mut self, event_id: &str) -> Option<Option<String>> {
        if let Some(at) = self.asked.iter().position(|asked| asked.ours == event_id) {
            return self.asked.remove(at).map(|asked| asked.theirs);
        }
        let at = self.changes.iter().position(|change| change.ours == event_id)?;
        let change = self.changes.remove(at)?;
        self.settle();
        Some(change.theirs)
    }

    /// How much of the conversation is counted, to go back to it.
    pub fn conversation(&self) -> Conversation {
        Conversation { text: self.text, sound_bytes: self.sound_bytes, is_open: self.is_open }
    }

    /// Takes back what was counted since, and was not relayed.
    pub fn take_back(&mut self, before: Conversation) {
        let Conversation { text, sound_bytes, is_open } = before;
        self.transcripts.unheard(self.sound_bytes.saturating_sub(sound_bytes));
        (self.text, self.sound_bytes, self.is_open) = (text, sound_bytes, is_open);
    }

    /// Speech was taken into the conversation.
    pub fn committed(&mut self) {
        self.transcripts.committed();
    }

    /// Speech was written down, or could not be.
    pub fn transcribed(&mut self, usage: Option<Usage>, has_failed: bool) {
        self.transcripts.ended(usage, has_failed);
    }

    /// Answers that are under way.
    pub fn under_way(&self) -> usize {
        self.asked.len() + self.running.len()
    }

    /// Whether anything is under way that will be billed.
    pub fn is_idle(&self) -> bool {
        self.under_way() == 0 && self.transcripts.open() == 0
    }

    /// The ids of the answers that are being made.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.running.iter().map(|running| running.id.as_str())
    }

    /// Tokens answered so far.
    pub fn output_tokens(&self) -> u64 {
        self.usage.total_output()
    }

    /// What an answer of so many tokens costs at the most. What is being answered elsewhere, `before` tokens, may be a
    /// part of its prompt.
    fn answer(&self, limit: u64, before: u64) -> Money {
        let Some(bounds) = &self.bounds else { return Money::ZERO };
        let counted =
            self.text.saturating_add(self.sound_bytes / SOUND_BYTES_PER_TOKEN).saturating_add(before);
        let prompt = match bounds.window {
            Some(window) if self.is_open => window,
            Some(window) => counted.min(window),
            None => counted,
        };
        bounds.ceiling.cost(prompt, limit, 0)
    }

    fn limits(&self) -> impl Iterator<Item = u64> {
        self.asked.iter().map(|asked| asked.limit).chain(self.running.iter().map(|running| running.limit))
    }

    /// What has to be held now.
    pub fn needed(&self) -> Money {
        let all: u64 = self.limits().sum();
        // Each may read those before it.
        let before = |ahead: u64| all.saturating_add(ahead.saturating_mul(self.limit));
        let next: Money = (0..self.ahead()).map(|ahead| self.answer(self.limit, before(ahead))).sum();
        let answers: Money = self.limits().map(|limit| self.answer(limit, all - limit)).sum();
        self.cost + answers + next + self.transcripts.bound()
    }

    /// What is held beyond that where it can be, so that not every event needs a reservation of its own.
    pub fn slack(&self) -> Money {
        let answers = self.under_way() as u64 + self.ahead().max(1);
        let cost = |bounds: &Bounds| bounds.ceiling.cost(STEP.saturating_mul(answers), 0, 0);
        self.bounds.as_ref().map_or(Money::ZERO, cost)
    }

    /// Fills in the session's attempt, and makes the one of its transcriptions. What is still under way is taken for
    /// what was held for it.
    pub fn take_records(&mut self, mut session: AttemptRecord) -> Vec<AttemptRecord> {
        self.asked.retain(|asked| !asked.is_doubtful);
        let open: Vec<u64> = self.limits().collect();
        let all: u64 = open.iter().sum();
        for limit in open {
            self.assume(limit, all - limit);
        }
        let transcripts = std::mem::take(&mut self.transcripts).record(&session);
        session.usage = self.usage;
        session.usage_source = match self.is_guess {
            true => UsageSource::HoldAssumed,
            false if self.usage == Usage::ZERO => UsageSource::None,
            false => UsageSource::ProviderFinal,
        };
        session.cost = self.cost;
        session.is_unpriced = self.is_unpriced;
        let mut records = Vec::with_capacity(2);
        if let Some(mut transcripts) = transcripts {
            // Both have a part of what was held for the session.
            transcripts.held = transcripts.cost.min(session.held);
            session.held = Money::from_nano(session.held.nano() - transcripts.held.nano());
            records.push(transcripts);
        }
        // The last one stands for the session.
        records.push(session);
        records
    }
}

#[cfg(test)]
mod tests;
