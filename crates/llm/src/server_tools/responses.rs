//! OpenAI's Responses: the tools that run at the provider, within one call.
//!
//! The model calls them as often as it likes, and looks at all of the prompt again after each, unless
//! `max_tool_calls` limits them all together
//! (<https://developers.openai.com/api/reference/resources/responses/methods/create>, read 2026-11-26). A search of the
//! web has a price here; files that are searched, containers and pictures that are made are billed by figures of their
//! own (<https://developers.openai.com/api/docs/pricing>, read 2026-11-26). Tools of remote servers cost tokens alone, of
//! which their definitions, fetched at the start, are some.

use super::{ASSUMED_SEARCHES, Rounds};
use crate::raw::RawObject;
use serde::Deserialize;
use std::borrow::Cow;

/// Tools that the caller runs; the call ends with what it is asked to do.
const RUN_BY_CALLER: [&str; 4] = ["function", "custom", "local_shell", "apply_patch"];
/// Tools that cost no more than the tokens they bring.
const TOKENS_ALONE: [&str; 3] = ["mcp", "tool_search", "programmatic_tool_calling"];

#[derive(Deserialize, Default)]
struct Tool<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
    /// As other protocols limit searches.
    #[serde(default)]
    max_uses: Option<u64>,
    #[serde(borrow, default)]
    environment: Option<Environment<'a>>,
    #[serde(borrow, default)]
    tools: Vec<Tool<'a>>,
}

#[derive(Deserialize)]
struct Environment<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Cow<'a, str>,
}

impl Tool<'_> {
    fn is_search(&self) -> bool {
        self.kind.starts_with("web_search")
    }

    fn runs_at_the_provider(&self) -> bool {
        let is_local = self.environment.as_ref().is_some_and(|environment| environment.kind == "local");
        let kind = self.kind.as_ref();
        match kind {
            "namespace" => self.tools.iter().any(Tool::runs_at_the_provider),
            "shell" => !is_local,
            // Another protocol's tools have no type, or one that is not sent on.
            "" => false,
            _ => !RUN_BY_CALLER.contains(&kind) && !kind.starts_with("computer"),
        }
    }

    fn has_other_charges(&self) -> bool {
        self.runs_at_the_provider()
            && !self.is_search()
            && !TOKENS_ALONE.contains(&self.kind.as_ref())
            && (self.kind != "namespace" || self.tools.iter().any(Tool::has_other_charges))
    }
}

/// The tools that run at the provider. `None`: they cannot be read.
fn tools(body: &RawObject) -> Option<Vec<Tool<'_>>> {
    let mut tools: Vec<Tool<'_>> = match body.get("tools").filter(|raw| *raw != b"null") {
        Some(raw) => serde_json::from_slice(raw).ok()?,
        None => Vec::new(),
    };
    if let Some(raw) = body.get("web_search_options").filter(|raw| *raw != b"null") {
        let options: Tool<'_> = serde_json::from_slice(raw).ok()?;
        tools.push(Tool { kind: "web_search".into(), ..options });
    }
    tools.retain(Tool::runs_at_the_provider);
    Some(tools)
}

fn max_tool_calls(body: &RawObject) -> Option<u64> {
    body.get("max_tool_calls").and_then(|raw| serde_json::from_slice(raw).ok())
}

/// What may be done within one call.
pub(super) fn rounds(body: &RawObject) -> Rounds {
    let Some(tools) = tools(body) else { return Rounds { has_other_charges: true, ..Rounds::ASSUMED } };
    if tools.is_empty() {
        return Rounds::default();
    }
    let is_search_alone = tools.iter().all(Tool::is_search);
    let uses = tools.iter().map(|tool| tool.max_uses).sum::<Option<u64>>().filter(|_| is_search_alone);
    let calls = max_tool_calls(body).or(uses).unwrap_or(ASSUMED_SEARCHES);
    Rounds {
        searches: if tools.iter().any(Tool::is_search) { calls } else { 0 },
        // What others than searches fetch may be there at the first look already.
        looks: calls.saturating_add(u64::from(!is_search_alone)),
        has_other_charges: tools.iter().any(Tool::has_other_charges),
    }
}

/// Limits the calls of tools that run at the provider, where nothing does. Whether it had to.
pub(super) fn limit(body: &mut RawObject, calls: u64) -> bool {
    let is_missing = max_tool_calls(body).is_none() && tools(body).is_none_or(|tools| !tools.is_empty());
    if is_missing {
        body.set("max_tool_calls", calls.to_string().into_bytes());
    }
    is_missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn body(text: &str) -> RawObject {
        RawObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn calls_are_bounded_by_their_limit_and_charges_that_nobody_knows_are_told() {
        for (text, searches, looks, has_other_charges) in [
            ("{}", 0, 0, false),
            (
                r#"{"tools":[{"type":"function","name":"web_search"},{"type":"custom","name":"x"}]}"#,
                0,
                0,
                false,
            ),
            (r#"{"tools":[{"type":"computer_use_preview"},{"type":"local_shell"}]}"#, 0, 0, false),
            (r#"{"tools":[{"type":"web_search"}]}"#, 10, 10, false),
            (r#"{"tools":[{"type":"web_search_preview"}],"max_tool_calls":3}"#, 3, 3, false),
            (r#"{"tools":[{"type":"mcp","server_url":"https://x"}],"max_tool_calls":3}"#, 0, 4, false),
            (r#"{"tools":[{"type":"web_search"},{"type":"file_search"}],"max_tool_calls":3}"#, 3, 4, true),
            (r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#, 0, 11, true),
            (r#"{"tools":[{"type":"image_generation"}]}"#, 0, 11, true),
            (r#"{"tools":[{"type":"shell","environment":{"type":"local"}}]}"#, 0, 0, false),
            (r#"{"tools":[{"type":"shell","environment":{"type":"container_auto"}}]}"#, 0, 11, true),
            (r#"{"tools":[{"type":"namespace","tools":[{"type":"function","name":"f"}]}]}"#, 0, 0, false),
            (r#"{"tools":[{"type":"tool_of_next_year"}]}"#, 0, 11, true),
            (
                r#"{"tools":[{"name":"look","input_schema":{}},{"type":"web_search_20250305","max_uses":2}]}"#,
                2,
                2,
                false,
            ),
            (r#"{"web_search_options":{}}"#, 10, 10, false),
            (r#"{"tools":{"web_search":1}}"#, 10, 10, true),
        ] {
            assert_eq!(rounds(&body(text)), Rounds { searches, looks, has_other_charges }, "{text}");
        }
    }

    #[test]
    fn a_limit_is_written_where_one_is_missing() {
        for (text, is_changed) in [
            (r#"{"tools":[{"type":"function","name":"f"}]}"#, false),
            (r#"{"tools":[{"type":"web_search"}],"max_tool_calls":9}"#, false),
            (r#"{"tools":[{"type":"web_search"}],"max_tool_calls":null}"#, true),
            (r#"{"tools":[{"type":"mcp"}]}"#, true),
        ] {
            let mut body = body(text);
            assert_eq!(limit(&mut body, 5), is_changed, "{text}");
            assert_eq!(body.get("max_tool_calls") == Some(b"5"), is_changed, "{text}");
        }
    }
}
