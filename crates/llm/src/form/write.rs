//! Writing forms that a vendor wants.

use bytes::Bytes;
use memchr::memmem;

/// A file of a form.
pub(crate) struct File<'a> {
    /// The field's name.
    pub name: &'a str,
    /// What the file is. Without line ends.
    pub media_type: &'a str,
    /// The file.
    pub content: Bytes,
}

/// Writes a form of texts and perhaps a file behind them: its body, in pieces, and its content type. Names are ours, and
/// texts may hold anything.
pub(crate) fn form(texts: &[(&str, &str)], file: Option<File<'_>>) -> (Vec<Bytes>, String) {
    let contents = texts.iter().map(|(_, text)| text.as_bytes());
    let boundary = boundary(contents.chain(file.as_ref().map(|file| &file.content[..])));
    let mut text = String::new();
    for (name, value) in texts {
        text +=
            &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let mut body = Vec::new();
    if let Some(File { name, media_type, content }) = file {
        text += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"file\"\r\nContent-Type: {media_type}\r\n\r\n"
        );
        body.extend([Bytes::from(std::mem::take(&mut text)), content]);
        text += "\r\n";
    }
    body.push(format!("{text}--{boundary}--\r\n").into());
    (body, format!("multipart/form-data; boundary={boundary}"))
}

/// A line that occurs in none of these.
fn boundary<'a>(contents: impl Iterator<Item = &'a [u8]> + Clone) -> String {
    let mut number = 0_u64;
    loop {
        let boundary = format!("signalbox-{number:016x}");
        if contents.clone().all(|content| memmem::find(content, boundary.as_bytes()).is_none()) {
            return boundary;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Form, boundary as named};
    use super::*;

    #[test]
    fn what_is_written_can_be_read_whatever_stands_in_it() {
        let hostile =
            "--signalbox-0000000000000000\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nother";
        let file = File { name: "file", media_type: "audio/mpeg", content: Bytes::from_static(b"ab\r\n") };
        for file in [None, Some(file)] {
            let has_file = file.is_some();
            let (body, kind) = form(&[("prompt", hostile), ("model", "m")], file);
            assert_eq!(kind, "multipart/form-data; boundary=signalbox-0000000000000001");
            let read = Form::parse(body.concat().into(), named(&kind).unwrap()).unwrap();
            assert_eq!((read.text("prompt"), read.text("model")), (Some(hostile), Some("m")));
            assert_eq!(read.file("file").is_some_and(|(bytes, _)| bytes == "ab\r\n"), has_file);
        }
    }
}
