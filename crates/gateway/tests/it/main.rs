//! The data plane's public parts, driven from outside.

mod sent;
