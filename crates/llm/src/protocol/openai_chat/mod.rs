//! OpenAI's Chat Completions.
//!
//! Read generously, as every server that calls itself compatible writes it; written strictly, as OpenAI
//! documents it.

mod decode_messages;
mod decode_request;
mod encode_messages;
mod encode_request;
mod error;
mod model;
mod response;
mod stream_decode;
mod stream_encode;
pub mod usage;
mod wire;

pub(super) use decode_request::{decode_request, effort, thinking_object, web_search};
pub(super) use encode_messages::image_url;
pub(super) use encode_request::{encode_request, limited_user, reasoning_effort, service_tier, strict};
pub(super) use error::encode_error;
pub(crate) use error::kind as error_kind;
pub(super) use model::{Kind as ModelKind, kind as model_kind};
pub(super) use response::{decode_response, encode_response, finish_warnings, image_lost, url_citation};
pub use stream_decode::StreamDecoder;
pub use stream_encode::StreamEncoder;
pub(super) use wire::ImageUrl;
