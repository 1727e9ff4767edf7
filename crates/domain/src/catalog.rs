//! What is known of models: names, limits, capabilities, prices.
//!
//! The data stands in `catalog/*.toml`, one file per provider kind; reading those files is the server's
//! business.

use crate::pricing::ModelPrice;
use crate::time::Timestamp;
use foldhash::HashMap;
use std::sync::Arc;

/// A retirement is told of so long before it: sixty days.
const NOTICE_SECONDS: i64 = 60 * 86_400;

/// What a model is for; decides which endpoints take it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Conversations.
    #[default]
    Chat,
    /// Conversations, but only over the provider's Responses API.
    Responses,
    /// Vectors for texts.
    Embedding,
    /// Texts that go on where the prompt ends.
    Completion,
    /// Documents by how well they fit a question.
    Rerank,
    /// Whether texts and pictures are harmful.
    Moderation,
    /// Pictures.
    Image,
    /// Texts spoken.
    Speech,
    /// Speech written down.
    Transcription,
    /// Conversations over a connection that stays open, spoken or written.
    Realtime,
    /// Anything else the catalogue knows and the gateway does not serve yet.
    Other,
}

/// What is known to work with a model. `false` means "not known to work".
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Reads images.
    pub vision: bool,
    /// Reads PDF documents.
    pub pdf: bool,
    /// Calls tools.
    pub tools: bool,
    /// Answers in JSON.
    pub json_object: bool,
    /// Answers in JSON that follows a schema.
    pub json_schema: bool,
    /// Thinks before it answers.
    pub reasoning: bool,
    /// Reads its prompt from a cache.
    pub caching: bool,
    /// Searches the web.
    pub web_search: bool,
    /// Draws images.
    pub image_generation: bool,
    /// Drives a computer.
    pub computer_use: bool,
}

impl Capabilities {
    /// Whether it is known that a model makes no tokens but those it streams: no thoughts that are kept back, no
    /// pictures. Of a model whose capabilities nobody has listed that is not known.
    pub fn shows_all(&self) -> bool {
        self.are_known() && !self.reasoning && !self.image_generation
    }

    /// Whether it is known that a model reads no PDFs.
    pub fn reads_no_pdf(&self) -> bool {
        self.are_known() && !self.pdf
    }

    fn are_known(&self) -> bool {
        *self != Self { caching: self.caching, ..Self::default() }
    }
}

/// One model at one provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Model {
    /// What the provider's API calls it.
    pub id: String,
    /// Other ids of the same model at the same price.
    pub aliases: Vec<String>,
    /// What its weights are called at every provider, where its id is another.
    pub weights: Option<String>,
    /// Name for people.
    pub name: String,
    /// What it is for.
    pub mode: Mode,
    /// Tokens it can hold, prompt and answer together. Zero: not known.
    pub context_window: u64,
    /// Tokens it can answer with. Zero: not known.
    pub max_output_tokens: u64,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Release date as unix seconds. Zero: not known.
    pub released_at: i64,
    /// What it costs; `None` when nobody knows.
    pub price: Option<ModelPrice>,
    /// How long it is still served.
    pub lifecycle: Lifecycle,
}

/// How long a model is still served.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Lifecycle {
    /// Its vendor has announced that it goes.
    pub is_deprecated: bool,
    /// The day it goes at the earliest (`2026-12-01`, or a month), and the unix second in which that begins.
    pub retires: Option<(String, i64)>,
}

impl Lifecycle {
    /// What a caller should know of it. `None`: nothing yet.
    pub fn notice(&self, now: Timestamp) -> Option<String> {
        match &self.retires {
            Some((day, begins)) if now.unix_seconds() >= *begins => {
                Some(format!("the model was to be retired on {day}"))
            }
            Some((day, begins)) if self.is_deprecated || *begins - now.unix_seconds() <= NOTICE_SECONDS => {
                Some(format!("the model will be retired on {day}"))
            }
            None if self.is_deprecated => Some("the model is deprecated by its vendor".to_owned()),
            Some(_) | None => None,
        }
    }
}

/// What becomes of the texts that a provider is sent, in the words of the catalogue.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Privacy {
    /// Its models run in the European Union, and nowhere else.
    pub is_of_eu: bool,
    /// Whether it trains models on them.
    pub training: Option<String>,
    /// How long it keeps them.
    pub retention: Option<String>,
}

impl Privacy {
    /// Whether it keeps them, as far as its words begin or go on clearly, and for how many days.
    pub fn keeps(&self) -> (Option<bool>, Option<u32>) {
        let Some(text) = self.retention.as_deref() else { return (None, None) };
        if ["none", "not stored", "prompts and outputs not stored"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            return (Some(false), Some(0));
        }
        let mut words = text.split(' ').zip(text.split(' ').skip(1));
        let days =
            words.find(|(_, unit)| unit.starts_with("day")).and_then(|(number, _)| number.parse().ok());
        (days.map(|_| true), days)
    }
}

/// The models of one provider, found by id or alias.
#[derive(Clone, Default, Debug)]
pub struct Catalog {
    /// What is known of the provider's way with texts.
    pub privacy: Privacy,
    models: Vec<Arc<Model>>,
    by_id: HashMap<String, usize>,
    by_weights: HashMap<String, Vec<usize>>,
}

impl Catalog {
    /// Builds the index. A later model with the id of an earlier one replaces it: local overrides come last.
    pub fn new(models: impl IntoIterator<Item = Model>) -> Self {
        let mut catalog = Catalog::default();
        for model in models {
            catalog.insert(model);
        }
        catalog
    }

    /// The same with the models alone that conversations are held with.
    pub fn of_conversations(&self) -> Self {
        let fitting = self.models.iter().filter(|model| matches!(model.mode, Mode::Chat | Mode::Responses));
        Self { privacy: self.privacy.clone(), ..Self::new(fitting.map(|model| Model::clone(model))) }
    }

    /// Adds a model, or replaces the one with the same id.
    pub fn insert(&mut self, model: Model) {
        let at = match self.models.iter().position(|known| known.id == model.id) {
            Some(at) => at,
            None => self.models.len(),
        };
        for name in std::iter::once(&model.id).chain(&model.aliases) {
            // A model's own id always wins over another model's alias.
            if *name == model.id || !self.by_id.contains_key(name) {
                self.by_id.insert(name.clone(), at);
            }
        }
        if let Some(weights) = &model.weights {
            let known = self.by_weights.entry(weights.clone()).or_default();
            if !known.contains(&at) {
                known.push(at);
            }
        }
        if at == self.models.len() {
            self.models.push(Arc::new(model));
        } else {
            self.models[at] = Arc::new(model);
        }
    }

    /// Finds a model by its id or an alias, letter by letter.
    pub fn find(&self, id: &str) -> Option<&Arc<Model>> {
        self.by_id.get(id).map(|&at| &self.models[at])
    }

    /// The models with these weights, in the order of the file.
    pub fn of_weights(&self, weights: &str) -> impl Iterator<Item = &Arc<Model>> {
        self.by_weights.get(weights).into_iter().flatten().map(|&at| &self.models[at])
    }

    /// All models in the order of the file.
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_off_its_words() {
        let keeps = |text: &str| Privacy { retention: Some(text.to_owned()), ..Privacy::default() }.keeps();
        assert_eq!(keeps("none by default; up to 30 days for abuse cases"), (Some(false), Some(0)));
        assert_eq!(keeps("up to 30 days for abuse monitoring"), (Some(true), Some(30)));
        assert_eq!(keeps("prompts and outputs kept 55 days for"), (Some(true), Some(55)));
        assert_eq!(keeps("zero retention option"), (None, None));
        assert_eq!(Privacy::default().keeps(), (None, None));
    }

    #[test]
    fn a_retirement_is_told_of_when_it_comes_near() {
        let retires = Some(("1970-04-11".to_owned(), 100 * 86_400));
        let notice = |is_deprecated, retires, day: i64| {
            let now = Timestamp::from_unix_ms(day * 86_400_000);
            Lifecycle { is_deprecated, retires }.notice(now)
        };
        assert_eq!(notice(false, retires.clone(), 39), None);
        let coming = Some("the model will be retired on 1970-04-11".to_owned());
        assert_eq!(
            (notice(false, retires.clone(), 40), notice(true, retires.clone(), 1)),
            (coming.clone(), coming)
        );
        assert_eq!(notice(false, retires, 100).unwrap(), "the model was to be retired on 1970-04-11");
        assert_eq!(notice(true, None, 1).unwrap(), "the model is deprecated by its vendor");
        assert_eq!(notice(false, None, 1), None);
    }
}
