//! Black Forest Labs' `/v1/{model}`.
//!
//! <https://docs.bfl.ml/api-reference/tasks/generate-an-image-with-flux1-[pro]>,
//! <https://docs.bfl.ml/api-reference/models/generate-an-image-with-flux-11-[pro]-with-ultra-mode-and-optional-raw-mode>,
//! <https://docs.bfl.ml/api-reference/tasks/edit-or-create-an-image-with-flux-kontext-max> and
//! <https://docs.bfl.ai/api-reference/models/generate-or-edit-an-image-with-flux2-[pro]>, read 2026-11-26. What follows the request is
//! a job ([`crate::job`]).

use super::super::TranslateError;
use super::super::sound::Sent;
use super::json;
use super::request::{Ratio, Request, within};
use crate::ir::Warnings;
use crate::job::BlackForestLabs;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The longest and the shortest side.
const SIDE_MAX: u32 = 1_440;
const SIDE_MIN: u32 = 256;
/// Sides are multiples of this.
const STEP: u32 = 32;
/// FLUX.2 costs more for each megapixel beyond the first, which no price here tells.
const FLUX_2: &str = "flux-2-";
const PIXELS_MAX: u32 = 1 << 20;
/// What FLUX.2 draws where nothing is said.
const USUAL: Ratio = (1_024, 1_024);
/// Ratios of the models that take no sizes: all from 21:9 to 9:21.
const RATIOS: [Ratio; 11] =
    [(1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (4, 5), (5, 4), (16, 9), (9, 16), (21, 9), (9, 21)];

#[derive(Serialize)]
struct Body<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
    output_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_image: Option<String>,
}

pub(super) fn encode(
    request: &Request,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Sent, TranslateError> {
    sent(request, None, model, warnings)
}

/// The same of another picture.
pub(super) fn encode_edit(
    request: &Request,
    picture: &[u8],
    model: &str,
    warnings: &mut Warnings,
) -> Result<Sent, TranslateError> {
    sent(request, Some(STANDARD.encode(picture)), model, warnings)
}

fn sent(
    request: &Request,
    input_image: Option<String>,
    model: &str,
    warnings: &mut Warnings,
) -> Result<Sent, TranslateError> {
    within(request.pictures, 1)?;
    let takes_ratio = model.starts_with("flux-kontext-") || model.ends_with("-ultra");
    let asked = request.size.or_else(|| model.starts_with(FLUX_2).then_some(USUAL));
    let drawn = asked.filter(|_| !takes_ratio).map(|asked| {
        let drawn = fitted(asked, if model.starts_with(FLUX_2) { PIXELS_MAX } else { SIDE_MAX * SIDE_MAX });
        if drawn != asked {
            let ((w, h), (width, height)) = (asked, drawn);
            warnings.add("size", format!("{w}x{h} became {width}x{height}: the model takes no such size"));
        }
        drawn
    });
    let body = json(&Body {
        prompt: &request.prompt,
        width: drawn.map(|(width, _)| width),
        height: drawn.map(|(_, height)| height),
        aspect_ratio: if takes_ratio { request.ratio(&RATIOS, warnings) } else { None },
        // What OpenAI makes; some models would make JPEG.
        output_format: request.format(&["png", "jpeg"], warnings).unwrap_or("png"),
        input_image,
    });
    Ok(Sent { job: Some(BlackForestLabs::new(request.wants_url).into()), ..body })
}

/// The nearest sides that are drawn, in about the same ratio, of at most so many pixels.
fn fitted((width, height): Ratio, pixels_max: u32) -> Ratio {
    let (w, h) = (f64::from(width), f64::from(height));
    let by_side = f64::from(SIDE_MAX) / w.max(h);
    let by_pixels = (f64::from(pixels_max) / (w * h)).sqrt();
    let scale = by_side.min(by_pixels).min(1.0);
    // A cast from a float stops at the ends of the range.
    let side = |length: f64| ((length * scale) as u32 / STEP * STEP).clamp(SIDE_MIN, SIDE_MAX);
    (side(w), side(h))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_what_is_drawn_and_never_more_pixels_than_are_paid_for() {
        for (asked, drawn) in [
            ((1_024, 1_024), (1_024, 1_024)),
            ((1_792, 1_024), (1_440, 800)),
            ((100, 4_000), (256, 1_440)),
            ((1_000, 1_000), (992, 992)),
            ((u32::MAX, 1), (1_440, 256)),
        ] {
            assert_eq!(fitted(asked, SIDE_MAX * SIDE_MAX), drawn, "{asked:?}");
            let (width, height) = fitted(asked, PIXELS_MAX);
            assert!(width * height <= PIXELS_MAX && width % STEP == 0 && height % STEP == 0, "{asked:?}");
        }
        assert_eq!(fitted((1_536, 1_024), PIXELS_MAX), (1_248, 832));
    }
}
