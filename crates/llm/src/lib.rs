//! Protocols and providers: bytes in, bytes out. No network, no clock, no runtime.
//!
//! The story in five lines: a caller's body is a [`raw::RawObject`], whose bytes are the truth.
//! Where the provider speaks the caller's [`Protocol`], those bytes go out, edited in place.
//! Elsewhere the body is decoded to [`ir`] and encoded in the provider's protocol, every loss a [`ir::Warning`].
//! Answers come back the same two ways; [`observe`] reads usage off bytes that pass through untouched.
//! What a company's endpoint needs beside its protocol stands in one file of [`provider`].
#![deny(missing_docs)]

pub mod amazon_events;
pub mod documents;
pub mod failure;
pub mod form;
pub mod ir;
pub mod job;
pub mod media;
pub mod observe;
pub mod protocol;
pub mod provider;
pub mod raw;
pub mod realtime;
pub mod server_tools;
pub mod set_aside;
pub mod sse;
pub mod structured;
pub mod terms;
pub mod tokenizer;
pub mod tokens;

pub use protocol::Protocol;
