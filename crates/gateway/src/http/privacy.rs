//! Where a model runs and what becomes of its texts, as far as that is certain, in the reference product's words.

use crate::Provider;
use domain::Model;
use domain::catalog::Privacy;
use llm::provider::RegionChoice;

/// How the names of regions begin, and what they are called. The regions of London and Zurich begin like those of the EU.
const PLACES: [(&str, &str); 9] = [
    ("eu-west-2", "global"),
    ("europe-west2", "global"),
    ("europe-west6", "global"),
    ("eu-central-2", "global"),
    ("eu", "eu"),
    ("us", "us"),
    ("asia-southeast1", "sg"),
    ("ap-southeast-1", "sg"),
    ("sg", "sg"),
];

/// Where a model runs: `eu`, `us`, `sg`, or `global` where it may be anywhere, or nobody knows. By the group of regions
/// that its id is of, by the region that the name names, or that of the address, or because its provider is nowhere else.
pub fn geolocation(provider: &Provider, model: &Model, named: Option<&str>) -> &'static str {
    let of_group = group(provider, &model.id);
    let own_host = || {
        let host = provider.example_uri()?.host()?.to_owned();
        let RegionChoice::Addresses(known) = provider.spec.region_choice else { return None };
        let is_there = |(_, base): &&(&'static str, &str)| base.contains(&format!("//{host}/"));
        known.iter().find(is_there).map(|(region, _)| *region)
    };
    match of_group.or(named).or(provider.region.as_deref()).or_else(own_host) {
        Some(region) => {
            PLACES.iter().find(|(start, _)| region.starts_with(start)).map_or("global", |(_, place)| place)
        }
        None if provider.catalog.privacy.is_of_eu => "eu",
        None => "global",
    }
}

/// The group of regions that an id is of.
fn group(provider: &Provider, id: &str) -> Option<&'static str> {
    let RegionChoice::Place { groups, .. } = provider.spec.region_choice else { return None };
    let known = groups.iter().flat_map(|(_, beginnings)| beginnings.iter()).chain(["global."].iter());
    known.copied().find(|beginning| !groups.is_empty() && id.starts_with(beginning))
}

/// What is known of the rest, for people.
pub fn comments(privacy: &Privacy) -> Option<String> {
    let told = [("training", &privacy.training), ("retention", &privacy.retention)];
    let told: Vec<String> =
        told.iter().filter_map(|(what, text)| Some(format!("{what}: {}", text.as_deref()?))).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ProviderSettings;
    use domain::{Capabilities, Mode};

    fn at(kind: &str, region: Option<&str>, base_url: Option<&str>, id: &str) -> &'static str {
        let mut places = std::collections::BTreeMap::new();
        if let Some(region) = region {
            places.insert(if kind == "vertex" { "location" } else { "region" }.to_owned(), region.to_owned());
        }
        if kind == "vertex" {
            places.insert("project".to_owned(), "p".to_owned());
        }
        let settings = ProviderSettings {
            places,
            base_url: base_url.map(str::to_owned),
            ..ProviderSettings::of("p".parse().unwrap(), llm::provider::find(kind).unwrap())
        };
        let model = Model {
            id: id.to_owned(),
            aliases: Vec::new(),
            weights: None,
            name: id.to_owned(),
            mode: Mode::Chat,
            context_window: 0,
            max_output_tokens: 0,
            capabilities: Capabilities::default(),
            released_at: 0,
            price: None,
            lifecycle: domain::catalog::Lifecycle::default(),
        };
        geolocation(&Provider::new(settings).unwrap(), &model, None)
    }

    #[test]
    fn a_place_is_told_only_where_it_is_certain() {
        assert_eq!(at("bedrock", Some("us-east-1"), None, "eu.anthropic.claude"), "eu");
        assert_eq!(at("bedrock", Some("eu-central-1"), None, "anthropic.claude"), "eu");
        assert_eq!(at("bedrock", Some("eu-central-1"), None, "global.anthropic.claude"), "global");
        assert_eq!(at("bedrock", Some("ap-southeast-1"), None, "apac.amazon.nova"), "global");
        assert_eq!(at("bedrock", Some("eu-west-2"), None, "amazon.nova"), "global");
        assert_eq!(at("vertex", None, None, "gemini-2.5-pro"), "global");
        assert_eq!(at("vertex", Some("europe-west1"), None, "gemini-2.5-pro"), "eu");
        assert_eq!(at("openai", None, None, "gpt-5"), "global");
        assert_eq!(at("openai", None, Some("https://eu.api.openai.com/v1"), "gpt-5"), "eu");
        assert_eq!(at("groq", None, None, "us.llama"), "global");
    }
}
