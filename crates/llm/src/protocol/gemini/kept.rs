//! Google's explicit caches: a prompt's beginning that is kept at Google for a while, for a rent, and read at a tenth of the
//! price by requests that name it.
//!
//! Such a request has no instructions, tools and tool settings of its own. <https://ai.google.dev/api/caching> and
//! <https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/context-cache/context-cache-overview>, read
//! 2026-11-26.

use crate::raw::RawObject;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The fields of a request that can be kept, in both spellings.
const KEPT: [[&str; 2]; 3] =
    [["systemInstruction", "system_instruction"], ["tools", "tools"], ["toolConfig", "tool_config"]];
/// How instructions tell that they hold what is elsewhere.
const FILES: [&[u8]; 2] = [b"\"fileData\"", b"\"file_data\""];
/// A request that names a prompt already.
const NAMED: [&str; 2] = ["cachedContent", "cached_content"];

/// The beginning of a prompt that could be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beginning {
    /// The fields, as JSON text, by the names that Google's documentation uses.
    fields: Vec<(&'static str, Vec<u8>)>,
}

impl Beginning {
    /// The beginning of a request. `None`: it has none, names one, or has tools that Google runs.
    pub fn of(request: &RawObject) -> Option<Self> {
        if NAMED.iter().any(|name| request.get(name).is_some()) {
            return None;
        }
        let present = |names: &[&'static str; 2]| {
            let raw = names.iter().find_map(|name| request.get(name)).filter(|raw| *raw != b"null")?;
            Some((names[0], raw.to_vec()))
        };
        let fields: Vec<_> = KEPT.iter().filter_map(present).collect();
        let has_instructions = fields.first().is_some_and(|(name, _)| *name == KEPT[0][0]);
        // A file may have more tokens than its name has bytes.
        let is_text = |raw: &[u8]| FILES.iter().all(|word| memmem::find(raw, word).is_none());
        let is_bounded = fields.first().is_some_and(|(_, raw)| is_text(raw));
        let runs_none = fields.iter().all(|(name, raw)| *name != "tools" || are_functions(raw));
        (has_instructions && is_bounded && runs_none).then_some(Self { fields })
    }

    /// All of it, to tell two apart.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().flat_map(|(name, raw)| [name.as_bytes(), raw])
    }

    /// Its bytes: no fewer than it has tokens.
    pub fn bytes(&self) -> u64 {
        self.parts().map(|part| part.len() as u64).sum()
    }

    /// The request to keep it for so many seconds, for a model.
    pub fn creation(&self, model: &str, seconds: u64) -> Vec<u8> {
        // Writing a string into memory cannot fail.
        let model = serde_json::to_string(model).unwrap_or_default();
        let mut body = format!("{{\"model\":{model},\"ttl\":\"{seconds}s\"").into_bytes();
        for (name, raw) in &self.fields {
            body.extend_from_slice(format!(",\"{name}\":").as_bytes());
            body.extend_from_slice(raw);
        }
        body.push(b'}');
        body
    }
}

/// Tools that the caller runs, and no others.
fn are_functions(tools: &[u8]) -> bool {
    let Ok(tools) = serde_json::from_slice::<Vec<&RawValue>>(tools) else { return false };
    tools.iter().all(|tool| {
        let tool = RawObject::parse(tool.get().as_bytes().to_vec().into());
        tool.is_ok_and(|tool| {
            tool.keys().all(|key| matches!(key, "functionDeclarations" | "function_declarations"))
        })
    })
}

/// Names a kept beginning in a request, in the place of its own.
pub fn name(request: &mut RawObject, kept: &str) {
    for field in KEPT.as_flattened() {
        request.remove(field);
    }
    request.set_string(NAMED[0], kept);
}

/// What was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// What requests call it.
    pub name: String,
    /// How many tokens it has, where that is told.
    pub tokens: Option<u64>,
}

/// Reads the answer to the request to keep something. `None`: it is none.
pub fn read(answer: &[u8]) -> Option<Kept> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default)]
        usage_metadata: Option<Counted>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        total_token_count: Option<u64>,
    }
    let wire: Wire<'_> = serde_json::from_slice(answer).ok()?;
    let tokens = wire.usage_metadata.and_then(|counted| counted.total_token_count);
    wire.name.contains("cachedContents/").then(|| Kept { name: wire.name.into_owned(), tokens })
}

/// Whether a refusal says that what a request names is not kept, or not any more.
pub fn is_of_kept(refusal: &[u8]) -> bool {
    let text = refusal.to_ascii_lowercase();
    ["cachedcontent", "cached content"].iter().any(|word| memmem::find(&text, word.as_bytes()).is_some())
}

/// Where prompts are kept, and what the model is called there, by the address of its answers: at the Gemini API and at
/// Vertex AI.
pub fn place(address: &str) -> Option<(String, String)> {
    let (before, _) = address.rsplit_once(':')?;
    if let Some((base, _)) = before.split_once("/publishers/") {
        let model = &before[before.find("/projects/")? + 1..];
        return Some((format!("{base}/cachedContents"), model.to_owned()));
    }
    let (base, model) = before.rsplit_once("/models/")?;
    Some((format!("{base}/cachedContents"), format!("models/{model}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn request(text: &str) -> RawObject {
        RawObject::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_beginning_is_kept_and_named() {
        let text = r#"{"contents":[{"parts":[{"text":"Hi"}]}],"system_instruction":{"parts":[{"text":"Be brief."}]},"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":null}"#;
        let mut sent = request(text);
        let beginning = Beginning::of(&sent).unwrap();
        assert_eq!(
            String::from_utf8(beginning.creation("models/m", 300)).unwrap(),
            r#"{"model":"models/m","ttl":"300s","systemInstruction":{"parts":[{"text":"Be brief."}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#
        );
        assert!(beginning.bytes() < text.len() as u64);
        name(&mut sent, "cachedContents/7");
        assert_eq!(
            &sent.to_bytes()[..],
            br#"{"contents":[{"parts":[{"text":"Hi"}]}],"cachedContent":"cachedContents/7"}"#
        );
        assert_eq!(Beginning::of(&sent), None);
    }

    #[test]
    fn what_google_runs_and_what_has_no_instructions_is_left_alone() {
        for text in [
            r#"{"contents":[]}"#,
            r#"{"contents":[],"tools":[{"functionDeclarations":[]}]}"#,
            r#"{"contents":[],"systemInstruction":{},"tools":[{"googleSearch":{}}]}"#,
            r#"{"contents":[],"systemInstruction":{},"tools":7}"#,
            r#"{"contents":[],"systemInstruction":{"parts":[{"fileData":{"fileUri":"https://a/b.mp4"}}]}}"#,
        ] {
            assert_eq!(Beginning::of(&request(text)), None, "{text}");
        }
    }

    #[test]
    fn answers_tell_the_name_and_the_tokens() {
        let told = br#"{"name":"cachedContents/4e2","model":"models/m","usageMetadata":{"totalTokenCount":4200},"expireTime":"2026-11-26T10:00:00Z"}"#;
        assert_eq!(read(told), Some(Kept { name: "cachedContents/4e2".to_owned(), tokens: Some(4_200) }));
        assert_eq!(read(br#"{"error":{"code":400}}"#), None);
        assert!(is_of_kept(b"{\"error\":{\"message\":\"CachedContent not found (or permission denied)\"}}"));
        assert!(is_of_kept(b"Not found: cached content metadata for 7."));
        assert!(!is_of_kept(b"{\"error\":{\"message\":\"Invalid JSON payload\"}}"));
    }

    #[test]
    fn places_are_those_of_the_models_own_host() {
        let place = |address| place(address).unwrap();
        let (at, model) =
            place("https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent");
        assert_eq!(at, "https://generativelanguage.googleapis.com/v1beta/cachedContents");
        assert_eq!(model, "models/gemini-2.5-pro");
        let (at, model) = place(
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        );
        assert_eq!(
            at,
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/cachedContents"
        );
        assert_eq!(model, "projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-pro");
    }
}
