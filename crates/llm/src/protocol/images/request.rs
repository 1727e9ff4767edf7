//! OpenAI's request for pictures, and what vendors that draw otherwise make of its sizes.

use super::super::TranslateError;
use super::super::fields::{Fields, invalid};
use crate::ir::Warnings;
use serde_json::value::RawValue;

/// Our own objects in a request; they are never forwarded.
const OWN_FIELDS: [&str; 2] = ["requesty", "signalbox"];
/// Fields of OpenAI's that steer its own models.
const STEERING: [&str; 6] = ["quality", "background", "moderation", "output_compression", "style", "user"];

/// A ratio of width and height, or these themselves.
pub(super) type Ratio = (u32, u32);

/// A request.
pub(super) struct Request {
    pub prompt: String,
    pub pictures: u64,
    pub size: Option<Ratio>,
    /// Addresses are wanted, and not the pictures.
    pub wants_url: bool,
    format: Option<String>,
}

impl Request {
    /// Reads it for a vendor, who gives addresses of pictures or only bytes.
    pub(super) fn read(
        body: &[u8],
        gives_addresses: bool,
        warnings: &mut Warnings,
    ) -> Result<Self, TranslateError> {
        let mut fields = Fields::of_body(body)?;
        for own in OWN_FIELDS {
            fields.raw(own);
        }
        fields.raw("model");
        if fields.get::<bool>("stream")? == Some(true) {
            return Err(invalid("stream", "the model's provider does not stream pictures: leave it out"));
        }
        fields.raw("partial_images");
        let wants_url = match fields.string("response_format")?.as_deref() {
            None | Some("b64_json") => false,
            Some("url") if gives_addresses => true,
            Some("url") => {
                let message = "the model's provider gives bytes and no addresses: ask for b64_json";
                return Err(invalid("response_format", message));
            }
            Some(other) => {
                return Err(invalid("response_format", format!("expected b64_json or url, got `{other}`")));
            }
        };
        let prompt = fields.required_string("prompt")?;
        let pictures = match fields.raw("n").map(RawValue::get) {
            None => 1,
            Some(raw) => whole(raw)?,
        };
        let size = match fields.string("size")?.as_deref() {
            None | Some("auto") => None,
            Some(size) => Some(sides(size)?),
        };
        let format = fields.string("output_format")?;
        for name in STEERING {
            if fields.raw(name).is_some_and(|raw| !matches!(raw.get(), "\"auto\"" | "\"standard\"")) {
                warnings.add(name, "dropped: the provider has no such field");
            }
        }
        let mut lost = Vec::new();
        fields.finish(&mut lost);
        if !lost.is_empty() {
            warnings.add("unknown fields", format!("dropped: {}", lost.join(", ")));
        }
        Ok(Self { prompt, pictures, size, wants_url, format })
    }

    /// The nearest ratio that a model draws; how many pixels that are is the model's affair.
    pub(super) fn ratio(&self, drawn: &[Ratio], warnings: &mut Warnings) -> Option<String> {
        let (width, height) = self.size?;
        let of = |(width, height): Ratio| (f64::from(width) / f64::from(height)).ln();
        let distance = |ratio: &Ratio| (of(*ratio) - of((width, height))).abs();
        let (w, h) = drawn.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        warnings.add("size", format!("{width}x{height} became a ratio of {w}:{h}: the model takes no sizes"));
        Some(format!("{w}:{h}"))
    }

    /// The format of the pictures, where a vendor makes it.
    pub(super) fn format(&self, made: &[&str], warnings: &mut Warnings) -> Option<&str> {
        let format = self.format.as_deref()?;
        if !made.contains(&format) {
            let made = made.join(" and ");
            warnings.add("output_format", format!("dropped: the provider makes {made}, not `{format}`"));
            return None;
        }
        Some(format)
    }

    /// Gives the format up, where a vendor is told none.
    pub(super) fn drop_format(&self, warnings: &mut Warnings) {
        if self.format.as_ref().is_some_and(|format| format != "png") {
            warnings.add("output_format", "dropped: the provider has no such field");
        }
    }
}

/// A number, as forms have it too.
fn whole(raw: &str) -> Result<u64, TranslateError> {
    raw.trim_matches('"').parse().map_err(|_| invalid("n", format!("expected a whole number, got {raw}")))
}

/// Width and height.
fn sides(size: &str) -> Result<Ratio, TranslateError> {
    let read =
        size.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let sides = read.filter(|(width, height)| *width > 0 && *height > 0);
    sides
        .ok_or_else(|| invalid("size", format!("expected `auto`, or a size such as 1024x1024, got `{size}`")))
}

/// Fails where a model makes fewer pictures a call.
pub(super) fn within(pictures: u64, most: u64) -> Result<(), TranslateError> {
    match pictures {
        0 => Err(invalid("n", "expected one picture or more")),
        pictures if pictures > most => {
            Err(invalid("n", format!("this model makes {most} a call at the most: make several calls")))
        }
        _ => Ok(()),
    }
}
