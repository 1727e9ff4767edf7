//! Answers that a provider of the Responses API stores: which key has which, and where it is.
//!
//! What is over stands in the records; of what is being made, this process knows.

use crate::providers::Target;
use domain::{KeyId, OrgId};
use foldhash::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::requests::AnswerOrigin;
use store::{Db, StoreError};

/// So long one that is over is known here: its record has long been written then.
const MEMORY: Duration = Duration::from_mins(1);
/// Answers whose organizations are known without asking the records: those that conversations go on from.
const RECENT_MAX: usize = 4_096;
/// Longer than the ids of any provider known.
pub const ID_BYTES_MAX: usize = 200;

/// An answer that is being made, or was a moment ago. How many there are is bounded by those that are looked after.
#[derive(Debug)]
struct Known {
    key: KeyId,
    target: Target,
    ended: Option<Instant>,
}

/// Who has the last answers.
#[derive(Debug, Default)]
struct Recent {
    orgs: HashMap<Arc<str>, OrgId>,
    in_order: VecDeque<Arc<str>>,
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
    recent: Mutex<Recent>,
}

impl StoredAnswers {
    /// Those in the records of a store.
    pub fn new(db: Db) -> Self {
        Self { db, known: Mutex::default(), recent: Mutex::default() }
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

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer was given to an organization, which may go on from it.
    pub fn give(&self, id: &str, org: OrgId) {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return;
        }
        let id: Arc<str> = id.into();
        let mut recent = self.recent();
        if recent.orgs.insert(id.clone(), org).is_some() {
            return;
        }
        recent.in_order.push_back(id);
        if recent.in_order.len() > RECENT_MAX
            && let Some(oldest) = recent.in_order.pop_front()
        {
            recent.orgs.remove(&oldest);
        }
    }

    /// Whether an organization may go on from an answer: not where it was given to another one. Of an answer that nobody
    /// here knows its provider may.
    pub async fn may_go_on(&self, id: &str, org: OrgId) -> Result<bool, StoreError> {
        let whose = self.recent().orgs.get(id).copied();
        match whose {
            Some(whose) => Ok(whose == org),
            None if id.len() > ID_BYTES_MAX => Ok(true),
            None => Ok(self.db.is_answer_of(org, id).await? != Some(false)),
        }
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
