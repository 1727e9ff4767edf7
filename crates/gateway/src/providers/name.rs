//! What a name says beside the model: `model[@region][:variant]`.

use super::Provider;
use crate::refusal::Refusal;
use domain::Model;
use llm::ir::{Effort, Reasoning, Thinking};
use llm::provider::{RegionChoice, is_region};
use std::sync::Arc;

/// Who makes models that others serve, as names of the reference product have them in front.
const MAKERS: [&str; 16] = [
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "deepseek-ai",
    "google",
    "meta",
    "meta-llama",
    "minimax",
    "mistral",
    "mistralai",
    "moonshotai",
    "openai",
    "qwen",
    "xai",
    "zai",
];

/// How a model is to be called, told by the end of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// With this effort (`:low`).
    Effort(Effort),
    /// With so many tokens of thoughts at the most (`:8192`).
    Budget(u64),
    /// In this tier of service (`:flex`).
    Tier(&'static str),
}

impl Variant {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "flex" => Some(Variant::Tier("flex")),
            "priority" => Some(Variant::Tier("priority")),
            _ => Effort::parse(word)
                .map(Variant::Effort)
                .or_else(|| word.parse().ok().filter(|tokens| *tokens > 0).map(Variant::Budget)),
        }
    }

    /// How much to think, where it says that.
    pub fn reasoning(self) -> Option<Reasoning> {
        let (thinking, effort) = match self {
            Variant::Effort(effort) => (Thinking::Adaptive, Some(effort)),
            Variant::Budget(tokens) => (Thinking::Budget(tokens), None),
            Variant::Tier(_) => return None,
        };
        Some(Reasoning { thinking: Some(thinking), effort, display: None })
    }
}

/// What the end of a name asks for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Variants {
    /// How much to think.
    thinking: Option<Variant>,
    /// The tier of service.
    pub tier: Option<&'static str>,
}

impl Variants {
    /// These, and of others what they do not say.
    pub(super) fn or(self, others: Variants) -> Self {
        Self { thinking: self.thinking.or(others.thinking), tier: self.tier.or(others.tier) }
    }

    /// How much to think.
    pub fn reasoning(self) -> Option<Reasoning> {
        self.thinking.and_then(Variant::reasoning)
    }
}

impl From<Option<Variant>> for Variants {
    fn from(variant: Option<Variant>) -> Self {
        match variant {
            Some(Variant::Tier(tier)) => Self { tier: Some(tier), thinking: None },
            thinking => Self { thinking, tier: None },
        }
    }
}

/// One way to read a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reading<'a> {
    stem: &'a str,
    region: Option<&'a str>,
    variant: Option<Variant>,
}

/// A name without the variant at its end.
pub(super) fn without_variant(name: &str) -> Option<(&str, Variant)> {
    let (stem, word) = name.rsplit_once(':')?;
    Some((stem, Variant::parse(word)?)).filter(|_| !stem.is_empty())
}

fn without_region(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('@').filter(|(stem, region)| !stem.is_empty() && is_region(region))
}

/// The ways to read a name: ids may have colons and signs of their own, so the longest is first.
fn readings(name: &str) -> impl Iterator<Item = Reading<'_>> {
    let varied = without_variant(name);
    let whole = [Some((name, None)), varied.map(|(stem, variant)| (stem, Some(variant)))];
    let placed = whole.map(|reading| {
        reading.and_then(|(name, variant)| {
            without_region(name).map(|(stem, region)| Reading { stem, region: Some(region), variant })
        })
    });
    let plain = whole.map(|reading| reading.map(|(stem, variant)| Reading { stem, region: None, variant }));
    plain.into_iter().chain(placed).flatten()
}

/// A model that a name stands for.
#[derive(Debug)]
pub(super) struct Named {
    /// What the provider calls it.
    pub id: Arc<str>,
    /// What the catalogue knows of it.
    pub model: Option<Arc<Model>>,
    /// Where it is to run.
    pub region: Option<Arc<str>>,
    /// How it is to be called.
    pub variants: Variants,
}

impl Provider {
    /// The model that a name without the provider's stands for. `Ok(None)`: there is none.
    pub(super) fn named(&self, name: &str) -> Result<Option<Named>, Refusal> {
        for Reading { stem, region, variant } in readings(name) {
            let Some((id, model)) = self.known(stem, region) else { continue };
            if region.is_some() && self.spec.region_choice == RegionChoice::Configured {
                return Err(Refusal::invalid_param(
                    "model",
                    format!("regions cannot be chosen at the provider `{}`: leave `@…` out", self.name),
                ));
            }
            let id = self.deployments.get(&id).cloned().unwrap_or_else(|| id.into());
            return Ok(Some(Named {
                id,
                model: Some(model),
                region: region.map(Arc::from),
                variants: variant.into(),
            }));
        }
        let id = || self.deployments.get(name).cloned().unwrap_or_else(|| name.into());
        let unknown = || Named { id: id(), model: None, region: None, variants: Variants::default() };
        Ok(self.takes_unknown_models.then(unknown))
    }

    /// A model of the catalogue by its id, or by what its weights are called, with or without who made them.
    fn known(&self, stem: &str, region: Option<&str>) -> Option<(String, Arc<Model>)> {
        let choice = self.spec.region_choice;
        if let Some(model) = self.catalog.find(stem) {
            let of_group = region.and_then(|region| {
                choice.ids(region, stem).find_map(|id| Some((self.catalog.find(&id)?.clone(), id)))
            });
            return Some(
                of_group.map_or_else(|| (stem.to_owned(), model.clone()), |(model, id)| (id, model)),
            );
        }
        // Of who made it only known names are taken away: what stands there otherwise is a part of the id.
        let is_maker = |(maker, _): &(&str, &str)| !self.takes_unknown_models && MAKERS.contains(maker);
        let short = stem.split_once('/').filter(is_maker).map_or(stem, |(_, rest)| rest);
        let mut fitting: Vec<_> = [stem, short]
            .into_iter()
            .flat_map(|name| {
                self.catalog.of_weights(name).chain((name != stem).then(|| self.catalog.find(name)).flatten())
            })
            .collect();
        // The shortest id is that of no group of regions.
        fitting.sort_by_key(|model| model.id.len());
        let plain = *fitting.first()?;
        let of_group = region.or(self.region.as_deref()).and_then(|region| {
            choice.ids(region, &plain.id).find_map(|id| fitting.iter().find(|model| model.id == id))
        });
        let model = of_group.copied().unwrap_or(plain);
        Some((model.id.clone(), model.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_a_whole_first() {
        let all: Vec<_> = readings("a@eu-west-1:low")
            .map(|reading| (reading.stem, reading.region, reading.variant))
            .collect();
        let low = Some(Variant::Effort(Effort::Low));
        assert_eq!(
            all,
            [("a@eu-west-1:low", None, None), ("a@eu-west-1", None, low), ("a", Some("eu-west-1"), low)]
        );
        // A day is no region, a version no variant.
        assert_eq!(readings("claude-x@20250929").count(), 1);
        assert_eq!(readings("a.b-v1:0").count(), 1);
        assert_eq!(readings("@eu").count(), 1);
        assert_eq!(readings(":low").count(), 1);
    }

    #[test]
    fn words_and_numbers_at_the_end_are_variants() {
        let variant = |name| without_variant(name).map(|(_, variant)| variant);
        assert_eq!(variant("o3:flex"), Some(Variant::Tier("flex")));
        assert_eq!(variant("m:8192"), Some(Variant::Budget(8192)));
        assert_eq!(variant("m:max").and_then(Variant::reasoning).unwrap().effort, Some(Effort::Max));
        assert_eq!(variant("llama3:8b"), None);
    }
}
