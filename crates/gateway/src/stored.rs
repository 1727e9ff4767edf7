//! Answers that a provider of the Responses API stores: which key has which, and where it is.
//!
//! What is over stands in the records; of what is being made, this process knows.

use domain::KeyId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::{Db, StoreError};

/// So long one that is over is known here: its record has long been written then.
const MEMORY: Duration = Duration::from_mins(1);
/// Answers that are known here.
const KNOWN_MAX: usize = 10_000;

#[derive(Debug)]
struct Known {
    key: KeyId,
    model: String,
    ended: Option<Instant>,
}

/// Who has which answer.
#[derive(Debug)]
pub struct StoredAnswers {
    db: Db,
    known: Mutex<HashMap<String, Known>>,
}

impl StoredAnswers {
    /// Those in the records of a store.
    pub fn new(db: Db) -> Self {
        Self { db, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer of this key is being made by a model, which has its full name.
    pub fn begin(&self, id: &str, key: KeyId, model: String) {
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            let is_needed = |answer: &Known| answer.ended.is_none_or(|ended| ended.elapsed() < MEMORY);
            known.retain(|_, answer| is_needed(answer));
        }
        if known.len() < KNOWN_MAX {
            known.insert(id.to_owned(), Known { key, model, ended: None });
        }
    }

    /// An answer is over.
    pub fn end(&self, id: &str) {
        let now = Instant::now();
        let mut known = self.lock();
        if let Some(answer) = known.get_mut(id) {
            answer.ended = Some(now);
        }
        known.retain(|_, answer| answer.ended.is_none_or(|ended| now.duration_since(ended) < MEMORY));
    }

    /// The full name of the model that gave an answer to a key. `None`: this key has none of this id.
    pub async fn model_of(&self, id: &str, key: KeyId) -> Result<Option<String>, StoreError> {
        let known = self.lock().get(id).map(|answer| (answer.key, answer.model.clone()));
        match known {
            Some((whose, model)) => Ok((whose == key).then_some(model)),
            None => self.db.model_of_answer(key, id).await,
        }
    }
}
