//! A request for vectors, and the vectors.

use super::{ExtraField, Json};
use crate::protocol::Shape;
use domain::Usage;
use std::borrow::Cow;
use std::sync::Arc;

/// A request for vectors, free of any vendor's shape.
#[derive(Clone, PartialEq, Debug)]
pub struct EmbeddingRequest {
    /// The shape it came in.
    pub shape: Shape,
    /// What vectors are asked of, one each.
    pub inputs: Vec<EmbeddingInput>,
    /// Numbers in a vector.
    pub dimensions: Option<u64>,
    /// How the vectors are to be written.
    pub format: VectorFormat,
    /// What the vectors are for.
    pub task: Option<EmbeddingTask>,
    /// What becomes of an input that is too long.
    pub truncation: Option<Truncation>,
    /// The end user.
    pub user: Option<String>,
    /// Fields only the request's own shape knows.
    pub extra: Vec<ExtraField>,
    /// Paths of fields that reach nobody.
    pub ignored: Vec<String>,
}

impl EmbeddingRequest {
    /// A request for these inputs that says nothing else.
    pub fn new(shape: Shape, inputs: Vec<EmbeddingInput>) -> Self {
        Self {
            shape,
            inputs,
            dimensions: None,
            format: VectorFormat::Numbers,
            task: None,
            truncation: None,
            user: None,
            extra: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

/// One thing that is made a vector.
#[derive(Clone, PartialEq, Debug)]
pub struct EmbeddingInput {
    /// What it is.
    pub content: EmbeddingContent,
    /// Its title, where it is a document (Google). All inputs of a call may share one.
    pub title: Option<Arc<str>>,
}

/// What is made a vector.
#[derive(Clone, PartialEq, Debug)]
pub enum EmbeddingContent {
    /// A text.
    Text(String),
    /// Tokens of a vocabulary that only the model's own vendor has (OpenAI). They reach it where bytes pass through, and
    /// nobody else.
    Tokens,
    /// A content of several parts, or of others than texts (Google): carried to Google's shapes as it is.
    Parts {
        /// The content.
        raw: Json,
        /// Its texts, joined by line ends, where it has nothing else.
        text: Option<String>,
    },
}

/// How vectors are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum VectorFormat {
    /// A list of numbers.
    #[default]
    Numbers,
    /// The bytes of 32-bit floats, the lowest first, in base64.
    Base64,
}

/// What vectors are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbeddingTask {
    /// A question that documents are searched for.
    Query,
    /// A document that is searched.
    Document,
    /// Texts that are compared with each other.
    Similarity,
    /// Texts that are sorted by labels.
    Classification,
    /// Texts that are grouped.
    Clustering,
    /// A question that documents answer.
    QuestionAnswering,
    /// A statement that documents bear out.
    FactVerification,
    /// A question that code answers.
    CodeQuery,
}

/// What becomes of an input that is longer than the model takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truncation {
    /// It is refused.
    Never,
    /// Its beginning is cut off.
    Start,
    /// Its end is cut off.
    End,
}

/// The vectors, in the order of the inputs. Borrows the body it was read from.
#[derive(Clone, PartialEq, Debug)]
pub struct EmbeddingResponse<'a> {
    /// The id that the provider gave the answer; empty where it gives none.
    pub id: String,
    /// The model that answered; empty where the shape does not tell.
    pub model: String,
    /// One for each input.
    pub vectors: Vec<Vector<'a>>,
    /// What it consumed. `None`: the provider does not tell.
    pub usage: Option<Usage>,
}

/// A vector as its provider wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Vector<'a> {
    /// A JSON list of numbers.
    Numbers(&'a str),
    /// See [`VectorFormat::Base64`].
    Base64(Cow<'a, str>),
}
