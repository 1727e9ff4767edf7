//! Answers whose callers have left, read to their end all the same: their providers bill them whole, and only the
//! end tells how much.

use domain::OrgId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many answers are read for nobody. Clones share the count.
#[derive(Clone, Debug)]
pub struct Abandoned(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    places: Mutex<HashMap<OrgId, usize>>,
}

/// The right of one call to be read to its end; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    abandoned: Abandoned,
    org: OrgId,
}

impl Abandoned {
    /// At most so many at once, of which one organization has at most half, rounded up. Zero: none.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Shared { max, places: Mutex::default() }))
    }

    /// A place for a call of an organization, where one is free.
    pub fn enter(&self, org: OrgId) -> Option<Place> {
        let mut places = self.places();
        let of_org = places.get(&org).copied().unwrap_or(0);
        if places.values().sum::<usize>() >= self.0.max || of_org >= self.0.max.div_ceil(2) {
            return None;
        }
        places.insert(org, of_org + 1);
        Some(Place { abandoned: self.clone(), org })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places().values().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn places(&self) -> MutexGuard<'_, HashMap<OrgId, usize>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.abandoned.places();
        match places.get_mut(&self.org) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                places.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    fn org(number: u8) -> OrgId {
        OrgId::from_parts(Timestamp::from_unix_ms(0), [number; 10])
    }

    #[test]
    fn one_organization_leaves_places_to_others() {
        let abandoned = Abandoned::new(4);
        let places = [abandoned.enter(org(1)), abandoned.enter(org(1)), abandoned.enter(org(2))];
        assert!(places.iter().all(Option::is_some));
        assert!(abandoned.enter(org(1)).is_none());
        let last = abandoned.enter(org(3));
        assert!(last.is_some() && abandoned.enter(org(2)).is_none());
        assert_eq!(abandoned.len(), 4);
        drop((places, last));
        assert!(abandoned.is_empty() && abandoned.enter(org(1)).is_some());
    }

    #[test]
    fn there_may_be_none_at_all() {
        assert!(Abandoned::new(0).enter(org(1)).is_none());
        assert!(Abandoned::new(1).enter(org(1)).is_some());
    }
}
