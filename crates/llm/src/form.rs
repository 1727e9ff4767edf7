//! `multipart/form-data` over the bytes it came in: which fields there are, and where, without a copy of a file.
//!
//! <https://www.rfc-editor.org/rfc/rfc7578> and <https://www.rfc-editor.org/rfc/rfc2046#section-5.1>, read 2026-11-26.

pub(crate) mod write;

use bytes::Bytes;
use memchr::memmem;
use std::ops::Range;

/// Fields of one form at the most.
const PARTS_MAX: usize = 256;
/// Bytes of a field's head at the most.
const HEAD_MAX: usize = 8 * 1024;
/// Bytes of a boundary at the most.
const BOUNDARY_MAX: usize = 70;

/// Why a body is not a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not multipart/form-data: {0}")]
pub struct FormError(&'static str);

/// A form and the bytes it is made of.
#[derive(Clone, Debug)]
pub struct Form {
    bytes: Bytes,
    parts: Vec<Part>,
}

/// One field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// It is a file.
    pub is_file: bool,
    /// What its content is said to be; empty where nothing is said.
    media_type: String,
    /// Where its content stands.
    content: Range<usize>,
    /// Where all of it stands, from the line of its boundary.
    whole: Range<usize>,
}

/// The boundary that a content type names. `None`: it is no form.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty() && value.len() <= BOUNDARY_MAX).then_some(value)
}

impl Form {
    /// Reads a form.
    pub fn parse(bytes: Bytes, boundary: &str) -> Result<Self, FormError> {
        let line = format!("--{boundary}");
        let finder = memmem::Finder::new(line.as_bytes());
        // Before the first boundary and behind the last may stand anything.
        let mut at = finder.find(&bytes).ok_or(FormError("its boundary does not appear"))?;
        let mut parts = Vec::new();
        loop {
            let rest = &bytes[at + line.len()..];
            if rest.starts_with(b"--") {
                return Ok(Self { bytes, parts });
            }
            if parts.len() == PARTS_MAX {
                return Err(FormError("it has too many fields"));
            }
            let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let head = at + line.len() + padding;
            if !bytes[head..].starts_with(b"\r\n") {
                return Err(FormError("a boundary is not followed by a line's end"));
            }
            let next = next_boundary(&bytes, head, &finder).ok_or(FormError("it has no end"))?;
            parts.push(part(&bytes, at, head, next)?);
            at = next;
        }
    }

    /// The fields, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text of a field that is no file. The first of that name counts.
    pub fn text(&self, name: &str) -> Option<&str> {
        let part = self.parts.iter().find(|part| part.name == name && !part.is_file)?;
        std::str::from_utf8(&self.bytes[part.content.clone()]).ok()
    }

    /// The texts of all fields of a name that are no files.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.parts.iter().filter(move |part| part.name == name && !part.is_file);
        of_name.filter_map(|part| std::str::from_utf8(&self.bytes[part.content.clone()]).ok())
    }

    /// The file of a field, without a copy, and its media type, empty where none is told. The first of that name counts.
    pub fn file(&self, name: &str) -> Option<(Bytes, &str)> {
        let part = self.parts.iter().find(|part| part.name == name && part.is_file)?;
        Some((self.bytes.slice(part.content.clone()), &part.media_type))
    }

    /// Bytes of all files.
    pub fn file_bytes(&self) -> u64 {
        self.parts.iter().filter(|part| part.is_file).map(|part| part.content.len() as u64).sum()
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        self.parts.iter().filter(|part| part.is_file).count() as u64
    }

    /// The form with another text in a field, without the fields of some other names, in pieces of the same bytes.
    pub fn with(&self, name: &str, text: &str, without: &[&str]) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut from = 0;
        for part in &self.parts {
            if without.contains(&part.name.as_str()) {
                pieces.push(self.bytes.slice(from..part.whole.start));
                from = part.whole.end;
            } else if part.name == name && !part.is_file {
                pieces.push(self.bytes.slice(from..part.content.start));
                pieces.push(Bytes::copy_from_slice(text.as_bytes()));
                from = part.content.end;
            }
        }
        pieces.push(self.bytes.slice(from..));
        pieces
    }
}

/// The next boundary that begins a line.
fn next_boundary(bytes: &[u8], from: usize, finder: &memmem::Finder<'_>) -> Option<usize> {
    let mut from = from;
    loop {
        let at = from + finder.find(&bytes[from..])?;
        if bytes[..at].ends_with(b"\r\n") {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Reads a field that stands from its boundary `at` to the `next` one, its head from `head`.
fn part(bytes: &[u8], at: usize, head: usize, next: usize) -> Result<Part, FormError> {
    // The line's end before a boundary belongs to the boundary.
    let field = &bytes[head..next - 2];
    let end = memmem::find(&field[..field.len().min(HEAD_MAX)], b"\r\n\r\n");
    let end = end.ok_or(FormError("a field's head has no end, or is too long"))?;
    let lines = std::str::from_utf8(&field[..end]).map_err(|_| FormError("a field's head is not text"))?;
    let header = |wanted: &str| {
        lines.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then_some(value)
        })
    };
    let disposition = header("content-disposition").ok_or(FormError("a field has no content-disposition"))?;
    let name = parameter(disposition, "name").ok_or(FormError("a field has no name"))?;
    let is_file =
        parameter(disposition, "filename").is_some() || parameter(disposition, "filename*").is_some();
    let media_type = header("content-type").map(str::trim).unwrap_or_default().to_owned();
    Ok(Part { name, is_file, media_type, content: head + end + 4..next - 2, whole: at..next })
}

/// A parameter of a header's value, without its quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (text, behind) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = behind.split_once(';')?.1;
    }
}

/// What stands before the closing quote, and what behind it. Browsers write a quote within as `%22`, others as `\"`.
fn quoted_text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
            letter => text.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n\x00--x\xff\r\nno end\r\n--x \r\ncontent-disposition: form-data; name=model\r\n\r\nwhisper\r\n--x\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\n\r\n--x--\r\n";

    #[test]
    fn fields_and_files_are_found_where_they_stand() {
        let form = Form::parse(Bytes::from_static(BODY), "x").unwrap();
        let names: Vec<(&str, bool)> = form.parts().iter().map(|p| (p.name.as_str(), p.is_file)).collect();
        assert_eq!(names, [("file", true), ("model", false), ("language", false)]);
        assert_eq!(
            (form.text("model"), form.text("language"), form.text("file")),
            (Some("whisper"), Some(""), None)
        );
        assert_eq!((form.files(), form.file_bytes()), (1, 13));
        let (content, kind) = form.file("file").unwrap();
        assert_eq!((&content[..], kind), (&b"\x00--x\xff\r\nno end"[..], "audio/mpeg"));
        assert!(form.file("model").is_none() && form.texts("model").eq(["whisper"]));
    }

    #[test]
    fn one_field_is_written_anew_and_the_rest_is_the_same_bytes() {
        let form = Form::parse(Bytes::from_static(BODY), "x").unwrap();
        let written = form.with("model", "whisper-1", &["language"]).concat();
        let again = Form::parse(written.clone().into(), "x").unwrap();
        assert_eq!(
            (again.text("model"), again.parts().len(), again.file_bytes()),
            (Some("whisper-1"), 2, 13)
        );
        assert_eq!(form.with("none", "", &[]).concat(), BODY);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert_eq!(boundary("multipart/form-data; charset=x; boundary=\"a b\""), Some("a b"));
        assert_eq!((boundary("application/json"), boundary("multipart/form-data; boundary=")), (None, None));
        for body in [
            "",
            "--y\r\n",
            "--x",
            "--x\r\n",
            "--x\r\n--x--",
            "--x\r\n\r\n\r\n--x--",
            "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\na\r\n--x--",
            "--x\r\nContent-Disposition: form-data; name=a\r\n\r\na\r\n",
        ] {
            assert!(Form::parse(Bytes::from(body), "x").is_err(), "{body:?}");
        }
        let many = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\na\r\n".repeat(300) + "--x--";
        assert!(Form::parse(many.into(), "x").is_err());
    }
}
