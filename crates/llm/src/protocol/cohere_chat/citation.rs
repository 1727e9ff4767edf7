//! Reading citations: which words of the answer rest on what.
//!
//! `types/citation.py` and `types/source.py` of Cohere's Python SDK 7.3.1, and
//! <https://docs.cohere.com/v2/docs/documents-and-citations>, <https://docs.cohere.com/docs/tool-use-streaming>, read
//! 2026-11-26. Cohere cites documents and results of tools whole. What is not on the web is worded as in Anthropic's
//! protocol, which alone of the callers' has words for it (`types/citation_char_location.py` and
//! `types/citations_search_result_location.py` of Anthropic's Python SDK, read 2026-11-26).

use super::super::TranslateError;
use super::super::fields::Fields;
use crate::ir::{Citation, Json};
use crate::protocol::Protocol;
use serde_json::Value;

/// What one citation of Cohere's says.
pub(super) struct Cited {
    /// The block of content that it is about, where that is told.
    pub block: Option<usize>,
    /// It is about the answer, not about thoughts or a plan.
    pub is_of_text: bool,
    /// One for each source.
    pub citations: Vec<Citation>,
}

/// Reads a citation.
pub(super) fn read(citation: &mut Fields<'_>) -> Result<Cited, TranslateError> {
    let (start, end) = (citation.count("start")?, citation.count("end")?);
    let span = start.zip(end);
    citation.raw("text");
    let kind = citation.string("type")?;
    let block = citation.count("content_index")?.and_then(|at| usize::try_from(at).ok());
    let mut citations = Vec::new();
    for mut source in citation.objects("sources")? {
        citations.push(Citation { span, ..of_source(&mut source)? });
    }
    Ok(Cited { block, is_of_text: kind.is_none_or(|kind| kind == "TEXT_CONTENT"), citations })
}

fn of_source(source: &mut Fields<'_>) -> Result<Citation, TranslateError> {
    let id = source.string("id")?.unwrap_or_default();
    let is_tool = source.string("type")?.as_deref() == Some("tool");
    let told: Value = source.get(if is_tool { "tool_output" } else { "document" })?.unwrap_or_default();
    let field = |names: &[&str]| names.iter().find_map(|name| told.get(*name).and_then(Value::as_str));
    let url = field(&["url"]).filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let title = field(&["title", "name"]).unwrap_or(&id).to_owned();
    let cited_text = match field(&["text", "snippet", "content"]) {
        Some(text) => text.to_owned(),
        None if told.is_null() => String::new(),
        None => told.to_string(),
    };
    let raw = match url {
        Some(_) => None,
        None => Some(elsewhere(&id, is_tool, &title, &cited_text)),
    };
    let raw = raw.and_then(|raw| Json::parse(&raw.to_string()));
    Ok(Citation {
        url: url.unwrap_or_default().to_owned(),
        title,
        cited_text,
        span: None,
        raw: raw.map(|raw| (Protocol::AnthropicMessages, raw)),
    })
}

/// A source that is not on the web. Ids end with a number: `2` as we give it, `doc:2`, `<call>:2`.
fn elsewhere(id: &str, is_tool: bool, title: &str, cited_text: &str) -> Value {
    let index: u64 = id.rsplit([':', '_']).next().and_then(|end| end.parse().ok()).unwrap_or(0);
    if is_tool {
        return serde_json::json!({
            "type": "search_result_location", "source": id, "title": title, "cited_text": cited_text,
            "search_result_index": index, "start_block_index": 0, "end_block_index": 1,
        });
    }
    serde_json::json!({
        "type": "char_location", "cited_text": cited_text, "document_index": index, "document_title": title,
        "start_char_index": 0, "end_char_index": cited_text.chars().count(),
    })
}
