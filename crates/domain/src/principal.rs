//! Who calls the data plane.

use crate::catalog::Model;
use crate::id::{KeyId, OrgId};
use crate::limit::{Limit, RateLimit, Scope};
use crate::pricing::{ModelPrice, TokenPrices};
use foldhash::HashMap;
use std::sync::Arc;

/// An authenticated caller. There is no default one: it exists only because a key was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The organization that pays.
    pub org: OrgId,
    /// The key that was shown.
    pub key: KeyId,
    /// What its calls count against.
    pub account: Arc<Account>,
}

/// What the calls of one key count against, and the bounds that are set there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Everything whose spending includes this key's, in a fixed order, each once.
    pub scopes: Arc<[Scope]>,
    /// The spending limits of these scopes.
    pub limits: Vec<Limit>,
    /// The rate limits of these scopes.
    pub rates: Vec<(Scope, RateLimit)>,
    /// What its organization pays for models, by their full names, otherwise than the catalogue says.
    pub prices: Option<Arc<HashMap<String, TokenPrices>>>,
}

impl Account {
    /// A model as this account pays for it; `None`: as the catalogue says. `name` is its full name there.
    pub fn priced(&self, name: &str, model: &Model) -> Option<Model> {
        let listed = *self.prices.as_ref()?.get(name)?;
        let price = match &model.price {
            Some(price) => price.relisted(listed),
            None => ModelPrice { base: listed, ..ModelPrice::default() },
        };
        Some(Model { price: Some(price), ..model.clone() })
    }

    /// An account without limits.
    pub fn new(org: OrgId, key: KeyId, others: &[Scope]) -> Self {
        let mut scopes = vec![Scope::Organization(org), Scope::Key(key)];
        scopes.extend_from_slice(others);
        scopes.sort_unstable();
        scopes.dedup();
        Self { scopes: scopes.into(), limits: Vec::new(), rates: Vec::new(), prices: None }
    }
}
