//! A small JSON reader and writer, for what cargo and `bench/compare` print.
//!
//! Numbers are `f64`: nothing here needs more. Not for untrusted input: the nesting is not bounded.

use std::fmt::{self, Display, Write as _};

#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Json>),
    /// In the order of the text.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Result<Json, SyntaxError> {
        let mut reader = Reader { rest: text, length: text.len() };
        let value = reader.value()?;
        reader.skip_space();
        if reader.rest.is_empty() { Ok(value) } else { Err(reader.error("text after the value")) }
    }

    pub fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value reached by one field name after the other.
    pub fn at(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(self, |value, name| value.field(name))
    }

    fn field(&self, name: &str) -> Option<&Json> {
        let Json::Object(fields) = self else { return None };
        fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    pub fn as_number(&self) -> Option<f64> {
        if let Json::Number(number) = self { Some(*number) } else { None }
    }

    /// The items of an array; nothing for any other value.
    pub fn items(&self) -> &[Json] {
        if let Json::Array(items) = self { items } else { &[] }
    }

    /// Adds a field to an object; does nothing to any other value.
    pub fn insert(&mut self, name: &str, value: Json) {
        if let Json::Object(fields) = self {
            fields.push((name.to_owned(), value));
        }
    }

    /// The text with two spaces of indentation, ended by a line feed.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(number) if !number.is_finite() => out.push_str("null"),
            Json::Number(number) => {
                // Writing to a string does not fail.
                let _ = write!(out, "{number}");
            }
            Json::String(text) => write_string(out, text),
            Json::Array(items) => {
                write_items(out, depth, ['[', ']'], items, |out, item| item.write(out, depth + 1));
            }
            Json::Object(fields) => write_items(out, depth, ['{', '}'], fields, |out, (name, value)| {
                write_string(out, name);
                out.push_str(": ");
                value.write(out, depth + 1);
            }),
        }
    }
}

fn write_items<T>(
    out: &mut String,
    depth: usize,
    [open, close]: [char; 2],
    items: &[T],
    write: impl Fn(&mut String, &T),
) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(depth + 1));
        write(out, item);
    }
    if !items.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Where a text is not JSON.
#[derive(Debug, PartialEq)]
pub struct SyntaxError {
    what: &'static str,
    at: usize,
}

impl Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at byte {}", self.what, self.at)
    }
}

struct Reader<'a> {
    rest: &'a str,
    length: usize,
}

impl Reader<'_> {
    fn error(&self, what: &'static str) -> SyntaxError {
        SyntaxError { what, at: self.length - self.rest.len() }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest;
        true
    }

    fn value(&mut self) -> Result<Json, SyntaxError> {
        self.skip_space();
        if self.take("null") {
            return Ok(Json::Null);
        }
        if self.take("true") {
            return Ok(Json::Bool(true));
        }
        if self.take("false") {
            return Ok(Json::Bool(false));
        }
        if self.take("[") {
            return Ok(Json::Array(self.list("]", Reader::value)?));
        }
        if self.take("{") {
            return Ok(Json::Object(self.list("}", Reader::pair)?));
        }
        if self.rest.starts_with('"') { self.string().map(Json::String) } else { self.number() }
    }

    fn list<T>(
        &mut self,
        close: &str,
        item: impl Fn(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<Vec<T>, SyntaxError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.skip_space();
            if self.take(close) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(self.error("a comma or a bracket is missing"));
            }
        }
    }

    fn pair(&mut self) -> Result<(String, Json), SyntaxError> {
        self.skip_space();
        let name = self.string()?;
        self.skip_space();
        if !self.take(":") {
            return Err(self.error("a colon is missing"));
        }
        Ok((name, self.value()?))
    }

    fn number(&mut self) -> Result<Json, SyntaxError> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let number = text.parse().map_err(|_| self.error("no value"))?;
        self.rest = rest;
        Ok(Json::Number(number))
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        if !self.take("\"") {
            return Err(self.error("a string is missing"));
        }
        let mut text = String::new();
        loop {
            let Some(end) = self.rest.find(['"', '\\']) else {
                return Err(self.error("a string without end"));
            };
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if self.take("\"") {
                return Ok(text);
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let simple = [
            ("\\\"", '"'),
            ("\\\\", '\\'),
            ("\\/", '/'),
            ("\\n", '\n'),
            ("\\t", '\t'),
            ("\\r", '\r'),
            ("\\b", '\u{8}'),
            ("\\f", '\u{c}'),
        ];
        for (token, character) in simple {
            if self.take(token) {
                return Ok(character);
            }
        }
        let first = self.code_unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            units.push(self.code_unit()?);
        }
        let mut characters = char::decode_utf16(units);
        characters.next().and_then(Result::ok).ok_or_else(|| self.error("half a character"))
    }

    fn code_unit(&mut self) -> Result<u16, SyntaxError> {
        let digits = self.rest.strip_prefix("\\u").and_then(|rest| rest.get(..4));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.error("an unknown escape"))?;
        self.rest = &self.rest[6..];
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_reading_and_writing() {
        let text = r#"{"a":[1,-2.5e1,true,false,null,{}],"b":{"c":"x\"\\\n\u00e9\ud83d\ude00"},"d":[]}"#;
        let value = Json::parse(text).unwrap();
        assert_eq!(value.at(&["b", "c"]).and_then(Json::as_str), Some("x\"\\\né😀"));
        assert_eq!(value.at(&["a"]).unwrap().items()[1].as_number(), Some(-25.0));
        assert_eq!(Json::parse(&value.pretty()), Ok(value));
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "\"open", "1 2", "nul", "\"\\x\"", "\"\\ud800\""] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Json::parse("[1 2]").unwrap_err().to_string(),
            "a comma or a bracket is missing at byte 3"
        );
    }
}
