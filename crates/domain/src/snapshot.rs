//! The configuration the data plane runs on: immutable, indexed, swapped whole.

use crate::id::OrgId;
use crate::key::{ApiKey, KeyHash};
use crate::limit::{Limit, RateLimit, Scope};
use crate::pricing::TokenPrices;
use crate::principal::{Account, Principal};
use foldhash::{HashMap, HashMapExt};
use std::sync::Arc;

/// What tenants have configured, as it is read from the store.
#[derive(Clone, Default, Debug)]
pub struct Configuration {
    /// The keys of all organizations.
    pub keys: Vec<ApiKey>,
    /// All spending limits.
    pub limits: Vec<Limit>,
    /// All rate limits.
    pub rates: Vec<(Scope, RateLimit)>,
    /// What organizations pay for models, by their full names, otherwise than the catalogue says.
    pub prices: Vec<(OrgId, String, TokenPrices)>,
}

/// Everything tenants have configured, as of one generation. A request sees exactly one snapshot.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// Counts changes; rises with every swap.
    pub generation: i64,
    keys: HashMap<KeyHash, (ApiKey, Arc<Account>)>,
}

impl Snapshot {
    /// Indexes a configuration.
    pub fn new(generation: i64, configuration: Configuration) -> Self {
        let mut limits: HashMap<Scope, Vec<Limit>> = HashMap::new();
        for limit in configuration.limits {
            limits.entry(limit.scope).or_default().push(limit);
        }
        let rates: HashMap<Scope, RateLimit> = configuration.rates.into_iter().collect();
        let mut prices: HashMap<OrgId, HashMap<String, TokenPrices>> = HashMap::new();
        for (org, model, price) in configuration.prices {
            prices.entry(org).or_default().insert(model, price);
        }
        let prices: HashMap<OrgId, Arc<_>> =
            prices.into_iter().map(|(org, prices)| (org, Arc::new(prices))).collect();
        let with_account = |key: ApiKey| {
            let mut account = Account::new(key.org, key.id, &key.scopes);
            for scope in &*account.scopes {
                account.limits.extend(limits.get(scope).into_iter().flatten());
                account.rates.extend(rates.get(scope).map(|rate| (*scope, *rate)));
            }
            account.prices = prices.get(&key.org).cloned();
            (key.hash, (key, Arc::new(account)))
        };
        Self { generation, keys: configuration.keys.into_iter().map(with_account).collect() }
    }

    /// The key with this digest, whatever its state.
    pub fn key(&self, hash: &KeyHash) -> Option<&ApiKey> {
        self.keys.get(hash).map(|(key, _)| key)
    }

    /// The key with this digest, whatever its state, and who calls with it.
    pub fn caller(&self, hash: &KeyHash) -> Option<(&ApiKey, Principal)> {
        let (key, account) = self.keys.get(hash)?;
        Some((key, Principal { org: key.org, key: key.id, account: account.clone() }))
    }
}
