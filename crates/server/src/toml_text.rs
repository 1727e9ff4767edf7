//! TOML that is fit to be read.
//!
//! The library bounds how deep values are nested, but not while it recovers from an error: a broken inline table
//! within another, some hundred times, takes all of the stack (toml_parser 1.1.5, found by `cargo xtask prove fuzz`).

use serde::Deserialize;
use serde::de::Error;

/// Brackets within brackets: far more than any setting or catalogue has.
const DEPTH_MAX: usize = 64;

/// Reads a text.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, toml::de::Error> {
    if depth(text) > DEPTH_MAX {
        return Err(toml::de::Error::custom("brackets are nested too deep"));
    }
    toml::from_str(text)
}

/// How many brackets are open at the most. Those in strings and comments count too: what a broken text means by its
/// quotes is anyone's guess.
fn depth(text: &str) -> usize {
    let step = |(open, most): (usize, usize), byte: u8| match byte {
        b'{' | b'[' => (open + 1, most.max(open + 1)),
        b'}' | b']' => (open.saturating_sub(1), most),
        _ => (open, most),
    };
    text.bytes().fold((0, 0), step).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_nested_too_deep_is_refused_before_it_is_read() {
        let broken = "a = { b = 1, c\nd = ".repeat(5_000);
        let refused = parse::<toml::Table>(&broken).unwrap_err();
        assert!(refused.message().contains("too deep"), "{refused}");
        assert!(parse::<toml::Table>("a = [[[1]]]\nb = { c = { d = 2 } }").is_ok());
    }
}
