//! `data:` URLs (RFC 2397), as far as chat protocols use them: base64 with a media type.

/// Splits `data:<media type>[;parameters];base64,<data>` into media type and data.
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("data:")?;
    let (head, data) = rest.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    let media_type = head.split(';').next().unwrap_or("");
    Some((media_type, data))
}

/// Joins media type and base64 into a URL.
pub(crate) fn join(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// Whether a text is an address rather than data.
pub(crate) fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The media type of a picture or document, by the first bytes of its base64.
pub(crate) fn sniff(data: &str) -> Option<&'static str> {
    let known = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    known.iter().find(|(start, _)| data.starts_with(start)).map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_url_splits_into_type_and_data() {
        assert_eq!(split("data:image/png;base64,AAA="), Some(("image/png", "AAA=")));
        assert_eq!(split("data:text/plain;charset=utf-8;base64,QQ=="), Some(("text/plain", "QQ==")));
        for text in ["data:image/png,raw", "https://a/b.png", "data:", "data:;base64"] {
            assert_eq!(split(text), None, "{text}");
        }
    }
}
