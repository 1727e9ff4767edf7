//! The shapes of the events of a streamed answer.
//!
//! <https://developers.openai.com/api/reference/resources/responses/streaming-events>, read 2026-11-26.

use super::echo::Object;
use super::items::{Annotation, Content, Item, SummaryText};
use serde::Serialize;
use serde_json::value::RawValue;

/// An event about the answer as a whole.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub response: Object<'a>,
    pub sequence_number: u64,
}

/// An event about a whole item.
#[derive(Serialize)]
pub(super) struct OfItem<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub output_index: u32,
    pub item: AnyItem<'a>,
    pub sequence_number: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum AnyItem<'a> {
    Known(Item<'a>),
    Raw(&'a RawValue),
}

/// An event within an item.
#[derive(Serialize, Default)]
pub(super) struct Step<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub item_id: &'a str,
    pub output_index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<Annotation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a RawValue>,
    pub sequence_number: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Part<'a> {
    Content(Content<'a>),
    Summary(SummaryText<'a>),
    Raw(&'a RawValue),
}
