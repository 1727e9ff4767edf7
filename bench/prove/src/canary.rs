//! Made-up secrets, and finding them again in whatever form they were written.

use crate::rng::Rng;

/// Characters of a secret that give too much of it away.
const PART: usize = 8;

/// A secret that must turn up nowhere.
pub struct Canary {
    /// What it is, for the report.
    pub name: &'static str,
    pub text: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// Makes one up. What stands first, such as `sbx_`, is no secret.
    pub fn new(name: &'static str, first: &str, rng: &mut Rng) -> Canary {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let letter = |rng: &mut Rng| char::from(LETTERS[rng.below(LETTERS.len() as u64) as usize]);
        let secret: String = (0..40).map(|_| letter(rng)).collect();
        Canary::of(name, first, &secret)
    }

    /// One that is known.
    pub fn of(name: &'static str, first: &str, secret: &str) -> Canary {
        let text = format!("{first}{secret}");
        let bytes = secret.as_bytes();
        let mut forms = vec![
            ("plain", bytes.to_vec()),
            ("first characters", bytes[..PART].to_vec()),
            ("last characters", bytes[bytes.len() - PART..].to_vec()),
            ("hex", bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()),
            ("HEX", bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()),
            ("percent", bytes.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect()),
            ("list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).into()),
        ];
        // Wherever in a longer text it stood, one of three alignments is its own.
        for skip in 0..3 {
            forms.push(("base64", base64(&bytes[skip..bytes.len() - (bytes.len() - skip) % 3])));
        }
        Canary { name, text, forms }
    }

    /// The forms in which it stands in some bytes.
    pub fn found_in(&self, haystack: &[u8]) -> Vec<&'static str> {
        let holds = |needle: &[u8]| {
            let first = needle[0];
            let starts = haystack.iter().enumerate().filter(|(_, byte)| **byte == first);
            starts.into_iter().any(|(at, _)| haystack[at..].starts_with(needle))
        };
        self.forms.iter().filter(|(_, needle)| holds(needle)).map(|(form, _)| *form).collect()
    }
}

/// How many forms are looked for.
pub const FORMS: usize = 10;

/// Whole groups of three only.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |group: &[u8]| {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63])
    };
    bytes.chunks_exact(3).flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let canary = Canary::of("a key", "sbx_", "made up and long");
        for (text, form) in [
            ("x sbx_made up and long.", "plain"),
            ("made up …", "first characters"),
            ("…and long", "last characters"),
            ("6d61646520757020616e64206c6f6e67", "hex"),
            ("a2V5OiBtYWRlIHVwIGFuZCBsb25n", "base64"),
            ("[109, 97, 100, 101, 32, 117, 112, 32, 97, 110, 100, 32, 108, 111, 110, 103]", "list of bytes"),
        ] {
            assert!(canary.found_in(text.as_bytes()).contains(&form), "{form}");
        }
        assert_eq!(canary.forms.len(), FORMS);
    }

    #[test]
    fn what_stands_first_is_no_secret() {
        assert!(Canary::of("a key", "sbx_", "made up and long").found_in(b"sbx_made u").is_empty());
    }
}
