//! Anthropic's Messages.
//!
//! What models take differs more here than between vendors elsewhere; `model` holds those facts, `thinking`
//! what follows from them.

mod decode_content;
mod decode_request;
pub(super) mod encode_content;
pub(super) mod encode_request;
mod error;
pub(super) mod model;
mod response;
pub(super) mod schema;
mod stream_decode;
mod stream_encode;
pub(super) mod thinking;
pub mod usage;
pub(super) mod wire;

pub(super) use decode_request::decode_request;
pub(super) use encode_request::encode_request;
pub(super) use error::encode_error;
pub(super) use response::{decode_response, encode_response};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
