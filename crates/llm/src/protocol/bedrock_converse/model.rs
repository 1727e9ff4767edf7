//! What the models of Bedrock take, told from their ids.
//!
//! Converse passes every field on, and models refuse with 400 what they do not know.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html> and
//! <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>, read 2026-11-26. That models of
//! Mistral can be made to call some tool stands in older copies of the first page only.

use super::super::anthropic_messages::model::{Traits, traits};

/// Whose model it is, as far as that matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    /// Anthropic's.
    Claude(Traits),
    /// Amazon's first.
    Nova,
    /// Amazon's second, which thinks.
    Nova2,
    /// OpenAI's open ones.
    GptOss,
    /// Mistral's.
    Mistral,
    /// Cohere's.
    Cohere,
    /// Open ones that can be held to a schema.
    Schematic,
    /// All others: nothing beyond the common fields is sent.
    Other,
}

/// Vendors whose models can be held to a schema, beside Anthropic and OpenAI.
const SCHEMATIC: [&str; 6] =
    ["qwen.", "deepseek.v3", "google.gemma", "nvidia.nemotron", "minimax.", "moonshot"];

impl Family {
    /// Reads a model's id, an inference profile's id, or the ARN of either.
    pub fn of(model: &str) -> Self {
        let is = |name: &str| model.contains(name);
        match () {
            () if is("anthropic.") => Family::Claude(traits(model)),
            () if is("amazon.nova-2") => Family::Nova2,
            () if is("amazon.nova") => Family::Nova,
            () if is("openai.") => Family::GptOss,
            () if is("mistral.") => Family::Mistral,
            () if is("cohere.") => Family::Cohere,
            () if SCHEMATIC.iter().any(|name| is(name)) => Family::Schematic,
            () => Family::Other,
        }
    }

    /// Whether a call of some tool can be demanded.
    pub fn takes_any_tool(self) -> bool {
        matches!(self, Family::Claude(_) | Family::Nova | Family::Nova2 | Family::Mistral)
    }

    /// Whether a call of a certain tool can be demanded.
    pub fn takes_named_tool(self) -> bool {
        matches!(self, Family::Claude(_) | Family::Nova | Family::Nova2)
    }

    /// Whether the answer can be held to a schema.
    pub fn takes_schema(self) -> bool {
        match self {
            Family::Claude(traits) => traits.takes_schema,
            Family::GptOss | Family::Mistral | Family::Schematic => true,
            Family::Nova | Family::Nova2 | Family::Cohere | Family::Other => false,
        }
    }

    /// Whether prompts are cached up to marked places.
    pub fn takes_cache_points(self) -> bool {
        matches!(self, Family::Claude(_) | Family::Nova | Family::Nova2)
    }

    /// Whether tools may be among what is cached.
    pub fn caches_tools(self) -> bool {
        matches!(self, Family::Claude(_))
    }

    /// Whether it takes its signed thoughts back.
    pub fn takes_thoughts(self) -> bool {
        matches!(self, Family::Claude(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_whose_a_model_is() {
        let table = [
            ("eu.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("amazon.nova-pro-v1:0", Family::Nova),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("us.mistral.pixtral-large-2502-v1:0", Family::Mistral),
            ("qwen.qwen3-32b-v1:0", Family::Schematic),
            ("us.deepseek.r1-v1:0", Family::Other),
            ("us.meta.llama4-scout-17b-instruct-v1:0", Family::Other),
        ];
        for (model, family) in table {
            assert_eq!(Family::of(model), family, "{model}");
        }
        let claude =
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
        assert!(Family::of(claude).takes_schema() && Family::of(claude).caches_tools());
        assert!(!Family::of("anthropic.claude-3-haiku-20240307-v1:0").takes_schema());
    }
}
