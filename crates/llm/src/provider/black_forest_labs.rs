//! Black Forest Labs: FLUX, pictures made of a text, or of another picture.
//!
//! API: <https://docs.bfl.ai/api_integration/integration_guidelines>, read 2026-11-26. The key stands in `x-key`. A request is answered
//! with an address to look at, one of `*.bfl.ai`, where a picture is told that is fetched from another and gone after ten
//! minutes (<https://help.bfl.ai/articles/9532536301-which-api-endpoint-should-i-use>, read 2026-11-26): a job.
//!
//! The catalogue's models have one price for a picture. FLUX.2 costs more for each megapixel beyond the first, so no more than
//! one is asked for. FLUX.1 Kontext changes a picture at the same price. FLUX.2 bills what it is given too, and `…-fill` takes masks of
//! another kind than OpenAI's: they are not asked to. What was moderated is not billed; of errors
//! nothing says so, and they are charged. Whether work ends when nobody looks is not told: it is taken to be done and billed.

use super::{Auth, OPENAI_COMPATIBLE, ProviderSpec, Route, RouteKind};
use crate::protocol::Shape;

pub(super) static SPEC: ProviderSpec =
    ProviderSpec {
        kind: "black-forest-labs",
        name: "Black Forest Labs",
        base_url: Some("https://api.bfl.ai"),
        auth: Auth::Header("x-key"),
        key_variables: &["BFL_API_KEY"],
        domain: Some("bfl.ai"),
        routes: &[
            Route::of(RouteKind::ImageGenerations, "/v1/{model}")
                .shaped(Shape::BlackForestLabs)
                .for_models(&["flux-2-", "flux-dev$", "flux-kontext-", "flux-pro$", "flux-pro-1.1"]),
            Route::of(RouteKind::ImageEdits, "/v1/{model}")
                .shaped(Shape::BlackForestLabs)
                .for_models(&["flux-kontext-"]),
        ],
        ..OPENAI_COMPATIBLE
    };
