//! What callers send, and what of it could cost more than is known.

use super::{
    ANSWERS_MAX, Asked, CHANGES_MAX, Change, EVENT_ID_BYTES_MAX, Edit, HINTS, PIECE_SECONDS_MAX, Spending,
};
use crate::refusal::Refusal;
use llm::realtime::{CallerEvent, SessionChange};

impl Spending {
    /// A caller's event is about to be relayed. Refuses what could cost more than is known, or could not be counted.
    pub fn hear_caller(
        &mut self,
        event: &CallerEvent,
        text: &str,
        new_id: impl FnOnce() -> String,
        theirs: Option<String>,
    ) -> Result<Edit, Refusal> {
        let bytes = text.len() as u64;
        if theirs.as_ref().is_some_and(|theirs| theirs.len() > EVENT_ID_BYTES_MAX) {
            let message = format!("an id of an event may have {EVENT_ID_BYTES_MAX} bytes");
            return Err(Refusal::invalid_param("event_id", message));
        }
        let edit = match event {
            CallerEvent::Sound(sound) => {
                let rate = self.sound_bytes_per_second();
                if rate.is_some_and(|rate| *sound > rate * PIECE_SECONDS_MAX) {
                    let message = format!(
                        "a spending limit applies to this key, and the model answers by itself: send pieces of sound of \
                         {PIECE_SECONDS_MAX} second at the most, or turn `turn_detection` off"
                    );
                    return Err(Refusal::Unbounded(message));
                }
                if let Some(rate) = rate {
                    self.took_piece(*sound, rate);
                }
                self.sound_bytes = self.sound_bytes.saturating_add(bytes);
                self.transcripts.heard(bytes);
                return Ok(Edit::None);
            }
            CallerEvent::Create { answer_limit, has_tools_of_provider } => {
                self.set_tools(*has_tools_of_provider)?;
                let is_full = self.under_way() >= ANSWERS_MAX;
                self.asked.retain(|asked| !(is_full && asked.is_doubtful));
                if self.under_way() >= ANSWERS_MAX {
                    return Err(Refusal::invalid(format!("{ANSWERS_MAX} responses are under way already")));
                }
                let limit = answer_limit.map_or(self.limit, |limit| self.tokens(limit));
                let ours = new_id();
                self.asked.push_back(Asked { ours: ours.clone(), theirs, limit, is_doubtful: false });
                Edit::Id(ours)
            }
            CallerEvent::Update(change) => self.change(change, new_id, theirs)?,
            CallerEvent::Other => Edit::None,
        };
        self.text = self.text.saturating_add(bytes);
        self.is_open |= HINTS.iter().any(|hint| hint.find(text.as_bytes()).is_some());
        Ok(edit)
    }

    /// The caller changes the session. Until the provider has confirmed that, the dearer of both counts.
    fn change(
        &mut self,
        change: &SessionChange,
        new_id: impl FnOnce() -> String,
        theirs: Option<String>,
    ) -> Result<Edit, Refusal> {
        if self.changes.len() >= CHANGES_MAX {
            let message = format!("{CHANGES_MAX} changes of the session are not confirmed yet");
            return Err(Refusal::invalid(message));
        }
        if change.kind.as_deref() == Some("transcription") {
            let message = "sessions that only write speech down are not served here";
            return Err(Refusal::invalid_param("session.type", message));
        }
        let is_renamed = match change.model.as_deref() {
            Some(model) if model == self.requested && model != &*self.target.model_id => true,
            Some(model) if model != &*self.target.model_id => {
                let message = "the model of a session cannot be changed: open another one";
                return Err(Refusal::invalid_param("session.model", message));
            }
            Some(_) | None => false,
        };
        self.set_tools(change.has_tools_of_provider)?;
        self.set_transcription(change)?;
        if let Some(limit) = change.answer_limit {
            self.limit = self.limit.max(self.tokens(limit));
        }
        self.answers_by_itself |= change.answers_by_itself.is_some();
        self.answers_silence |= change.answers_silence == Some(true);
        let ours = new_id();
        let SessionChange { sound_bytes_per_second, silence_millis, .. } = *change;
        self.changes.push_back(Change { ours: ours.clone(), theirs, sound_bytes_per_second, silence_millis });
        Ok(if is_renamed { Edit::IdAndModel(ours) } else { Edit::Id(ours) })
    }

    /// A provider that runs tools looks at what they found as often as it likes, and goes on by itself.
    pub(super) fn set_tools(&mut self, has_tools_of_provider: bool) -> Result<(), Refusal> {
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
        let model = by.as_ref().and_then(|by| self.transcriber(&by.model));
        if self.transcripts.set(by.as_ref(), model, self.terms, self.is_limited) {
            return Ok(());
        }
        let model = by.as_ref().map_or("", |by| &by.model);
        Err(Refusal::Unbounded(format!(
            "the transcription model `{model}` has no known price, and a spending limit applies to this key"
        )))
    }
}
