//! What vectors are for, in each vendor's words.
//!
//! Google: <https://ai.google.dev/api/embeddings#TaskType>; Cohere: <https://docs.cohere.com/reference/embed>; Voyage:
//! <https://docs.voyageai.com/reference/embeddings-api>. Read 2026-11-26.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use crate::ir::{EmbeddingTask, Warnings};

/// Words of all vendors, in lower case.
const WORDS: [(&str, EmbeddingTask); 14] = [
    ("retrieval_query", EmbeddingTask::Query),
    ("search_query", EmbeddingTask::Query),
    ("query", EmbeddingTask::Query),
    ("retrieval_document", EmbeddingTask::Document),
    ("search_document", EmbeddingTask::Document),
    ("document", EmbeddingTask::Document),
    ("passage", EmbeddingTask::Document),
    ("semantic_similarity", EmbeddingTask::Similarity),
    ("classification", EmbeddingTask::Classification),
    ("clustering", EmbeddingTask::Clustering),
    ("question_answering", EmbeddingTask::QuestionAnswering),
    ("fact_verification", EmbeddingTask::FactVerification),
    ("code_retrieval_query", EmbeddingTask::CodeQuery),
    ("code_query", EmbeddingTask::CodeQuery),
];
/// Words that say nothing.
const UNSAID: [&str; 3] = ["", "unspecified", "task_type_unspecified"];

/// Takes a task from a field, in whichever vendor's word.
pub(super) fn take(fields: &mut Fields<'_>, key: &str) -> Result<Option<EmbeddingTask>, TranslateError> {
    let Some(text) = fields.string(key)? else { return Ok(None) };
    let word = text.to_ascii_lowercase();
    if UNSAID.contains(&word.as_str()) {
        return Ok(None);
    }
    let found = WORDS.iter().find(|(known, _)| *known == word);
    found
        .map(|(_, task)| Some(*task))
        .ok_or_else(|| invalid(&fields.path(key), format!("no purpose of embeddings is called `{text}`")))
}

/// Google's word.
pub(super) const fn google(task: EmbeddingTask) -> &'static str {
    match task {
        EmbeddingTask::Query => "RETRIEVAL_QUERY",
        EmbeddingTask::Document => "RETRIEVAL_DOCUMENT",
        EmbeddingTask::Similarity => "SEMANTIC_SIMILARITY",
        EmbeddingTask::Classification => "CLASSIFICATION",
        EmbeddingTask::Clustering => "CLUSTERING",
        EmbeddingTask::QuestionAnswering => "QUESTION_ANSWERING",
        EmbeddingTask::FactVerification => "FACT_VERIFICATION",
        EmbeddingTask::CodeQuery => "CODE_RETRIEVAL_QUERY",
    }
}

/// Cohere's word, which it demands.
pub(super) fn cohere(task: Option<EmbeddingTask>, warnings: &mut Warnings) -> &'static str {
    let Some(task) = task else {
        warnings.add("input_type", "search_document was sent, the provider demands one and none was named");
        return "search_document";
    };
    let (word, is_exact) = match task {
        EmbeddingTask::Query => ("search_query", true),
        EmbeddingTask::Document => ("search_document", true),
        EmbeddingTask::Classification => ("classification", true),
        EmbeddingTask::Clustering => ("clustering", true),
        EmbeddingTask::Similarity => ("search_document", false),
        EmbeddingTask::QuestionAnswering | EmbeddingTask::FactVerification | EmbeddingTask::CodeQuery => {
            ("search_query", false)
        }
    };
    if !is_exact {
        warnings.add("task_type", format!("{} became {word}", google(task)));
    }
    word
}

/// Voyage's word, which may be left out.
pub(super) fn voyage(task: Option<EmbeddingTask>, warnings: &mut Warnings) -> Option<&'static str> {
    let task = task?;
    let (word, is_exact) = match task {
        EmbeddingTask::Query => (Some("query"), true),
        EmbeddingTask::Document => (Some("document"), true),
        EmbeddingTask::QuestionAnswering | EmbeddingTask::FactVerification | EmbeddingTask::CodeQuery => {
            (Some("query"), false)
        }
        EmbeddingTask::Similarity | EmbeddingTask::Classification | EmbeddingTask::Clustering => {
            (None, false)
        }
    };
    match word {
        Some(word) if !is_exact => warnings.add("task_type", format!("{} became {word}", google(task))),
        None => warnings.add("task_type", format!("dropped: the provider has no word for {}", google(task))),
        Some(_) => {}
    }
    word
}

/// Tells that a purpose is lost on a provider that takes none.
pub(super) fn warn(task: Option<EmbeddingTask>, warnings: &mut Warnings) {
    if task.is_some() {
        warnings.add("task_type", "dropped: the provider is not told what vectors are for");
    }
}
