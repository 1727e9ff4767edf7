//! Tools that Google runs by itself.
//!
//! Searches are billed by the query from Gemini 3 on, before that by the prompt; what was found and what code printed is
//! counted as tokens of the prompt. Nobody can limit how often they run. Maps, stores of files and searches of other
//! kinds are billed by figures of their own.
//! <https://ai.google.dev/gemini-api/docs/pricing>, read 2026-11-26.

use super::{ASSUMED_SEARCHES, Rounds};
use crate::raw::RawObject;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Tools that are run by the caller, in either spelling.
const OF_CALLER: [&str; 4] = ["functionDeclarations", "function_declarations", "computerUse", "computer_use"];
/// Tools whose work is counted in tokens.
const IN_TOKENS: [&str; 6] =
    ["urlContext", "url_context", "codeExecution", "code_execution", "googleSearch", "google_search"];

/// What tells a tool of another protocol from one element of Gemini's `tools`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// The elements of `tools`. `None`: they cannot be read.
fn tools(body: &RawObject) -> Option<Vec<&RawValue>> {
    match body.get("tools").filter(|raw| *raw != b"null") {
        Some(raw) => serde_json::from_slice(raw).ok(),
        None => Some(Vec::new()),
    }
}

/// The names of what is asked for in one element.
fn names(item: &RawValue) -> Option<RawObject> {
    RawObject::parse(bytes::Bytes::copy_from_slice(item.get().as_bytes())).ok()
}

/// Whether a body in Gemini's protocol asks to search.
pub(super) fn asks_for_search(body: &RawObject) -> bool {
    let is_search = |item: &&RawValue| {
        names(item).is_some_and(|tool| tool.keys().any(|key| matches!(key, "googleSearch" | "google_search")))
    };
    tools(body).is_some_and(|items| items.iter().any(is_search))
}

/// What Google may do by itself when it gets this body, which may be in another protocol.
pub(super) fn rounds(body: &RawObject, model: &str) -> Rounds {
    let is_asked = body.get("web_search_options").is_some_and(|raw| raw != b"null");
    let mut rounds = if is_asked { searched(model) } else { Rounds::default() };
    // What cannot be read is refused by the provider; should it not, the usual is assumed.
    let Some(items) = tools(body) else { return Rounds::ASSUMED };
    for item in items {
        let Ok(tool) = serde_json::from_str::<Tool<'_>>(item.get()) else { return Rounds::ASSUMED };
        if tool.kind.is_some() || tool.name.is_some() {
            if tool.kind.is_some_and(|kind| kind.starts_with("web_search")) {
                rounds = searched(model);
            }
            continue;
        }
        let Some(object) = names(item) else { return Rounds::ASSUMED };
        for key in object.keys().filter(|key| !OF_CALLER.contains(key)) {
            rounds.looks = ASSUMED_SEARCHES;
            rounds.has_other_charges |= !IN_TOKENS.contains(&key);
            if matches!(key, "googleSearch" | "google_search") {
                rounds.searches = searched(model).searches;
            }
        }
    }
    rounds
}

/// As many searches as are billed.
fn searched(model: &str) -> Rounds {
    let searches = if crate::protocol::gemini::bills_queries(model) { ASSUMED_SEARCHES } else { 1 };
    Rounds { searches, ..Rounds::ASSUMED }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> RawObject {
        RawObject::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn searches_are_bounded_as_they_are_billed() {
        let (old, new) = ("gemini-2.5-flash", "gemini-3-flash-preview");
        for (text, model, expected) in [
            (r#"{"contents":[]}"#, new, (0, 0, false)),
            (r#"{"tools":[{"functionDeclarations":[{"name":"googleSearch"}]}]}"#, new, (0, 0, false)),
            (r#"{"tools":[{"googleSearch":{}}]}"#, new, (10, 10, false)),
            (r#"{"tools":[{"google\u0053earch":{}}]}"#, new, (10, 10, false)),
            (r#"{"tools":[{"google_search":{}}]}"#, old, (1, 10, false)),
            (r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#, new, (10, 10, false)),
            (r#"{"tools":[{"name":"look","input_schema":{}}]}"#, new, (0, 0, false)),
            (r#"{"web_search_options":{}}"#, old, (1, 10, false)),
            (r#"{"tools":[{"codeExecution":{}}]}"#, new, (0, 10, false)),
            (r#"{"tools":[{"googleMaps":{}},{"googleSearch":{}}]}"#, new, (10, 10, true)),
            (r#"{"tools":[{"fileSearch":{"fileSearchStoreNames":["x"]}}]}"#, new, (0, 10, true)),
            (r#"{"tools":{"googleSearch":1}}"#, new, (10, 10, false)),
        ] {
            let rounds = rounds(&body(text), model);
            assert_eq!((rounds.searches, rounds.looks, rounds.has_other_charges), expected, "{text}");
        }
    }

    #[test]
    fn others_are_asked_to_search_by_this_name_alone() {
        assert!(asks_for_search(&body(r#"{"tools":[{"googleSearch":{}}]}"#)));
        assert!(!asks_for_search(&body(r#"{"tools":[{"urlContext":{}},{"type":"function"}]}"#)));
    }
}
