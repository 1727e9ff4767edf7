//! The data plane's public parts, driven from outside.

#![expect(clippy::unwrap_used, reason = "tests")]

mod sent;
