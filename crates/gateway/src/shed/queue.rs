//! A bounded line in which keys take turns: whoever has many calls in it waits for itself, not for others.
//!
//! Values only; what waits, and how it is told, is the gate's business.

use domain::KeyId;
use std::collections::{HashMap, VecDeque};

/// A place in the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    key: KeyId,
    number: u64,
}

/// What came of joining.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Joined<T> {
    /// In the line, perhaps in place of the latest of the key that had most.
    Waits { ticket: Ticket, instead_of: Option<T> },
    /// No place: the line is full and no key has more in it than this one would have.
    Full,
}

/// The line.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Who waits, by key, the oldest first. No key is without anybody.
    keys: HashMap<KeyId, VecDeque<(u64, T)>>,
    /// All these keys, each once, in the order of their turns.
    turns: VecDeque<KeyId>,
    len: usize,
    next_number: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { keys: HashMap::new(), turns: VecDeque::new(), len: 0, next_number: 0 }
    }
}

impl<T> Queue<T> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Lets one more wait. In a line of `max` who are there already, a key gets its fair share from the key that has
    /// most.
    pub(super) fn join(&mut self, key: KeyId, waiter: T, max: usize) -> Joined<T> {
        let mut instead_of = None;
        if self.len >= max {
            let own = self.keys.get(&key).map_or(0, VecDeque::len);
            let most = self.keys.iter().max_by_key(|(_, waiting)| waiting.len());
            match most.map(|(key, waiting)| (*key, waiting.len())) {
                Some((other, length)) if length > own + 1 => instead_of = self.remove_latest(other),
                Some(_) | None => return Joined::Full,
            }
        }
        let number = self.next_number;
        self.next_number += 1;
        let waiting = self.keys.entry(key).or_default();
        if waiting.is_empty() {
            self.turns.push_back(key);
        }
        waiting.push_back((number, waiter));
        self.len += 1;
        Joined::Waits { ticket: Ticket { key, number }, instead_of }
    }

    /// Takes out who is next: the oldest of the key whose turn it is.
    pub(super) fn next(&mut self) -> Option<T> {
        let key = self.turns.pop_front()?;
        let waiting = self.keys.get_mut(&key)?;
        let (_, waiter) = waiting.pop_front()?;
        self.len -= 1;
        if waiting.is_empty() {
            self.keys.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        Some(waiter)
    }

    /// Takes out who waits no longer; nothing if it is not there any more.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let waiting = self.keys.get_mut(&ticket.key)?;
        // Numbers rise, so the places are sorted.
        let at = waiting.binary_search_by_key(&ticket.number, |(number, _)| *number).ok()?;
        let (_, waiter) = waiting.remove(at)?;
        self.forget_one_of(ticket.key);
        Some(waiter)
    }

    fn remove_latest(&mut self, key: KeyId) -> Option<T> {
        let (_, waiter) = self.keys.get_mut(&key)?.pop_back()?;
        self.forget_one_of(key);
        Some(waiter)
    }

    /// After one of a key was taken out of its turn.
    fn forget_one_of(&mut self, key: KeyId) {
        self.len -= 1;
        if self.keys.get(&key).is_some_and(VecDeque::is_empty) {
            self.keys.remove(&key);
            self.turns.retain(|turn| *turn != key);
        }
    }
}
