//! Which of Cohere's models think.

/// Beginnings of the names of those that do not. Others are taken to: the newer ones do, unless told not to
/// (<https://docs.cohere.com/docs/reasoning> and <https://docs.cohere.com/docs/models>, read 2026-11-26).
const THOUGHTLESS: [&str; 7] = [
    "command-r",
    "command-a-03-2025",
    "command-a-vision",
    "command-a-translate",
    "command-light",
    "command-nightly",
    "c4ai-aya",
];

/// Whether a model thinks before it answers.
pub(super) fn thinks(model: &str) -> bool {
    model != "command" && !THOUGHTLESS.iter().any(|start| model.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_who_thinks() {
        for model in ["command-a-reasoning-08-2025", "command-a-plus-05-2026", "my-own"] {
            assert!(thinks(model), "{model}");
        }
        for model in ["command", "command-r7b-12-2024", "command-r-plus-08-2024", "c4ai-aya-vision-32b"] {
            assert!(!thinks(model), "{model}");
        }
    }
}
