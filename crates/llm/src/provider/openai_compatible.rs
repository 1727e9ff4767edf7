//! Anything that speaks OpenAI's chat protocol: vLLM, llama.cpp, LM Studio, a company's own gateway.
//!
//! The configuration says where it is. Servers without authentication take any key, or none.

use super::{OPENAI_COMPATIBLE, ProviderSpec};

pub(super) static SPEC: ProviderSpec =
    ProviderSpec { kind: "openai-compatible", name: "OpenAI-compatible server", ..OPENAI_COMPATIBLE };
