//! Stability AI: pictures made of a text.
//!
//! API: <https://platform.stability.ai/docs/api-reference>, which is a page that only a browser can read; read as restated in
//! <https://github.com/gambithunt/imagen/blob/main/.github/instructions/sd_core.instructions.md>, in the types of
//! <https://glama.ai/mcp/servers/arwjcxkkhg> and in <https://schemas.apis.io/schemas/stability-ai/stability-ai-generateimageresponse/>,
//! 2026-11-26. Requests are forms; with `accept: application/json` pictures come in base64. Each way to draw has a path, and that of
//! Stable Diffusion a field for the model. What the vendor's filters refuse is a 403 with the name `content_moderation`.
//!
//! A picture has one price, whatever its ratio. Nothing told here says whether a filtered one is billed: it is charged.

use super::{OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec = ProviderSpec {
    kind: "stability",
    name: "Stability AI",
    base_url: Some("https://api.stability.ai"),
    key_variables: &["STABILITY_API_KEY"],
    routes: &[
        drawing("/v2beta/stable-image/generate/core", &["stable-image-core"]),
        drawing("/v2beta/stable-image/generate/ultra", &["stable-image-ultra"]),
        drawing("/v2beta/stable-image/generate/sd3", &["sd3"]),
    ],
    ..OPENAI_COMPATIBLE
};

const fn drawing(path: &'static str, models: &'static [&'static str]) -> Route {
    Route::of(RouteKind::ImageGenerations, path).shaped(Shape::Stability).for_models(models)
}
