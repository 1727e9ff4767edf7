//! Vectors from one way of writing them to the other: a list of numbers, or base64 of 32-bit floats with the lowest byte
//! first.
//!
//! OpenAI's SDKs ask for the latter and read it so (`openai/resources/embeddings.py` of its Python SDK 3.54, read
//! 2026-11-26). A list that stays a list is copied letter by letter, so that no number changes.

use super::super::TranslateError;
use crate::ir::{Vector, VectorFormat};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a 32-bit float.
const FLOAT: usize = 4;

/// What is written of a vector beside its numbers, and of an answer beside its vectors.
const FRAME_BYTES: usize = 64;

/// The beginning of a body, with room for all of its vectors: made once, since they are long.
pub(super) fn begun(with: &[u8], vectors: &[Vector<'_>]) -> Vec<u8> {
    let bytes = |vector: &Vector<'_>| match vector {
        Vector::Numbers(text) => text.len(),
        Vector::Base64(text) => text.len(),
    };
    let room: usize = vectors.iter().map(|vector| bytes(vector) + FRAME_BYTES).sum();
    let mut out = Vec::with_capacity(room + 4 * FRAME_BYTES);
    out.extend_from_slice(with);
    out
}

/// Appends a vector. Fails where it is none.
pub(super) fn write(
    out: &mut Vec<u8>,
    vector: &Vector<'_>,
    format: VectorFormat,
) -> Result<(), TranslateError> {
    match (vector, format) {
        (Vector::Numbers(text), VectorFormat::Numbers) => copy(out, text),
        (Vector::Numbers(text), VectorFormat::Base64) => {
            let numbers: Vec<f32> = serde_json::from_str(text).map_err(|_| no_vector())?;
            if numbers.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
                return Err(no_vector());
            }
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            quoted(out, &STANDARD.encode(bytes));
            Ok(())
        }
        (Vector::Base64(text), VectorFormat::Numbers) => {
            let numbers = floats(text)?;
            serde_json::to_writer(out, &numbers).map_err(|_| no_vector())
        }
        (Vector::Base64(text), VectorFormat::Base64) => {
            // Read all the same: what is none must not look like one.
            floats(text)?;
            quoted(out, text);
            Ok(())
        }
    }
}

/// Copies a list of numbers without white space; Google indents its answers.
fn copy(out: &mut Vec<u8>, text: &str) -> Result<(), TranslateError> {
    let is_flat = text.bytes().filter(|byte| *byte == b'[').count() == 1;
    let is_number =
        |byte: u8| byte.is_ascii_digit() || b"+-.eE,[]".contains(&byte) || byte.is_ascii_whitespace();
    if !is_flat || !text.bytes().all(is_number) || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(no_vector());
    }
    out.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    Ok(())
}

fn floats(text: &str) -> Result<Vec<f32>, TranslateError> {
    let bytes = STANDARD.decode(text).map_err(|_| no_vector())?;
    let (whole, rest) = bytes.as_chunks::<FLOAT>();
    let numbers: Vec<f32> = whole.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let is_vector = rest.is_empty() && !numbers.is_empty() && numbers.iter().all(|number| number.is_finite());
    if is_vector { Ok(numbers) } else { Err(no_vector()) }
}

/// Base64 has nothing that JSON would escape.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn no_vector() -> TranslateError {
    TranslateError::InvalidResponse { message: "an embedding is no list of numbers".to_owned() }
}
