//! OpenAI's Responses.
//!
//! A request is a list of items, an answer another one; what providers keep of a conversation can be pointed to by id,
//! which only passes through (see `unsaid`). Facts: <https://developers.openai.com/api/reference/resources/responses>
//! and `types/responses` of OpenAI's Python SDK 3.54, read 2026-11-26.

mod decode_items;
mod decode_request;
mod echo;
mod encode_items;
mod encode_request;
mod error;
mod items;
mod response;
mod stream_blocks;
mod stream_decode;
mod stream_encode;
mod stream_events;
pub mod usage;
mod wire;

pub(super) use decode_request::decode_request;
pub use echo::Echo;
pub(super) use encode_request::encode_request;
pub(super) use error::{decode_error, encode_stream_error};
pub(crate) use response::searches;
pub(super) use response::{decode_response, encode_response};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
