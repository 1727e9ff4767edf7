//! Settings from the environment.

use super::{ConfigError, Settings};
use crate::toml_text;
use std::collections::BTreeMap;

/// What stands before every variable of ours.
const PREFIX: &str = "SIGNALBOX_";

/// The process's environment, taken once.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Names only: the values of many variables are secrets.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Takes the environment of this process.
    pub fn of_process() -> Self {
        // Variables that are not Unicode are not ours.
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// An environment for tests.
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Writes every variable of a setting into the table.
    pub(super) fn overlay(&self, table: &mut toml::Table) -> Result<(), ConfigError> {
        for (path, default) in paths() {
            let variable = variable(&path);
            let Some(text) = self.get(&variable) else { continue };
            let value = parse(text, &default)
                .map_err(|reason| ConfigError::Variable { variable: variable.clone(), reason })?;
            insert(table, &path, value);
        }
        for (variable, name) in [("SIGNALBOX_PROVIDERS", "providers"), ("SIGNALBOX_ALIASES", "aliases")] {
            let Some(text) = self.get(variable) else { continue };
            let refuse = |reason: String| ConfigError::Variable { variable: variable.to_owned(), reason };
            let mut read: toml::Table = toml_text::parse(&format!("{name} = {text}"))
                .map_err(|error| refuse(error.message().to_owned()))?;
            let list = read.remove(name).ok_or_else(|| refuse("not a list".to_owned()))?;
            table.insert(name.to_owned(), list);
        }
        Ok(())
    }
}

/// The variable of a setting.
pub(super) fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_uppercase())
}

/// Every setting but the providers and aliases, with its default.
pub(super) fn paths() -> Vec<(Vec<String>, toml::Value)> {
    let mut found = Vec::new();
    if let Ok(toml::Value::Table(table)) = toml::Value::try_from(Settings::default()) {
        walk(&mut Vec::new(), &table, &mut found);
    }
    found
}

fn walk(path: &mut Vec<String>, table: &toml::Table, found: &mut Vec<(Vec<String>, toml::Value)>) {
    for (key, value) in table {
        path.push(key.clone());
        if let toml::Value::Table(inner) = value {
            walk(path, inner, found);
        } else {
            found.push((path.clone(), value.clone()));
        }
        path.pop();
    }
}

/// Reads a variable's text as the kind of value that its setting has.
fn parse(text: &str, default: &toml::Value) -> Result<toml::Value, String> {
    match default {
        toml::Value::Integer(_) => {
            text.parse().map(toml::Value::Integer).map_err(|_| format!("{text:?} is not a whole number"))
        }
        toml::Value::Boolean(_) => {
            text.parse().map(toml::Value::Boolean).map_err(|_| format!("{text:?} is not true or false"))
        }
        toml::Value::String(_)
        | toml::Value::Float(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => Ok(toml::Value::String(text.to_owned())),
    }
}

fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) {
    match path {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            // Something else than a table stands there: the file is wrong, and reading it will say so.
            if let toml::Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
