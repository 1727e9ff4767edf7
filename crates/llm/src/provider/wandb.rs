//! W&B Inference: chat (CoreWeave serverless inference).
//!
//! API: <https://docs.wandb.ai/guides/integrations/inference>. Base URL and key variable as in models.dev
//! of 2026-08-18, read 2026-11-22.
//!
//! The optional header `OpenAI-Project: team/project` assigns usage to a project.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route};
use crate::protocol::Protocol;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "wandb",
    name: "W&B Inference",
    base_url: Some("https://api.inference.wandb.ai/v1"),
    key_variables: &["WANDB_API_KEY"],
    routes: &[Route::chat(Protocol::OpenAiChat, "/chat/completions")],
    ..OPENAI_COMPATIBLE
};
