//! What a session has cost, and what it may cost before we can end it. Decides, and does nothing.
//!
//! Every answer reads the whole conversation, so its price is bounded by the conversation's length (and the model's
//! window) and by the longest answer. Held is what was metered, that bound for each answer that is under way, and for
//! one more where the model may begin by itself. See ADR 0016.

use super::transcripts::Transcripts;
use crate::inference::bound::OUTPUT_MIN;
use crate::providers::{Target, Tariff};
use crate::refusal::Refusal;
use domain::{AttemptRecord, Ceiling, Demand, Money, RegionDemand, Terms, Told, Usage, UsageSource};
use llm::realtime::{AnswerLimit, CallerEvent, SessionChange};
use memchr::memmem::Finder;
use std::collections::VecDeque;
use std::sync::LazyLock;

/// Answers of one session that may be under way at once.
const ANSWERS_MAX: usize = 16;
/// The same of what a provider says to have begun.
const RUNNING_MAX: usize = 64;
/// Tokens of a prompt that we do not see: what a model is told where its caller tells it nothing.
const OVERHEAD: u64 = 2_048;
/// Bytes of sound, as they are sent, that are a token: half of the least that OpenAI takes for one.
const SOUND_BYTES_PER_TOKEN: u64 = 512;
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
    /// Tokens of the longest answer, unless an event says otherwise.
    limit: u64,
    /// Tokens of the conversation that are not sound.
    text: u64,
    sound_bytes: u64,
    /// Something is in it whose length nobody here knows.
    is_open: bool,
    answers_by_itself: bool,
    has_tools_of_provider: bool,
    /// Changes of the session that the provider has not confirmed.
    changes: u32,
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
    /// The session's model gets the provider's name for it.
    Model,
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
        let rest = "and a spending limit applies to this key";
        if is_limited && ceiling.is_none() {
            return Err(Refusal::Unbounded(format!("the model `{requested}` has no known price, {rest}")));
        }
        if is_limited && (window.is_none() || target.provider.ignores_output_limit) {
            return Err(Refusal::Unbounded(format!(
                "nothing bounds the answers of the model `{requested}`, {rest}: give it `context_window` and \
                 `max_output_tokens` in the settings"
            )));
        }
        let mut spending = Self {
            requested: requested.to_owned(),
            terms,
            tariff: target.tariff(terms),
            target: target.clone(),
            is_unpriced: ceiling.is_none(),
            bounds: ceiling.map(|ceiling| Bounds { ceiling, window, longest }),
            is_limited,
            limit: 0,
            text: OVERHEAD,
            sound_bytes: 0,
            is_open: false,
            // What a session is that nobody has configured.
            answers_by_itself: true,
            has_tools_of_provider: false,
            changes: 0,
            asked: VecDeque::new(),
            running: Vec::new(),
            transcripts: Transcripts::default(),
            usage: Usage::ZERO,
            cost: Money::ZERO,
            is_guess: false,
        };
        spending.limit = spending.tokens(AnswerLimit::Unlimited);
        Ok(spending)
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

    /// A caller's event is about to be relayed. Refuses what could cost more than is known, or could not be counted.
    pub fn hear_caller(
        &mut self,
        event: &CallerEvent,
        text: &str,
        new_id: impl FnOnce() -> String,
        theirs: Option<String>,
    ) -> Result<Edit, Refusal> {
        let bytes = text.len() as u64;
        let edit = match event {
            CallerEvent::Sound => {
                self.sound_bytes = self.sound_bytes.saturating_add(bytes);
                self.transcripts.heard(bytes);
                return Ok(Edit::None);
            }
            CallerEvent::Create { answer_limit, has_tools_of_provider } => {
                self.set_tools(*has_tools_of_provider)?;
                if self.under_way() >= ANSWERS_MAX {
                    return Err(Refusal::invalid(format!("{ANSWERS_MAX} responses are under way already")));
                }
                let limit = answer_limit.map_or(self.limit, |limit| self.tokens(limit));
                let ours = new_id();
                self.asked.push_back(Asked { ours: ours.clone(), theirs, limit });
                Edit::Id(ours)
            }
            CallerEvent::Update(change) => self.change(change)?,
            CallerEvent::Other => Edit::None,
        };
        self.text = self.text.saturating_add(bytes);
        self.is_open |= HINTS.iter().any(|hint| hint.find(text.as_bytes()).is_some());
        Ok(edit)
    }

    /// The caller changes the session. Until the provider has confirmed that, the dearer of both counts.
    fn change(&mut self, change: &SessionChange) -> Result<Edit, Refusal> {
        if change.kind.as_deref() == Some("transcription") {
            let message = "sessions that only write speech down are not served here";
            return Err(Refusal::invalid_param("session.type", message));
        }
        let edit = match change.model.as_deref() {
            Some(model) if model == self.requested && model != &*self.target.model_id => Edit::Model,
            Some(model) if model != &*self.target.model_id => {
                let message = "the model of a session cannot be changed: open another one";
                return Err(Refusal::invalid_param("session.model", message));
            }
            Some(_) | None => Edit::None,
        };
        self.set_tools(change.has_tools_of_provider)?;
        self.set_transcription(change)?;
        if let Some(limit) = change.answer_limit {
            self.limit = self.limit.max(self.tokens(limit));
        }
        self.answers_by_itself |= change.answers_by_itself.is_some();
        self.changes = self.changes.saturating_add(1);
        Ok(edit)
    }

    /// A provider that runs tools looks at what they found as often as it likes, and goes on by itself.
    fn set_tools(&mut self, has_tools_of_provider: bool) -> Result<(), Refusal> {
        if has_tools_of_provider && self.is_limited {
            let message = "a spending limit applies to this key, and nothing bounds what tools cost that the provider \
                 runs: give the model functions";
            return Err(Refusal::Unbounded(message.to_owned()));
        }
        self.has_tools_of_provider |= has_tools_of_provider;
        Ok(())
    }

    fn set_transcription(&mut self, change: &SessionChange) -> Result<(), Refusal> {
        let Some(by) = &change.transcription else { return Ok(()) };
        if self.transcripts.set(by.as_ref(), &self.target.provider, self.terms, self.is_limited) {
            return Ok(());
        }
        let model = by.as_ref().map_or("", |by| &by.model);
        Err(Refusal::Unbounded(format!(
            "the transcription model `{model}` has no known price, and a spending limit applies to this key"
        )))
    }

    /// The provider told how the session is configured.
    pub fn configured(&mut self, now: &SessionChange, is_new: bool, bytes: u64) {
        if is_new {
            self.text = self.text.saturating_add(bytes);
            // What a provider sets by itself cannot be refused any more.
            let by = now.transcription.as_ref().and_then(Option::as_ref);
            self.transcripts.set(by, &self.target.provider, self.terms, false);
        } else {
            self.changes = self.changes.saturating_sub(1);
        }
        if self.changes == 0 {
            self.limit = self.tokens(now.answer_limit.unwrap_or(AnswerLimit::Unlimited));
            self.answers_by_itself = now.answers_by_itself.unwrap_or(true);
        }
    }

    /// An answer has begun.
    pub fn started(&mut self, id: String) -> Result<(), Refusal> {
        if self.running.len() >= RUNNING_MAX {
            let message = "more answers have begun than can be under way at once";
            return Err(Refusal::InvalidResponse(message.to_owned()));
        }
        let asked = self.asked.pop_front().map(|asked| asked.limit);
        // It may be another one than the one asked for.
        let other = if self.begins_by_itself() { self.limit } else { 0 };
        self.running.push(Running { id, limit: asked.map_or(self.limit, |limit| limit.max(other)) });
        Ok(())
    }

    /// An answer has ended.
    pub fn done(&mut self, id: &str, usage: Option<Usage>, has_failed: bool) {
        let limit = match self.running.iter().position(|running| running.id == id) {
            Some(at) => self.running.swap_remove(at).limit,
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

    /// An event of the caller's has failed. If it is one that had asked for an answer: what its caller calls it.
    pub fn failed(&mut self, event_id: &str) -> Option<Option<String>> {
        let at = self.asked.iter().position(|asked| asked.ours == event_id)?;
        self.asked.remove(at).map(|asked| asked.theirs)
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

    /// Whether the model may begin an answer that nobody has asked for: it has heard something, and takes turns by ear.
    fn begins_by_itself(&self) -> bool {
        self.has_tools_of_provider || (self.answers_by_itself && self.sound_bytes > 0)
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
        let next = self.begins_by_itself().then_some(self.limit);
        let all: u64 = self.limits().sum();
        let next = next.map_or(Money::ZERO, |limit| self.answer(limit, all));
        let answers: Money = self.limits().map(|limit| self.answer(limit, all - limit)).sum();
        self.cost + answers + next + self.transcripts.bound()
    }

    /// What is held beyond that where it can be, so that not every event needs a reservation of its own.
    pub fn slack(&self) -> Money {
        let answers = self.under_way() as u64 + 1;
        let cost = |bounds: &Bounds| bounds.ceiling.cost(STEP.saturating_mul(answers), 0, 0);
        self.bounds.as_ref().map_or(Money::ZERO, cost)
    }

    /// Fills in the session's attempt, and makes the one of its transcriptions. What is still under way is taken for
    /// what was held for it.
    pub fn take_records(&mut self, mut session: AttemptRecord) -> Vec<AttemptRecord> {
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
