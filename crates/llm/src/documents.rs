//! PDFs within requests: where they stand in a body, in each protocol, and the body with their texts in their places.
//!
//! For models that read no PDFs. The rest of a body stays the bytes that came.

use crate::Protocol;
use crate::protocol::data_url;
use crate::raw::RawObject;
use bytes::Bytes;
use domain::record::texts::cut;
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

/// Bytes of a PDF's name.
pub const NAME_BYTES_MAX: usize = 256;

/// A PDF in a body: its places there, which a body of megabytes is not copied for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdf {
    /// Where the part stands that holds it.
    range: Range<usize>,
    /// What it is called, in at most [`NAME_BYTES_MAX`] bytes.
    pub name: Option<String>,
    /// Where its bytes stand, as JSON text.
    data: Range<usize>,
    /// Where the marker stands behind which the prompt is to be cached.
    cache_control: Option<Range<usize>>,
}

impl Pdf {
    /// How many bytes of the body are the part that holds it.
    pub fn part_bytes(&self) -> usize {
        self.range.len()
    }

    /// Base64, in either alphabet. `body` is the one in which it was found.
    pub fn data<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        let data = body.get(self.data.clone()).and_then(string).unwrap_or_default();
        match data_url::split(&data) {
            None => data,
            Some((_, base64)) => {
                let start = data.len() - base64.len();
                match data {
                    Cow::Borrowed(data) => Cow::Borrowed(&data[start..]),
                    Cow::Owned(mut data) => Cow::Owned(data.split_off(start)),
                }
            }
        }
    }

    /// A part that says this text in its place. `body` is the one in which it was found.
    pub fn part(&self, protocol: Protocol, body: &[u8], text: &str) -> String {
        let marker = self.cache_control.clone().and_then(|range| body.get(range));
        part(protocol, text, marker.and_then(|raw| std::str::from_utf8(raw).ok()))
    }
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

/// The body with these parts in the places of those PDFs, as many as there are.
pub fn with_parts(body: &[u8], pdfs: &[Pdf], parts: &[String]) -> Vec<u8> {
    let gone: usize = pdfs.iter().map(Pdf::part_bytes).sum();
    let come: usize = parts.iter().map(String::len).sum();
    let mut out = Vec::with_capacity(body.len().saturating_sub(gone) + come);
    let mut at = 0;
    for (pdf, part) in pdfs.iter().zip(parts) {
        out.extend_from_slice(body.get(at..pdf.range.start).unwrap_or_default());
        out.extend_from_slice(part.as_bytes());
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
                let place = |part: &[u8]| {
                    let start = part.as_ptr() as usize - body.as_ptr() as usize;
                    start..start + part.len()
                };
                let cache_control = object.get("cache_control").map(place);
                found.push(Pdf { range: place(value), name, data: place(&data), cache_control });
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

/// The name of a part that is a PDF, and the JSON text of its bytes: a part of the body.
fn pdf(protocol: Protocol, part: &RawObject) -> Option<(Option<String>, Bytes)> {
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
            Some((name(part, &["title"]), is_pdf.then(|| data(&source, "data"))??))
        }
        Protocol::Gemini => {
            let inline = part.value("inlineData").or_else(|| part.value("inline_data"))?;
            let inline = RawObject::parse(inline).ok()?;
            let is_pdf = text(&inline, &["mimeType", "mime_type"])? == "application/pdf";
            let name = name(&inline, &["displayName", "display_name"]);
            Some((name, is_pdf.then(|| data(&inline, "data"))??))
        }
        Protocol::BedrockConverse => {
            let document = RawObject::parse(part.value("document")?).ok()?;
            let source = RawObject::parse(document.value("source")?).ok()?;
            let is_pdf = text(&document, &["format"])? == "pdf";
            Some((name(&document, &["name"]), is_pdf.then(|| data(&source, "bytes"))??))
        }
        Protocol::CohereChat => None,
    }
}

/// A file as OpenAI's protocols have it: a data URL, or bare base64.
fn file(file: &RawObject) -> Option<(Option<String>, Bytes)> {
    let raw = data(file, "file_data")?;
    let text_of = string(&raw)?;
    let is_pdf = match data_url::split(&text_of) {
        Some((media_type, _)) => media_type == "application/pdf",
        None => {
            data_url::sniff(&text_of) == Some("application/pdf")
                || text(file, &["mime_type"]).as_deref() == Some("application/pdf")
        }
    };
    drop(text_of);
    is_pdf.then(|| (name(file, &["filename"]), raw))
}

/// The JSON text of a field that is a string.
fn data(object: &RawObject, field: &str) -> Option<Bytes> {
    object.value(field).filter(|raw| string(raw).is_some())
}

/// A text field, by the first of these names that is there.
fn text<'a>(object: &'a RawObject, names: &[&str]) -> Option<Cow<'a, str>> {
    names.iter().find_map(|name| object.get(name)).and_then(string)
}

/// The same, cut to the length of a name.
fn name(object: &RawObject, names: &[&str]) -> Option<String> {
    let mut name = text(object, names)?.into_owned();
    cut(&mut name, NAME_BYTES_MAX);
    Some(name)
}

fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_slice(raw).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &str = "JVBERi0xLjQK";

    fn read(protocol: Protocol, body: &str) -> (Vec<Pdf>, String) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let pdfs = pdfs(protocol, &body);
        let parts: Vec<String> = pdfs.iter().map(|pdf| pdf.part(protocol, &body, "its \"text\"")).collect();
        let written = with_parts(&body, &pdfs, &parts);
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
            let body_bytes = body(&before).into_bytes();
            let found: Vec<_> = pdfs.iter().map(|pdf| (pdf.name.as_deref(), pdf.data(&body_bytes))).collect();
            assert_eq!(found, [(name, PDF.into())], "{before}");
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
    fn escapes_are_read_and_a_name_without_an_end_is_cut() {
        let name = "n".repeat(1_000);
        let body = format!(
            r#"{{"messages":[{{"content":[{{"type":"file","file":{{"filename":"{name}","file_data":"data:application\/pdf;base64,JVBERi0\/"}}}}]}}]}}"#
        );
        let (pdfs, _) = read(Protocol::OpenAiChat, &body);
        assert_eq!(pdfs[0].data(body.as_bytes()), "JVBERi0/");
        assert_eq!(pdfs[0].name.as_deref().map(str::len), Some(NAME_BYTES_MAX));
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
