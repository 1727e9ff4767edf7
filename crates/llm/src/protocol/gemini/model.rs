//! What Google's models take, told from their names.
//!
//! Gemini 2.5 is told how much to think by a budget of tokens, later models by a level; earlier ones do not think.
//! <https://ai.google.dev/gemini-api/docs/thinking> and <https://ai.google.dev/gemini-api/docs/gemini-3>, read
//! 2026-11-26.

/// How a model can be asked to think.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ThinkingSupport {
    /// Not at all.
    Never,
    /// With a budget of tokens.
    Budget {
        /// The smallest that is taken, beside zero.
        min: u64,
        /// The largest.
        max: u64,
        /// Whether zero is taken: not to think.
        can_stop: bool,
    },
    /// With a level.
    Level {
        /// Whether `minimal` is one of them.
        has_minimal: bool,
        /// Whether `medium` is one of them.
        has_medium: bool,
    },
}

/// What a model takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traits {
    pub thinking: ThinkingSupport,
    /// Calls of functions must come back with the signature of the thoughts that led to them, and results of
    /// functions may hold pictures (Gemini 3 and later).
    pub is_third_generation: bool,
}

/// Reads a model's name: `gemini-2.5-flash-lite`, `models/gemini-3-pro-preview`, `gemini-flash-latest`.
pub(super) fn traits(model: &str) -> Traits {
    let name = model.rsplit('/').next().unwrap_or(model);
    let version = name.strip_prefix("gemini-").map(version);
    match version {
        Some(Some(version)) if version >= (3, 0) => third(name, version),
        Some(Some((2, 5))) => Traits { thinking: budget(name), is_third_generation: false },
        Some(Some(_)) | None => Traits { thinking: ThinkingSupport::Never, is_third_generation: false },
        // Names without a version are those of the newest.
        Some(None) => third(name, (u32::MAX, 0)),
    }
}

fn third(name: &str, version: (u32, u32)) -> Traits {
    let is_pro = name.contains("-pro");
    let has_medium = !(is_pro && version == (3, 0));
    Traits {
        thinking: ThinkingSupport::Level { has_minimal: !is_pro, has_medium },
        is_third_generation: true,
    }
}

fn budget(name: &str) -> ThinkingSupport {
    if ["-image", "-tts", "-native-audio", "-computer-use"].iter().any(|kind| name.contains(kind)) {
        ThinkingSupport::Never
    } else if name.contains("-pro") {
        ThinkingSupport::Budget { min: 128, max: 32_768, can_stop: false }
    } else if name.contains("-lite") {
        ThinkingSupport::Budget { min: 512, max: 24_576, can_stop: true }
    } else {
        ThinkingSupport::Budget { min: 1, max: 24_576, can_stop: true }
    }
}

/// `2.5-flash` → 2.5; `3-pro-preview` → 3.0; `flash-latest` → none.
fn version(rest: &str) -> Option<(u32, u32)> {
    let number = rest.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_a_model_thinks() {
        let level = |has_minimal, has_medium| ThinkingSupport::Level { has_minimal, has_medium };
        let budget = |min, max, can_stop| ThinkingSupport::Budget { min, max, can_stop };
        let table = [
            ("gemini-1.5-pro", ThinkingSupport::Never),
            ("gemini-2.0-flash", ThinkingSupport::Never),
            ("gemini-2.5-pro", budget(128, 32_768, false)),
            ("gemini-2.5-flash-preview-09-2025", budget(1, 24_576, true)),
            ("gemini-2.5-flash-lite", budget(512, 24_576, true)),
            ("gemini-2.5-flash-image", ThinkingSupport::Never),
            ("gemini-3-pro-preview", level(false, false)),
            ("gemini-3.1-pro-preview", level(false, true)),
            ("gemini-3-flash-preview", level(true, true)),
            ("models/gemini-3.8-flash", level(true, true)),
            ("gemini-flash-latest", level(true, true)),
            ("gemma-3-27b-it", ThinkingSupport::Never),
        ];
        for (model, expected) in table {
            assert_eq!(traits(model).thinking, expected, "{model}");
        }
    }
}
