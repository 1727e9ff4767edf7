//! Google's Gemini API: `generateContent` and `streamGenerateContent`.
//!
//! The model stands in the address, and so does whether the answer is streamed; a body may name the model too.
//! Names of fields are read in either spelling and written in camel case.
//! <https://ai.google.dev/api/generate-content> and `google/genai/types.py` of Google's Python SDK, read 2026-11-26.

mod decode_content;
mod decode_request;
mod encode_content;
mod encode_request;
mod encode_result;
mod error;
mod grounding;
pub mod kept;
mod model;
mod response;
mod schema;
mod signature;
mod stream_decode;
mod stream_encode;
mod thinking;
pub mod usage;
mod wire;

pub(super) use decode_request::{decode_request, refuse_state};
pub(super) use encode_request::encode_request;
pub(super) use error::{decode_error, encode_error};
pub(crate) use grounding::{bills_queries, searches};
pub(super) use response::{decode_response, encode_response};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
