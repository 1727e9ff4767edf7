//! The floors of the crates: who may depend on whom, and which libraries stay out of where.
//!
//! The picture is the one in docs/ARCHITECTURE.md; a crate that is not in it has no place yet.

use super::Finding;
use crate::json::Json;

/// Our crates, and those of ours that each may depend on.
const FLOORS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("llm", &["domain"]),
    ("store", &["domain"]),
    ("gateway", &["llm", "store", "domain"]),
    ("control", &["store", "domain"]),
    ("signalbox", &["gateway", "control", "llm", "store", "domain"]),
    ("fuzz", &["signalbox", "gateway", "llm", "store", "domain"]),
    ("xtask", &[]),
];

/// Where a library may be used.
enum Confined {
    Never(&'static [&'static str]),
    Only(&'static [&'static str]),
}

const LIBRARIES: &[(&str, Confined)] = &[
    ("axum", Confined::Never(&["domain", "llm", "store"])),
    ("hyper", Confined::Never(&["domain", "llm"])),
    ("redis", Confined::Only(&["store"])),
    ("reqwest", Confined::Never(&["domain", "llm"])),
    ("sqlx", Confined::Only(&["store"])),
    ("tokio", Confined::Never(&["domain", "llm"])),
    ("utoipa", Confined::Only(&["control"])),
];

/// Checks what `cargo metadata --no-deps` says.
pub fn check(metadata: &Json) -> Vec<Finding> {
    let packages = metadata.at(&["packages"]).map_or(&[][..], Json::items);
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Json) -> Vec<Finding> {
    let name = text(package, "name");
    let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == name) else {
        return vec![Finding::new(name, "this crate has no place in the picture of floors")];
    };
    let mut findings = Vec::new();
    for dependency in package.at(&["dependencies"]).map_or(&[][..], Json::items) {
        let on = text(dependency, "name");
        // Only a dependency inside the workspace has a path.
        let is_ours = dependency.at(&["path"]).and_then(Json::as_str).is_some();
        if is_ours && !allowed.contains(&on) {
            findings.push(Finding::new(name, format!("must not depend on {on}")));
        }
        // Tests may use what the product must not.
        let is_for_tests = text(dependency, "kind") == "dev";
        if !is_ours && !is_for_tests && is_confined(on, name) {
            findings.push(Finding::new(name, format!("must not use {on}")));
        }
    }
    // Where a crate has no dependencies on principle, that includes its tests.
    if name == "xtask" && findings.is_empty() && has_dependencies(package) {
        findings.push(Finding::new(name, "has no dependencies, on principle"));
    }
    findings
}

fn is_confined(library: &str, package: &str) -> bool {
    let rule = LIBRARIES.iter().find(|(name, _)| *name == library).map(|(_, rule)| rule);
    match rule {
        Some(Confined::Never(packages)) => packages.contains(&package),
        Some(Confined::Only(packages)) => !packages.contains(&package),
        None => false,
    }
}

fn has_dependencies(package: &Json) -> bool {
    package.at(&["dependencies"]).is_some_and(|list| !list.items().is_empty())
}

fn text<'a>(value: &'a Json, name: &str) -> &'a str {
    value.at(&[name]).and_then(Json::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings about one crate with one dependency.
    fn found(package: &str, dependency: &str) -> Vec<String> {
        let text = format!(r#"{{"packages":[{{"name":"{package}","dependencies":[{dependency}]}}]}}"#);
        check(&Json::parse(&text).unwrap()).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_dependency_upwards_or_sideways_is_found() {
        assert_eq!(found("llm", r#"{"name":"domain","kind":null,"path":"x"}"#), [""; 0]);
        assert_eq!(
            found("llm", r#"{"name":"store","kind":null,"path":"x"}"#),
            ["llm: must not depend on store"]
        );
        assert_eq!(
            found("domain", r#"{"name":"llm","kind":"dev","path":"x"}"#),
            ["domain: must not depend on llm"]
        );
    }

    #[test]
    fn a_confined_library_is_found_outside_tests() {
        assert_eq!(found("llm", r#"{"name":"tokio","kind":null}"#), ["llm: must not use tokio"]);
        assert_eq!(found("llm", r#"{"name":"tokio","kind":"dev"}"#), [""; 0]);
        assert_eq!(found("gateway", r#"{"name":"sqlx","kind":"build"}"#), ["gateway: must not use sqlx"]);
        assert_eq!(found("store", r#"{"name":"sqlx","kind":null}"#), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(found("utilities", ""), ["utilities: this crate has no place in the picture of floors"]);
        assert_eq!(
            found("xtask", r#"{"name":"anyhow","kind":null}"#),
            ["xtask: has no dependencies, on principle"]
        );
    }
}
