//! PDFs within requests: where they stand in a body, in each protocol, and the body with their texts in their places.
//!
//! For models that read no PDFs. The rest of a body stays the bytes that came.

use crate::Protocol;
use crate::protocol::data_url;
use crate::raw::RawObject;
use bytes::Bytes;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// How deep a document may stand below its field: a message, its content, a tool's result, its content, a part.
const DEPTH_MAX: usize = 10;
/// One of these stands in every body that holds a PDF: the media type, or the first bytes of one in base64.
static MARKS: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["application/pdf", "application\\/pdf", "JVBERi"].map(Finder::new));
/// Bedrock's protocol tells the format in a word.
static FORMAT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"pdf\""));
/// What models say to tools is theirs: nothing in it is a document.
const ARGUMENTS: [&str; 5] = ["input", "arguments", "args", "functionCall", "function_call"];

/// A PDF in a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdf {
    /// Where the part stands that holds it.
    range: Range<usize>,
    /// What it is called.
    pub name: Option<String>,
    /// Base64, in either alphabet.
    pub data: String,
    /// The marker behind which the prompt is to be cached.
    cache_control: Option<String>,
}

/// Whether a body may hold a PDF. Looks at bytes only, and is cheap.
pub fn may_hold_pdf(protocol: Protocol, body: &[u8]) -> bool {
    MARKS.iter().any(|mark| mark.find(body).is_some())
        || (protocol == Protocol::BedrockConverse && FORMAT.find(body).is_some())
}

/// The PDFs that a conversation brings along, in the order of the body. What cannot be read has none.
pub fn pdfs(protocol: Protocol, body: &Bytes) -> Vec<Pdf> {
    let mut found = Vec::new();
    let Ok(object) = RawObject::parse(body.clone()) else { return found };
    for field in ["messages", "input", "contents"] {
        if let Some(value) = object.value(field) {
            walk(protocol, body, &value, DEPTH_MAX, &mut found);
        }
    }
    found.sort_by_key(|pdf| pdf.range.start);
    found
}

/// The body with these texts in the places of those PDFs, as many as there are.
pub fn with_texts(protocol: Protocol, body: &[u8], pdfs: &[Pdf], texts: &[String]) -> Vec<u8> {
    let all: usize = texts.iter().map(|text| text.len() + text.len() / 8 + 64).sum();
    let mut out = Vec::with_capacity(body.len().min(64 * 1024) + all);
    let mut at = 0;
    for (pdf, text) in pdfs.iter().zip(texts) {
        out.extend_from_slice(body.get(at..pdf.range.start).unwrap_or_default());
        out.extend_from_slice(part(protocol, text, pdf.cache_control.as_deref()).as_bytes());
        at = pdf.range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

/// A part of text.
fn part(protocol: Protocol, text: &str, cache_control: Option<&str>) -> String {
    // Writing a string into memory cannot fail.
    let text = serde_json::to_string(text).unwrap_or_default();
    let kind = match protocol {
        Protocol::Gemini | Protocol::BedrockConverse => return format!("{{\"text\":{text}}}"),
        Protocol::OpenAiResponses => "input_text",
        Protocol::OpenAiChat | Protocol::AnthropicMessages | Protocol::CohereChat => "text",
    };
    let marker = cache_control.map(|raw| format!(",\"cache_control\":{raw}")).unwrap_or_default();
    format!("{{\"type\":\"{kind}\",\"text\":{text}{marker}}}")
}

/// Looks through a value, which is a part of the body.
fn walk(protocol: Protocol, body: &Bytes, value: &Bytes, depth: usize, found: &mut Vec<Pdf>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => {
            let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(value) else { return };
            for item in items {
                walk(protocol, body, &value.slice_ref(item.get().as_bytes()), depth, found);
            }
        }
        Some(b'{') => {
            let Ok(object) = RawObject::parse(value.clone()) else { return };
            if let Some((name, data)) = pdf(protocol, &object) {
                let start = value.as_ptr() as usize - body.as_ptr() as usize;
                let marker = object.get("cache_control").map(|raw| String::from_utf8_lossy(raw).into_owned());
                let range = start..start + value.len();
                found.push(Pdf { range, name, data, cache_control: marker });
                return;
            }
            let keys: Vec<&str> = object.keys().filter(|key| !ARGUMENTS.contains(key)).collect();
            for key in keys {
                if let Some(value) = object.value(key) {
                    walk(protocol, body, &value, depth, found);
                }
            }
        }
        _ => {}
    }
}

/// The name and the base64 of a part that is a PDF.
fn pdf(protocol: Protocol, part: &RawObject) -> Option<(Option<String>, String)> {
    let kind = part.get("type").and_then(|raw| serde_json::from_slice::<Cow<'_, str>>(raw).ok());
    match protocol {
        Protocol::OpenAiChat => match kind.as_deref()? {
            "file" => file(&RawObject::parse(part.value("file")?).ok()?),
            "input_file" | "file_input" => file(part),
            _ => None,
        },
        Protocol::OpenAiResponses => (kind.as_deref()? == "input_file").then(|| file(part))?,
        Protocol::AnthropicMessages => {
            let source = (kind.as_deref()? == "document").then(|| part.value("source"))??;
            let source = RawObject::parse(source).ok()?;
            let is_pdf = text(&source, &["media_type"])? == "application/pdf";
            is_pdf.then(|| text(&source, &["data"]))?.map(|data| (text(part, &["title"]), data))
        }
        Protocol::Gemini => {
            let inline = part.value("inlineData").or_else(|| part.value("inline_data"))?;
            let inline = RawObject::parse(inline).ok()?;
            let is_pdf = text(&inline, &["mimeType", "mime_type"])? == "application/pdf";
            let name = text(&inline, &["displayName", "display_name"]);
            is_pdf.then(|| text(&inline, &["data"]))?.map(|data| (name, data))
        }
        Protocol::BedrockConverse => {
            let document = RawObject::parse(part.value("document")?).ok()?;
            let source = RawObject::parse(document.value("source")?).ok()?;
            let is_pdf = text(&document, &["format"])? == "pdf";
            is_pdf.then(|| text(&source, &["bytes"]))?.map(|data| (text(&document, &["name"]), data))
        }
        Protocol::CohereChat => None,
    }
}

/// A file as OpenAI's protocols have it: a data URL, or bare base64.
fn file(file: &RawObject) -> Option<(Option<String>, String)> {
    let (name, data) = (text(file, &["filename"]), text(file, &["file_data"])?);
    if let Some((media_type, data)) = data_url::split(&data) {
        return (media_type == "application/pdf").then(|| (name, data.to_owned()));
    }
    let is_pdf = data_url::sniff(&data) == Some("application/pdf")
        || text(file, &["mime_type"]).as_deref() == Some("application/pdf");
    is_pdf.then_some((name, data))
}

/// A text field, by the first of these names that is there.
fn text(object: &RawObject, names: &[&str]) -> Option<String> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let raw = names.iter().find_map(|name| object.get(name))?;
    serde_json::from_slice(raw).ok().map(|Text(text)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &str = "JVBERi0xLjQK";

    fn read(protocol: Protocol, body: &str) -> (Vec<Pdf>, String) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let pdfs = pdfs(protocol, &body);
        let texts: Vec<String> = pdfs.iter().map(|_| "its \"text\"".to_owned()).collect();
        let written = with_texts(protocol, &body, &pdfs, &texts);
        (pdfs, String::from_utf8(written).unwrap())
    }

    #[test]
    fn a_pdf_is_found_in_every_form_and_gives_way_to_its_text() {
        let text = r#"{"type":"text","text":"its \"text\""}"#;
        let marked = r#"{"type":"text","text":"its \"text\"","cache_control":{"type":"ephemeral"}}"#;
        let input = r#"{"type":"input_text","text":"its \"text\""}"#;
        let bare = r#"{"text":"its \"text\""}"#;
        let url = format!("data:application/pdf;base64,{PDF}");
        for (protocol, field, before, after, name) in [
            (
                Protocol::OpenAiChat,
                "messages",
                format!(r#"{{"type":"file","file":{{"filename":"a.pdf","file_data":"{url}"}}}}"#),
                text,
                Some("a.pdf"),
            ),
            (
                Protocol::OpenAiChat,
                "messages",
                format!(r#"{{"type":"input_file","filename":"a.pdf","file_data":"{PDF}"}}"#),
                text,
                Some("a.pdf"),
            ),
            (
                Protocol::OpenAiResponses,
                "input",
                format!(r#"{{"type":"input_file","file_data":"{url}"}}"#),
                input,
                None,
            ),
            (
                Protocol::AnthropicMessages,
                "messages",
                format!(
                    r#"{{"type":"document","title":"T","cache_control":{{"type":"ephemeral"}},"source":{{"type":"base64","media_type":"application/pdf","data":"{PDF}"}}}}"#
                ),
                marked,
                Some("T"),
            ),
            (
                Protocol::Gemini,
                "contents",
                format!(r#"{{"inline_data":{{"mime_type":"application/pdf","data":"{PDF}"}}}}"#),
                bare,
                None,
            ),
            (
                Protocol::BedrockConverse,
                "messages",
                format!(r#"{{"document":{{"format":"pdf","name":"T","source":{{"bytes":"{PDF}"}}}}}}"#),
                bare,
                Some("T"),
            ),
        ] {
            let body = |part: &str| {
                format!(r#"{{ "n": 1.0, "{field}":[{{"role":"user","content":[{{"x":1e400}}, {part} ]}}]}}"#)
            };
            assert!(may_hold_pdf(protocol, body(&before).as_bytes()), "{before}");
            let (pdfs, written) = read(protocol, &body(&before));
            let found: Vec<_> = pdfs.iter().map(|pdf| (pdf.name.as_deref(), pdf.data.as_str())).collect();
            assert_eq!(found, [(name, PDF)], "{before}");
            assert_eq!(written, body(after), "{before}");
        }
    }

    #[test]
    fn a_tools_result_may_bring_one_and_its_arguments_do_not() {
        let document = format!(
            r#"{{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"{PDF}"}}}}"#
        );
        let body = |document: &str, argument: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"1","name":"f","input":{argument}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"1","content":[{document}]}}]}}]}}"#
            )
        };
        let (pdfs, written) = read(Protocol::AnthropicMessages, &body(&document, &document));
        assert_eq!(pdfs.len(), 1);
        assert_eq!(written, body(r#"{"type":"text","text":"its \"text\""}"#, &document));
    }

    #[test]
    fn other_documents_and_hostile_depths_are_left_alone() {
        let deep = format!(r#"{{"messages":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        for body in [
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"JVBERi"}}]}]}"#,
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"url","url":"https://a/b.pdf"}}]}]}"#,
            r#"{"messages":"JVBERi"}"#,
            "[]",
            &deep,
        ] {
            let (pdfs, written) = read(Protocol::AnthropicMessages, body);
            assert_eq!((pdfs.len(), written.as_str()), (0, body));
        }
    }
}
