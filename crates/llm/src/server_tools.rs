//! Tools that a provider runs by itself within one call: how often they run, and how often the model then looks at
//! the whole prompt again, which is billed each time.
//!
//! Anthropic lets the model and its tools take turns, at most ten in a call by default, then pauses
//! (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview> and
//! <https://platform.claude.com/docs/en/api/handling-stop-reasons>, read 2026-11-26). `max_uses` limits how often a
//! search or a fetch runs; what is tried beyond it fails with `max_uses_exceeded`
//! (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool>, read 2026-11-26). Later
//! versions of both tools filter what they found by running code, so only the turns bound those. How long the
//! results of a search are is documented nowhere.
//!
//! In OpenAI's chat a model without reasoning passes its prompt to one search and answers from what that brings; a
//! reasoning one searches as often as it likes (<https://developers.openai.com/api/docs/guides/tools-web-search>,
//! read 2026-11-26). What those without reasoning find is not billed as tokens
//! (<https://developers.openai.com/api/docs/pricing>, as quoted on 2026-03-12 by
//! <https://modelcostwatch.com/openai/tool-costs/web-search>, read 2026-11-26).

mod gemini;
mod responses;

use crate::protocol::Protocol;
use crate::raw::RawObject;
use bytes::Bytes;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Looks that may follow the first.
const ANTHROPIC_LOOKS: u64 = 9;
/// Searches where nobody says how many, and as many looks.
const ASSUMED_SEARCHES: u64 = 10;
/// Searches beyond the limit: they fail, and the model is told so. A model that is told goes on without.
const FAILING_SEARCHES: u64 = 1;
/// Tools that take `max_uses` and do nothing but what they are called for.
const SIMPLE_TOOLS: [&str; 4] = ["web_search", "web_search_20250305", "web_fetch", "web_fetch_20250910"];

/// How a list of tools tells that one of them may be run by the provider. An escaped letter may hide any of them.
static HINTS: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
    ["web_search", "web_fetch", "code_execution", "tool_search_tool", "mcp_toolset", "\\u00"].map(Finder::new)
});
/// How the configuration of tools tells that Bedrock may run one of them. An escaped letter may hide it.
static SYSTEM_TOOL: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["\"systemTool\"", "\\u00"].map(Finder::new));
static WEB_SEARCH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("web_search"));

/// What a provider may do by itself within one call, at the most.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rounds {
    /// Web searches.
    pub searches: u64,
    /// Looks of the model at the whole prompt and what was found, after the first look at the prompt.
    pub looks: u64,
    /// Some of it is billed by other figures than tokens and searches, which no price here covers.
    pub has_other_charges: bool,
}

impl Rounds {
    const ASSUMED: Rounds =
        Rounds { searches: ASSUMED_SEARCHES, looks: ASSUMED_SEARCHES, has_other_charges: false };
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    max_uses: Option<u64>,
}

impl Tool<'_> {
    fn is(&self, prefix: &str) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.starts_with(prefix))
    }

    /// It runs at the provider, as often as this says.
    fn takes_a_limit(&self) -> bool {
        self.is("web_search") || self.is("web_fetch")
    }

    fn runs_without_limit(&self) -> bool {
        self.is("code_execution") || self.is("tool_search_tool") || self.is("mcp_toolset")
    }
}

/// What a provider may do by itself when it gets this body, which may be in another protocol than its own.
pub fn rounds(body: &RawObject, provider: Protocol, model: &str) -> Rounds {
    match provider {
        // A caller of Gemini's protocol can ask others for one thing only: to search.
        Protocol::OpenAiChat | Protocol::AnthropicMessages if gemini::asks_for_search(body) => {
            Rounds::ASSUMED
        }
        Protocol::AnthropicMessages => by_anthropic(body),
        Protocol::OpenAiResponses => responses::rounds(body),
        Protocol::Gemini => gemini::rounds(body, model),
        Protocol::BedrockConverse => by_bedrock(body),
        // They run none.
        Protocol::CohereChat => Rounds::default(),
        Protocol::OpenAiChat => {
            // These search always, asked or not.
            if model.contains("-search-preview") {
                return Rounds { searches: 1, ..Rounds::default() };
            }
            let holds = |field| body.get(field).is_some_and(|raw| WEB_SEARCH.find(raw).is_some());
            let is_asked = body.get("web_search_options").is_some() || holds("tools");
            if is_asked || model.contains("-search-api") { Rounds::ASSUMED } else { Rounds::default() }
        }
    }
}

/// Whether a body, in any protocol, asks for a search of the web that its provider makes.
pub fn asks_for_search(body: &RawObject) -> bool {
    let is_asked = body.get("web_search_options").is_some_and(|raw| raw != b"null");
    is_asked || gemini::asks_for_search(body) || has_search_tool(body)
}

fn has_search_tool(body: &RawObject) -> bool {
    let Some(raw) = body.get("tools").filter(|raw| WEB_SEARCH.find(raw).is_some()) else { return false };
    let tools: Vec<Tool<'_>> = serde_json::from_slice(raw).unwrap_or_default();
    tools.iter().any(|tool| tool.is("web_search"))
}

/// Nova's own tools, and guardrails, are billed by figures of their own
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_SystemTool.html>, read 2026-11-26; prices were not looked up).
fn by_bedrock(body: &RawObject) -> Rounds {
    #[derive(Deserialize)]
    struct Config {
        tools: Vec<Tool>,
    }
    #[derive(Deserialize)]
    struct Tool {
        #[serde(rename = "systemTool", default)]
        system: Option<IgnoredAny>,
    }
    let may_run = |raw: &&[u8]| SYSTEM_TOOL.iter().any(|hint| hint.find(raw).is_some());
    let runs_tools = body.get("toolConfig").filter(may_run).is_some_and(|raw| {
        serde_json::from_slice::<Config>(raw)
            .map_or(true, |config| config.tools.iter().any(|tool| tool.system.is_some()))
    });
    let is_guarded = body.get("guardrailConfig").is_some_and(|raw| raw != b"null");
    let looks = if runs_tools { ASSUMED_SEARCHES } else { 0 };
    Rounds { searches: 0, looks, has_other_charges: runs_tools || is_guarded }
}

fn by_anthropic(body: &RawObject) -> Rounds {
    let is_remote = body.get("mcp_servers").is_some();
    let mut tools = Vec::new();
    if let Some(raw) = body.get("tools").filter(|raw| HINTS.iter().any(|hint| hint.find(raw).is_some())) {
        // What cannot be read is refused by the provider; should it not, the usual is assumed.
        let Ok(read) = serde_json::from_slice::<Vec<Tool<'_>>>(raw) else { return Rounds::ASSUMED };
        tools = read;
    }
    if let Some(raw) = body.get("web_search_options").filter(|raw| *raw != b"null") {
        let Ok(options) = serde_json::from_slice::<Tool<'_>>(raw) else { return Rounds::ASSUMED };
        tools.push(Tool { kind: Some("web_search".into()), ..options });
    }
    let (mut searches, mut uses, mut is_simple) = (0u64, 0u64, !is_remote);
    for tool in &tools {
        if tool.takes_a_limit() {
            let most = tool.max_uses.unwrap_or(ASSUMED_SEARCHES);
            uses = uses.saturating_add(most).saturating_add(FAILING_SEARCHES);
            searches = searches.saturating_add(if tool.is("web_search") { most } else { 0 });
            is_simple &= tool.kind.as_deref().is_some_and(|kind| SIMPLE_TOOLS.contains(&kind));
        }
        is_simple &= !tool.runs_without_limit();
    }
    let looks = if is_simple { uses.min(ANTHROPIC_LOOKS) } else { ANTHROPIC_LOOKS };
    Rounds { searches, looks, has_other_charges: false }
}

/// Limits the searches of a body that goes to a provider which takes limits, where it has none of its own. Whether it
/// had to. `inbound` is the body's protocol.
pub fn limit_for(provider: Protocol, inbound: Protocol, body: &mut RawObject, uses: u64) -> bool {
    match (provider, inbound) {
        (Protocol::OpenAiChat | Protocol::Gemini | Protocol::BedrockConverse | Protocol::CohereChat, _) => {
            false
        }
        (Protocol::OpenAiResponses, Protocol::OpenAiResponses) => responses::limit(body, uses),
        (Protocol::OpenAiResponses | Protocol::AnthropicMessages, _) => limit(body, uses),
    }
}

/// Limits the searches and fetches of a body that goes to Anthropic, where it has no limit of its own. Whether it had
/// to.
pub fn limit(body: &mut RawObject, uses: u64) -> bool {
    let options = body.get("web_search_options").filter(|raw| *raw != b"null").and_then(|raw| {
        let options: Tool<'_> = serde_json::from_slice(raw).ok()?;
        options.max_uses.is_none().then(|| with_limit(raw, uses)).flatten()
    });
    let tools = body
        .get("tools")
        .filter(|raw| HINTS.iter().any(|hint| hint.find(raw).is_some()))
        .and_then(|raw| limited_tools(raw, uses));
    let is_changed = options.is_some() || tools.is_some();
    if let Some(options) = options {
        body.set("web_search_options", options);
    }
    if let Some(tools) = tools {
        body.set("tools", tools);
    }
    is_changed
}

/// The list with limits, where one was missing. The bytes of all other tools stay.
fn limited_tools(raw: &[u8], uses: u64) -> Option<Vec<u8>> {
    let items: Vec<&RawValue> = serde_json::from_slice(raw).ok()?;
    let mut is_changed = false;
    let mut out = Vec::with_capacity(raw.len() + 64);
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let item = item.get();
        let lacks = serde_json::from_str::<Tool<'_>>(item)
            .is_ok_and(|tool| tool.takes_a_limit() && tool.max_uses.is_none());
        match lacks.then(|| with_limit(item.as_bytes(), uses)).flatten() {
            Some(limited) => {
                is_changed = true;
                out.extend_from_slice(&limited);
            }
            None => out.extend_from_slice(item.as_bytes()),
        }
    }
    out.push(b']');
    is_changed.then_some(out)
}

fn with_limit(object: &[u8], uses: u64) -> Option<Vec<u8>> {
    let mut object = RawObject::parse(Bytes::copy_from_slice(object)).ok()?;
    object.set("max_uses", uses.to_string().into_bytes());
    Some(object.to_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> RawObject {
        RawObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn anthropic(text: &str) -> (u64, u64) {
        let rounds = rounds(&body(text), Protocol::AnthropicMessages, "claude-opus-5-5");
        (rounds.searches, rounds.looks)
    }

    #[test]
    fn anthropics_turns_are_bounded_by_uses_and_by_the_loop() {
        for (text, expected) in [
            (r#"{"messages":[]}"#, (0, 0)),
            (r#"{"tools":[{"name":"look","input_schema":{"type":"object"}}]}"#, (0, 0)),
            // A tool of the caller's own that is only called so.
            (r#"{"tools":[{"name":"web_search","input_schema":{}}]}"#, (0, 0)),
            (r#"{"tools":[{"type":"custom","name":"web_search"}]}"#, (0, 0)),
            (r#"{"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2}]}"#, (2, 3)),
            (r#"{"tools":[{"type":"\u0077eb_search_20250305","max_uses":2}]}"#, (2, 3)),
            (r#"{"tools":[{"type":"web_search_20250305","max_uses":100}]}"#, (100, 9)),
            (r#"{"tools":[{"type":"web_search_20250305"}]}"#, (10, 9)),
            (r#"{"tools":[{"type":"web_search_20260209","max_uses":1}]}"#, (1, 9)),
            (r#"{"tools":[{"type":"web_fetch_20250910","max_uses":1}]}"#, (0, 2)),
            (r#"{"tools":[{"type":"code_execution_20250825","name":"code_execution"}]}"#, (0, 9)),
            (r#"{"mcp_servers":[{"type":"url"}]}"#, (0, 9)),
            // Searches that are no list of tools, or of no number.
            (r#"{"tools":{"web_search":1}}"#, (10, 10)),
            (r#"{"tools":[{"type":"web_search_20250305","max_uses":-1}]}"#, (10, 10)),
            (r#"{"web_search_options":{}}"#, (10, 9)),
            (r#"{"web_search_options":{"max_uses":1}}"#, (1, 2)),
        ] {
            assert_eq!(anthropic(text), expected, "{text}");
        }
    }

    #[test]
    fn openais_models_without_reasoning_search_once_and_others_as_they_like() {
        let of = |text, model| rounds(&body(text), Protocol::OpenAiChat, model);
        let once = Rounds { searches: 1, ..Rounds::default() };
        assert_eq!(of("{}", "gpt-4o-search-preview"), once);
        assert_eq!(of(r#"{"web_search_options":{}}"#, "gpt-4o-mini-search-preview-2025-03-11"), once);
        assert_eq!(of("{}", "gpt-5-search-api"), Rounds::ASSUMED);
        assert_eq!(of(r#"{"web_search_options":{}}"#, "sonar"), Rounds::ASSUMED);
        assert_eq!(of(r#"{"tools":[{"type":"web_search"}]}"#, "glm-5"), Rounds::ASSUMED);
        assert_eq!(of("{}", "gpt-5"), Rounds::default());
    }

    #[test]
    fn a_limit_is_written_only_where_it_is_missing() {
        let mut kept = body(r#"{"tools":[{"type":"web_search_20250305","max_uses":9}, {"name":"look"}]}"#);
        assert!(!limit(&mut kept, 5));
        assert_eq!(kept.original(), &kept.to_bytes());
        let mut limited = body(
            r#"{"tools":[{"name":"look", "input_schema":{"x":1.0}},{"type":"web_search_20250305"},
                {"type":"web_fetch_20250910","max_uses":null}],"web_search_options":{"search_context_size":"low"}}"#,
        );
        assert!(limit(&mut limited, 5));
        assert_eq!(
            &limited.to_bytes()[..],
            br#"{"tools":[{"name":"look", "input_schema":{"x":1.0}},{"type":"web_search_20250305","max_uses":5},{"type":"web_fetch_20250910","max_uses":5}],"web_search_options":{"search_context_size":"low","max_uses":5}}"#
        );
        for strange in [r#"{"tools":{"web_search":1}}"#, r#"{"tools":"web_search"}"#, "{}"] {
            assert!(!limit(&mut body(strange), 5), "{strange}");
        }
    }
}
