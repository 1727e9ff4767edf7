//! All providers, and how a model's name leads to one.

use super::alias::{self, Alias, CODING, Defaults};
use super::name::{self, Named, Variants};
use super::{Ask, Provider, Target, takes};
use crate::refusal::Refusal;
use domain::{Mode, Model, ModelId};
use foldhash::HashMap;
use llm::Protocol;
use llm::provider::RouteKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model's name, understood.
struct Resolved<'a> {
    provider: &'a Arc<Provider>,
    named: Named,
    defaults: Option<Arc<Defaults>>,
}

/// All configured providers, and the names of our own for their models.
#[derive(Debug, Default)]
pub struct Providers {
    by_name: HashMap<String, Arc<Provider>>,
    aliases: BTreeMap<String, Alias>,
    in_order: Vec<Arc<Provider>>,
}

impl Providers {
    /// Indexes them by name; of two with one name the later wins.
    pub fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        let in_order: Vec<Arc<Provider>> = providers.into_iter().map(Arc::new).collect();
        let by_name = in_order.iter().map(|p| (p.name.as_str().to_owned(), p.clone())).collect();
        Self { by_name, in_order, aliases: BTreeMap::new() }
    }

    /// The same with names of our own. Of two with one name the later wins.
    pub fn with_aliases(self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        let aliases = aliases.into_iter().map(|alias| (alias.name.clone(), alias)).collect();
        Self { aliases, ..self }
    }

    /// Names of our own, in alphabetical order.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.aliases.values()
    }

    /// The providers in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.in_order.iter()
    }

    /// The model of this name, as far as the catalogue knows it.
    pub fn find(&self, name: &str) -> Option<(&Arc<Provider>, Arc<Model>)> {
        let Resolved { provider, named, .. } = self.resolve(name).ok()?;
        Some((provider, named.model?))
    }

    /// All models that can be asked for, with their full names: by provider, then those under names of our own.
    pub fn listed(&self) -> Vec<(String, &Arc<Provider>, Arc<Model>)> {
        let own = self.in_order.iter().flat_map(|provider| {
            let models = provider.catalog.models().iter().filter(|model| provider.serves(model));
            models.map(move |model| (format!("{}/{}", provider.name, model.id), provider, model.clone()))
        });
        let aliased = self.aliases.keys().filter_map(|name| {
            let (provider, model) = self.find(name)?;
            provider.serves(&model).then(|| (name.clone(), provider, model))
        });
        own.chain(aliased).collect()
    }

    /// The region that a name leads to, where it names one.
    pub fn region_of(&self, name: &str) -> Option<Arc<str>> {
        self.resolve(name).ok()?.named.region
    }

    /// Whether there is a model of this name, or a provider that takes any.
    pub fn knows(&self, name: &str) -> bool {
        self.resolve(name).is_ok()
    }

    /// Understands a name: an alias, or `provider/model[@region][:variant]`.
    fn resolve(&self, name: &str) -> Result<Resolved<'_>, Refusal> {
        let unknown = || Refusal::UnknownModel(name.to_owned());
        let asked = || name::without_variant(name);
        let varied = || asked().and_then(|(stem, variant)| Some((self.aliases.get(stem)?, Some(variant))));
        let alias = self.aliases.get(name).map(|alias| (alias, None)).or_else(varied);
        let (full, variant, mut defaults) = match alias {
            Some((alias, variant)) => (alias.model.as_str(), variant, Some(alias.defaults.clone())),
            None => (name, None, None),
        };
        let (prefix, id) = ModelId::split(full).ok_or_else(unknown)?;
        let (provider, mut named) = match self.by_name.get(prefix) {
            Some(provider) => (provider, provider.named(id)?.ok_or_else(unknown)?),
            None if prefix == CODING => {
                defaults = Some(alias::for_coding(defaults));
                self.anywhere(id).ok_or_else(unknown)?
            }
            None => return Err(unknown()),
        };
        named.variants = Variants::from(variant).or(named.variants);
        Ok(Resolved { provider, named, defaults })
    }

    /// The first provider in the order of the configuration that is known to hold conversations with a model.
    fn anywhere(&self, id: &str) -> Option<(&Arc<Provider>, Named)> {
        let is_fitting = |named: &Named| {
            named.model.as_ref().is_some_and(|model| matches!(model.mode, Mode::Chat | Mode::Responses))
        };
        self.in_order.iter().find_map(|provider| {
            let named = provider.named(id).ok().flatten().filter(is_fitting)?;
            Some((provider, named))
        })
    }

    /// Finds where a request for `name` goes.
    pub fn target(&self, name: &str, ask: Ask) -> Result<Target, Refusal> {
        let Resolved { provider, named, defaults } = self.resolve(name)?;
        let Named { id, model, region, variants } = named;
        let wrong = || Refusal::WrongEndpoint { model: name.to_owned() };
        let mode = model.as_ref().map(|model| model.mode);
        if !mode.is_none_or(|mode| takes(ask.kind, mode)) {
            return Err(wrong());
        }
        // Some models have one API only, whatever their caller speaks.
        let is_of_responses = ask.kind == RouteKind::Chat && mode == Some(Mode::Responses);
        let preferred = if is_of_responses { Protocol::OpenAiResponses } else { ask.preferred };
        let ask = Ask { preferred, ..ask };
        let endpoint = provider.endpoint(ask, &id, region.as_deref())?.ok_or_else(wrong)?;
        if is_of_responses && endpoint.route.protocol != preferred {
            return Err(wrong());
        }
        let host = endpoint.uri.host();
        Ok(Target {
            is_regional: host.is_some_and(|host| provider.spec.regions.is_regional(host)),
            provider: provider.clone(),
            endpoint,
            model_id: id,
            model,
            region,
            variants,
            defaults,
        })
    }
}
