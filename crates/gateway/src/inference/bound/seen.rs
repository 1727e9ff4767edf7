//! Whether contents that are made vectors hold nothing but texts, pictures and sound. A film may hide in what does not
//! say what it is.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    content: Contents<'a>,
}

#[derive(Deserialize)]
struct Contents<'a> {
    #[serde(borrow)]
    parts: Vec<Part<'a>>,
}

/// In either spelling: JSON of protocol buffers is read in both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part<'a> {
    #[serde(default, rename = "text")]
    _text: IgnoredAny,
    #[serde(borrow, default, rename = "inlineData", alias = "inline_data")]
    inline: Option<Media<'a>>,
    #[serde(borrow, default, rename = "fileData", alias = "file_data")]
    file: Option<Media<'a>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow, rename = "mimeType", alias = "mime_type")]
    kind: Cow<'a, str>,
}

impl Media<'_> {
    fn is_bounded(&self) -> bool {
        let is = |kind: &str| self.kind.get(..kind.len()).is_some_and(|it| it.eq_ignore_ascii_case(kind));
        is("image/") || is("audio/")
    }
}

impl Contents<'_> {
    fn is_bounded(&self) -> bool {
        self.parts.iter().flat_map(|part| part.inline.iter().chain(&part.file)).all(Media::is_bounded)
    }
}

/// Of one content.
pub(super) fn is_bounded(content: &[u8]) -> bool {
    serde_json::from_slice::<Contents<'_>>(content).is_ok_and(|content| content.is_bounded())
}

/// Of a batch of requests.
pub(super) fn are_bounded(requests: &[u8]) -> bool {
    let requests = serde_json::from_slice::<Vec<Request<'_>>>(requests);
    requests.is_ok_and(|requests| requests.iter().all(|request| request.content.is_bounded()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(part: &str) -> bool {
        let content = format!(r#"{{"parts":[{{"text":"a"}},{part}]}}"#);
        let is = is_bounded(content.as_bytes());
        assert_eq!(are_bounded(format!(r#"[{{"content":{content}}}]"#).as_bytes()), is, "{part}");
        is
    }

    #[test]
    fn pictures_and_sound_say_what_they_are() {
        assert!(is(r#"{"inlineData":{"mimeType":"image/png","data":"eA=="}}"#));
        assert!(is(r#"{"inline_data":{"mime_type":"AUDIO/wav","data":"eA=="}}"#));
        assert!(is(r#"{"fileData":{"mimeType":"im\u0061ge/png","fileUri":"https://x.example"}}"#));
    }

    #[test]
    fn what_may_be_a_film_has_no_bound() {
        for part in [
            r#"{"inlineData":{"mimeType":"video/mp4","data":"eA=="}}"#,
            r#"{"inlineData":{"mimeType":"VIDEO/mp4","data":"eA=="}}"#,
            r#"{"inlineData":{"mimeType":"vid\u0065o/mp4","data":"eA=="}}"#,
            r#"{"inlin\u0065Data":{"mimeType":"video/mp4","data":"eA=="}}"#,
            r#"{"fileData":{"fileUri":"https://x.example"}}"#,
            r#"{"inlineData":{"mimeType":"image/png","mime_type":"video/mp4","data":"eA=="}}"#,
            r#"{"inlineData":{"mimeType":"image/png"},"videoMetadata":{}}"#,
        ] {
            assert!(!is(part), "{part}");
        }
    }
}
