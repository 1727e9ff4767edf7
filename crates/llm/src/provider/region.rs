//! How callers choose where a model runs: `provider/model@region`.

/// Longer texts name no region.
const BYTES_MAX: usize = 32;

/// How the region that a caller names reaches a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionChoice {
    /// It cannot: whoever configures the provider chooses.
    Configured,
    /// It stands in this place of the address.
    Place {
        /// The place's name.
        name: &'static str,
        /// How ids of models begin that are served in a group of regions, by how the regions of that group begin. The
        /// first group that has a region counts, and of its beginnings the first that the catalogue knows a model with.
        groups: &'static [(&'static str, &'static [&'static str])],
    },
    /// Some regions have addresses of their own.
    Addresses(&'static [(&'static str, &'static str)]),
}

impl RegionChoice {
    /// What a model may be called in a region, best first, besides its own id.
    pub fn ids(self, region: &str, id: &str) -> impl Iterator<Item = String> {
        let groups = match self {
            RegionChoice::Place { groups, .. } => groups,
            RegionChoice::Configured | RegionChoice::Addresses(_) => &[],
        };
        let group = groups.iter().find(|(start, _)| region.starts_with(start));
        let beginnings = group.map_or(&[][..], |(_, beginnings)| beginnings);
        beginnings.iter().map(move |beginning| format!("{beginning}{id}"))
    }
}

/// Whether a text can name a region. It becomes a part of an address, so nothing else may stand in it.
pub fn is_region(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_country = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_numbered = text.contains('-') && text.ends_with(|last: char| last.is_ascii_digit());
    text.len() <= BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(is_word)
        && (is_country || is_numbered || text == "global")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_a_host_is_a_region() {
        for text in ["eu-central-1", "europe-west1", "global", "eu"] {
            assert!(is_region(text), "{text}");
        }
        for text in
            ["", "s3", "sts", "20250929", "EU", "eu.evil.example", "eu/..", "eu-", "-eu", &"a".repeat(33)]
        {
            assert!(!is_region(text), "{text}");
        }
    }

    #[test]
    fn the_first_group_that_has_a_region_counts() {
        let choice = crate::provider::find("bedrock").unwrap().region_choice;
        let ids = |region: &str| choice.ids(region, "m").collect::<Vec<_>>();
        assert_eq!(ids("eu-central-1"), ["eu.m"]);
        assert_eq!(ids("us-gov-west-1"), ["us-gov.m"]);
        assert_eq!(ids("ap-southeast-2"), ["au.m", "apac.m"]);
        assert!(ids("sa-east-1").is_empty());
    }
}
