//! `groundingMetadata`: which pages an answer rests on, and which of its words.
//!
//! Indices count bytes of UTF-8 within a part, those of other protocols characters.
//! <https://ai.google.dev/gemini-api/docs/google-search>, read 2026-11-26. Up to Gemini 2.5 a grounded prompt is billed
//! once, later models by the query (<https://ai.google.dev/gemini-api/docs/pricing>, read 2026-11-26).

use super::model::traits;
use crate::ir::Citation;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    web_search_queries: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    grounding_chunks: Option<Vec<Chunk<'a>>>,
    #[serde(borrow)]
    grounding_supports: Option<Vec<Support<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    web: Option<Web<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Web<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    title: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Support<'a> {
    #[serde(borrow)]
    segment: Option<Segment<'a>>,
    grounding_chunk_indices: Option<Vec<usize>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Segment<'a> {
    part_index: usize,
    start_index: usize,
    end_index: usize,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Whether a model's searches are billed one by one.
pub(crate) fn bills_queries(model: &str) -> bool {
    traits(model).is_third_generation
}

/// How many searches are billed for an answer with this metadata.
pub(crate) fn searches(raw: &RawValue, model: &str) -> u64 {
    let wire: Wire<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let queries = wire.web_search_queries.unwrap_or_default();
    let queries = queries.iter().filter(|query| !query.is_empty()).count() as u64;
    if bills_queries(model) { queries } else { queries.min(1) }
}

/// The citations of an answer, each with the index of its part. `text` gives the text of a part, where it is known.
pub(super) fn citations<'t>(
    raw: &RawValue,
    text: impl Fn(usize) -> Option<&'t str>,
) -> Vec<(usize, Citation)> {
    let wire: Wire<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let chunks = wire.grounding_chunks.unwrap_or_default();
    let of_chunk = |chunk: &Chunk<'_>| {
        let web = chunk.web.as_ref()?;
        Some(Citation { url: web.uri.to_string(), title: web.title.to_string(), ..Citation::default() })
    };
    let supports = wire.grounding_supports.unwrap_or_default();
    if supports.is_empty() {
        return chunks.iter().filter_map(of_chunk).map(|citation| (0, citation)).collect();
    }
    let mut found = Vec::new();
    for support in &supports {
        let segment = support.segment.as_ref();
        let part = segment.map_or(0, |segment| segment.part_index);
        let span = segment.zip(text(part)).and_then(|(segment, text)| span(segment, text));
        let cited_text = segment.map(|segment| segment.text.to_string()).unwrap_or_default();
        for chunk in support.grounding_chunk_indices.iter().flatten().filter_map(|at| chunks.get(*at)) {
            if let Some(citation) = of_chunk(chunk) {
                found.push((part, Citation { cited_text: cited_text.clone(), span, ..citation }));
            }
        }
    }
    found
}

/// From bytes to characters. `None`: the place is not in the text.
fn span(segment: &Segment<'_>, text: &str) -> Option<(u64, u64)> {
    let characters = |end: usize| text.get(..end).map(|before| before.chars().count() as u64);
    characters(segment.start_index).zip(characters(segment.end_index)).filter(|(start, end)| start < end)
}

/// The metadata as it is written.
#[derive(Serialize, Default, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out<'a> {
    grounding_chunks: Vec<ChunkOut<'a>>,
    grounding_supports: Vec<SupportOut<'a>>,
}

#[derive(Serialize, Debug)]
struct ChunkOut<'a> {
    web: WebOut<'a>,
}

#[derive(Serialize, Debug)]
struct WebOut<'a> {
    uri: Cow<'a, str>,
    title: Cow<'a, str>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct SupportOut<'a> {
    segment: SegmentOut<'a>,
    grounding_chunk_indices: [usize; 1],
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct SegmentOut<'a> {
    #[serde(skip_serializing_if = "is_first")]
    part_index: usize,
    start_index: usize,
    end_index: usize,
    text: Cow<'a, str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_first(index: &usize) -> bool {
    *index == 0
}

impl<'a> Out<'a> {
    /// Whether nothing is cited.
    pub(super) fn is_empty(&self) -> bool {
        self.grounding_chunks.is_empty()
    }

    /// Adds a citation of some bytes of a part. One without a page on the web has no place here.
    pub(super) fn cite(
        &mut self,
        citation: &Citation,
        part_index: usize,
        bytes: (usize, usize),
        text: Cow<'a, str>,
    ) {
        let known = self.grounding_chunks.iter().position(|chunk| chunk.web.uri == citation.url);
        let chunk = known.unwrap_or_else(|| {
            let web = WebOut { uri: citation.url.clone().into(), title: citation.title.clone().into() };
            self.grounding_chunks.push(ChunkOut { web });
            self.grounding_chunks.len() - 1
        });
        let segment = SegmentOut { part_index, start_index: bytes.0, end_index: bytes.1, text };
        self.grounding_supports.push(SupportOut { segment, grounding_chunk_indices: [chunk] });
    }

    /// Adds a citation of a whole text, or of the characters it names.
    pub(super) fn cite_text(&mut self, citation: &Citation, part_index: usize, text: &'a str) {
        let byte = |characters: u64| {
            let at = usize::try_from(characters).unwrap_or(usize::MAX);
            text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
        };
        let (start, end) = citation.span.map_or((0, text.len()), |(start, end)| (byte(start), byte(end)));
        let cited = text.get(start..end).unwrap_or("");
        self.cite(citation, part_index, (start, end), Cow::Borrowed(cited));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"webSearchQueries":["a","b",""],
        "groundingChunks":[{"web":{"uri":"https://x","title":"X"}},{"retrievedContext":{}}],
        "groundingSupports":[{"segment":{"startIndex":3,"endIndex":5,"text":"ü"},"groundingChunkIndices":[0,1,9]}]}"#;

    #[test]
    fn bytes_become_characters_and_back() {
        let raw = RawValue::from_string(METADATA.to_owned()).unwrap();
        let found = citations(&raw, |part| (part == 0).then_some("éaü."));
        let [(0, citation)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (citation.url.as_str(), citation.cited_text.as_str(), citation.span),
            ("https://x", "ü", Some((2, 3)))
        );
        let mut out = Out::default();
        out.cite_text(citation, 0, "éaü.");
        let written = serde_json::to_string(&out).unwrap();
        assert!(written.contains(r#""segment":{"startIndex":3,"endIndex":5,"text":"ü"}"#), "{written}");
    }

    #[test]
    fn older_models_bill_a_grounded_prompt_and_later_ones_its_queries() {
        let raw = RawValue::from_string(METADATA.to_owned()).unwrap();
        assert_eq!((searches(&raw, "gemini-2.5-flash"), searches(&raw, "gemini-3-flash-preview")), (1, 2));
        let none = RawValue::from_string("{}".to_owned()).unwrap();
        assert_eq!(searches(&none, "gemini-2.5-flash"), 0);
    }
}
