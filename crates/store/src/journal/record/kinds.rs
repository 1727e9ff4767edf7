//! What an attempt consumed, as the journal's frames hold it: the kinds of usage in their order, of which later versions
//! know more.

use domain::Usage;
use serde::{Deserialize, Serialize};

/// In the layout of today.
#[derive(Serialize, Deserialize)]
pub(super) struct Kinds([u64; 17]);

/// Before cached sound and pictures were counted apart.
#[derive(Serialize, Deserialize)]
pub(super) struct SecondKinds(pub(super) [u64; 15]);

/// Before rerankers and sound were counted.
#[derive(Serialize, Deserialize)]
pub(super) struct FirstKinds(pub(super) [u64; 12]);

impl From<Kinds> for Usage {
    fn from(Kinds(kinds): Kinds) -> Self {
        Usage::from_array(kinds)
    }
}

impl From<SecondKinds> for Usage {
    fn from(SecondKinds(second): SecondKinds) -> Self {
        of_fewer(&second)
    }
}

impl From<FirstKinds> for Usage {
    fn from(FirstKinds(first): FirstKinds) -> Self {
        of_fewer(&first)
    }
}

impl From<Usage> for Kinds {
    fn from(usage: Usage) -> Self {
        Self(usage.to_array())
    }
}

/// Kinds are only ever added at the end.
fn of_fewer(known: &[u64]) -> Usage {
    let mut kinds = Usage::ZERO.to_array();
    for (kind, known) in kinds.iter_mut().zip(known) {
        *kind = *known;
    }
    Usage::from_array(kinds)
}
