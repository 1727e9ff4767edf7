//! Answers that a provider of the Responses API stores: which key has which, and where it is.
//!
//! What is over stands in the records; of what is being made, this process knows.

use crate::providers::Target;
use domain::KeyId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::requests::AnswerOrigin;
use store::{Db, StoreError};

/// So long one that is over is known here: its record has long been written then.
const MEMORY: Duration = Duration::from_mins(1);

/// An answer that is being made, or was a moment ago. How many there are is bounded by those that are looked after.
#[derive(Debug)]
struct Known {
    key: KeyId,
    target: Target,
    ended: Option<Instant>,
}

/// Where an answer is.
#[derive(Debug)]
pub enum Where {
    /// There.
    At(Box<Target>),
    /// Where its record leads.
    Recorded(AnswerOrigin),
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

    /// An answer of this key is being made there.
    pub fn begin(&self, id: &str, key: KeyId, target: Target) {
        self.lock().insert(id.to_owned(), Known { key, target, ended: None });
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

    /// Where an answer of a key is. `None`: this key has none of this id.
    pub async fn find(&self, id: &str, key: KeyId) -> Result<Option<Where>, StoreError> {
        let known = self.lock().get(id).map(|answer| (answer.key, answer.target.clone()));
        match known {
            Some((whose, target)) => Ok((whose == key).then(|| Where::At(Box::new(target)))),
            None => Ok(self.db.answer_origin(key, id).await?.map(Where::Recorded)),
        }
    }
}
