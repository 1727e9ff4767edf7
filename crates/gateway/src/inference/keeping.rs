//! Whether the beginning of a prompt is kept at Google for calls to come: planned here, done by the call task.

use super::prepare::Prepared;
use crate::Gateway;
use crate::kept::{BYTES_MIN, Key, LIFETIME, Step};
use crate::upstream::Payload;
use domain::{Account, ModelPrice, Money, Scope, Terms, Usage};
use llm::Protocol;
use llm::protocol::gemini::kept::{self, Beginning};
use llm::provider::RouteKind;
use llm::raw::RawObject;
use std::time::Instant;

/// Longer requests are left alone: keeping reads them once more.
const BODY_BYTES_MAX: usize = 4 << 20;
/// The same as [`LIFETIME`], in the unit of its rent.
const MINUTES: u32 = (LIFETIME.as_secs() / 60) as u32;

/// A beginning of a prompt, and what is to be done with it.
#[derive(Debug)]
pub struct Keeping {
    /// Which.
    pub key: Key,
    /// What to do.
    pub step: Step,
    /// The beginning.
    pub beginning: Beginning,
    /// The request that it is part of, to be named in.
    pub request: RawObject,
    /// Where it is kept.
    pub address: String,
    /// What the model is called there.
    pub model: String,
}

impl Keeping {
    /// The request with a name in the place of its beginning.
    pub fn named(&self, name: &str) -> Payload {
        let mut request = self.request.clone();
        kept::name(&mut request, name);
        request.to_bytes().into()
    }
}

/// Plans what to do with the beginning of a request that is ready to be sent. `None`: nothing.
pub fn plan(gateway: &Gateway, account: &Account, prepared: &Prepared) -> Option<Box<Keeping>> {
    let target = &prepared.target;
    let route = target.endpoint.route;
    let price = target.model.as_ref().and_then(|model| model.price.as_ref())?;
    let is_for_google = route.protocol == Protocol::Gemini && route.kind == RouteKind::Chat;
    if !prepared.keeps_prompt
        || prepared.is_unpriced
        || !is_for_google
        || prepared.body.len() > BODY_BYTES_MAX
    {
        return None;
    }
    let request = RawObject::parse(prepared.body.to_bytes()).ok()?;
    let beginning = Beginning::of(&request)?;
    let bytes = beginning.bytes();
    if bytes < BYTES_MIN || !pays(price, terms(prepared), llm::tokens::of_bytes(bytes)) {
        return None;
    }
    let (address, model) = kept::place(&target.endpoint.uri.to_string())?;
    let of_org = |scope: &Scope| if let Scope::Organization(org) = scope { Some(*org) } else { None };
    let org = account.scopes.iter().find_map(of_org)?;
    let place = [target.provider.name.to_string(), address.clone(), model.clone()];
    let key = Key::of(org, place.iter().map(String::as_bytes).chain(beginning.parts()));
    let step = gateway.kept.plan(key, Instant::now());
    (step != Step::Leave).then(|| Box::new(Keeping { key, step, beginning, request, address, model }))
}

fn terms(prepared: &Prepared) -> Terms {
    Terms { is_regional: prepared.target.is_regional, ..Terms::default() }
}

/// What keeping so many tokens costs. `None`: no price is known.
pub fn cost(prepared: &Prepared, tokens: u64) -> Option<Money> {
    let price = prepared.target.model.as_ref()?.price.as_ref()?;
    let written = price.cost(&Usage { cache_write: tokens, ..Usage::ZERO }, terms(prepared))?;
    Some(written.saturating_add(price.rent(tokens, MINUTES)))
}

/// Whether keeping costs less than one call that reads the same tokens anew. The tokens are read once at their full price
/// in any case: what is added is the rent, and reading them from the cache at once; what each later call saves is the
/// difference of both prices.
fn pays(price: &ModelPrice, terms: Terms, tokens: u64) -> bool {
    let cost = |usage: Usage| price.cost(&usage, terms).map(Money::nano);
    let (Some(anew), Some(again)) =
        (cost(Usage { input: tokens, ..Usage::ZERO }), cost(Usage { cache_read: tokens, ..Usage::ZERO }))
    else {
        return false;
    };
    let rent = price.rent(tokens, MINUTES).nano();
    rent > 0 && rent.saturating_add(again) < anew.saturating_sub(again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Price;
    use domain::pricing::TokenPrices;

    fn price(input: &str, cache_read: &str, rent: &str) -> ModelPrice {
        let dollars = |text: &str| Price::per_million(text.parse().unwrap());
        ModelPrice {
            base: TokenPrices {
                input: dollars(input),
                cache_read: Some(dollars(cache_read)),
                ..TokenPrices::default()
            },
            per_kept_token_hour: dollars(rent),
            ..ModelPrice::default()
        }
    }

    #[test]
    fn keeping_pays_where_one_reading_saves_more_than_the_rent() {
        let pays = |input, cache_read, rent| pays(&price(input, cache_read, rent), Terms::default(), 10_000);
        // Gemini 2.5 Pro and Flash; Flash-Lite is too cheap for its rent, and of the last one no rent is known.
        assert!(pays("1.25", "0.125", "4.5") && pays("0.3", "0.03", "1"));
        assert!(!pays("0.1", "0.01", "1") && !pays("1.25", "0.125", "0"));
        // A model that is no cheaper from its cache.
        assert!(!pays("1.25", "1.25", "4.5"));
    }
}
