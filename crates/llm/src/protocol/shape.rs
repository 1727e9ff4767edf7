//! Shapes: the wire formats of what is no conversation, where vendors have their own.

use super::Protocol;

/// A wire format of embeddings, rankings, speech or pictures. What [`Protocol`] is to conversations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    /// OpenAI's; of rankings, which OpenAI has not, the one that Cohere and Jina share.
    OpenAi,
    /// Google's `embedContent`: one content, one vector.
    GeminiEmbed,
    /// Google's `batchEmbedContents`.
    GeminiBatch,
    /// `embedContent` of Google's cloud, whose settings are an object of their own.
    VertexEmbed,
    /// `predict` of Google's cloud, for its text embeddings.
    VertexPredict,
    /// Cohere's `/v2/embed`.
    Cohere,
    /// Voyage's embeddings and rankings.
    Voyage,
    /// Amazon's Titan text embeddings behind Bedrock's InvokeModel.
    BedrockTitan,
    /// Cohere's Embed behind Bedrock's InvokeModel.
    BedrockCohere,
    /// Deepgram's `/v1/listen` and `/v1/speak`.
    Deepgram,
    /// ElevenLabs' `/v1/text-to-speech` and `/v1/speech-to-text`.
    ElevenLabs,
    /// AssemblyAI's `/v2/upload` and `/v2/transcript`.
    AssemblyAi,
    /// Black Forest Labs' `/v1/{model}`.
    BlackForestLabs,
    /// Stability's pictures at its own address, `/v2beta/stable-image/generate`.
    Stability,
    /// Stability's pictures behind Bedrock's InvokeModel.
    BedrockStability,
    /// `predict` of Google's, for Imagen's pictures.
    Imagen,
}

impl Shape {
    /// Those that models are asked for vectors in.
    pub const OF_VECTORS: [Shape; 9] = [
        Shape::OpenAi,
        Shape::GeminiEmbed,
        Shape::GeminiBatch,
        Shape::VertexEmbed,
        Shape::VertexPredict,
        Shape::Cohere,
        Shape::Voyage,
        Shape::BedrockTitan,
        Shape::BedrockCohere,
    ];

    /// Those that callers ask for embeddings in.
    pub const OF_CALLERS: [Shape; 3] = [Shape::OpenAi, Shape::GeminiEmbed, Shape::GeminiBatch];

    /// The word used in warnings and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Shape::OpenAi => "openai",
            Shape::GeminiEmbed => "gemini_embed",
            Shape::GeminiBatch => "gemini_batch",
            Shape::VertexEmbed => "vertex_embed",
            Shape::VertexPredict => "vertex_predict",
            Shape::Cohere => "cohere",
            Shape::Voyage => "voyage",
            Shape::BedrockTitan => "bedrock_titan",
            Shape::BedrockCohere => "bedrock_cohere",
            Shape::Deepgram => "deepgram",
            Shape::ElevenLabs => "elevenlabs",
            Shape::AssemblyAi => "assemblyai",
            Shape::BlackForestLabs => "black_forest_labs",
            Shape::Stability => "stability",
            Shape::BedrockStability => "bedrock_stability",
            Shape::Imagen => "imagen",
        }
    }

    /// The protocol whose credentials and errors it shares.
    pub const fn protocol(self) -> Protocol {
        match self {
            Shape::OpenAi
            | Shape::Cohere
            | Shape::Voyage
            | Shape::Deepgram
            | Shape::ElevenLabs
            | Shape::AssemblyAi
            | Shape::BlackForestLabs
            | Shape::Stability => Protocol::OpenAiChat,
            Shape::GeminiEmbed
            | Shape::GeminiBatch
            | Shape::VertexEmbed
            | Shape::VertexPredict
            | Shape::Imagen => Protocol::Gemini,
            Shape::BedrockTitan | Shape::BedrockCohere | Shape::BedrockStability => Protocol::BedrockConverse,
        }
    }
}
