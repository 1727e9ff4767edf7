//! Where a catalogue is read from: local overrides, what was synced, the binary; and writing what is synced.

use super::{CatalogError, embedded, parse};
use domain::catalog::{Catalog, Model, Privacy};
use std::path::{Path, PathBuf};

/// The catalogue of a provider kind: `<kind>.toml` in the folder of overrides if it exists, else in that of what was
/// synced, else the file in the binary, else an empty catalogue; and what the provider was seen to list beside that.
/// Reads the disk; called at start and on reload.
pub fn load(kind: &str, overrides: Option<&Path>, synced: Option<&Path>) -> Result<Catalog, CatalogError> {
    let mut catalog = Catalog::default();
    let folders = [overrides, synced].into_iter().flatten().map(|folder| folder.join(format!("{kind}.toml")));
    let mut found = None;
    for path in folders {
        if found.is_none() {
            found = read(&path)?.map(|text| (path.display().to_string(), text));
        }
    }
    let built_in =
        || embedded(kind).map(|text| (format!("the built-in catalogue of {kind}"), text.to_owned()));
    if let Some((file, text)) = found.or_else(built_in) {
        catalog = Catalog::new(parse_in(file, &text)?);
        catalog.privacy = privacy(&text);
    }
    if let Some(path) = synced.map(|folder| listed_path(folder, kind))
        && let Some(text) = read(&path)?
    {
        let unknown = |model: &Model| catalog.find(&model.id).is_none();
        let models = parse_in(path.display().to_string(), &text)?;
        for model in models.into_iter().filter(unknown).collect::<Vec<_>>() {
            catalog.insert(model);
        }
    }
    Ok(catalog)
}

/// What a catalogue file tells of its provider's way with texts. It stands before the models.
fn privacy(text: &str) -> Privacy {
    let head = text.split("[[models]]").next().unwrap_or_default();
    let table: toml::Table = head.parse().unwrap_or_default();
    let word = |group: &str, field: &str| {
        let group = table.get("provider")?.get(group)?;
        group.get(field)?.as_str().map(str::to_owned)
    };
    Privacy {
        is_of_eu: word("residency", "eu").is_some_and(|eu| eu.starts_with("yes")),
        training: word("privacy", "training"),
        retention: word("privacy", "retention"),
    }
}

fn parse_in(file: String, text: &str) -> Result<Vec<Model>, CatalogError> {
    parse(text).map_err(|error| CatalogError::InFile { file, source: Box::new(error) })
}

/// What providers of a kind were seen to list and nobody knew.
fn listed_path(folder: &Path, kind: &str) -> PathBuf {
    folder.join(format!("{kind}.listed.toml"))
}

/// Writes a catalogue file among those that were synced; how many models it has. What cannot be read is not written.
pub fn take_over(folder: &Path, kind: &str, text: &str) -> Result<usize, CatalogError> {
    let models = parse_in(format!("{kind}.toml"), text)?;
    write(&folder.join(format!("{kind}.toml")), text)?;
    Ok(models.len())
}

/// Adds models that a provider lists, without a price; how many are new.
pub fn add_listed(folder: &Path, kind: &str, ids: &[&String]) -> Result<usize, CatalogError> {
    let path = listed_path(folder, kind);
    let text =
        read(&path)?.unwrap_or_else(|| "source = \"the provider's own list\"\nread = \"\"\n".to_owned());
    let known = parse_in(path.display().to_string(), &text)?;
    let new: Vec<_> = ids.iter().filter(|id| known.iter().all(|model| model.id != ***id)).collect();
    let entry = |id: &str| {
        let id = toml::Value::from(id);
        format!("\n[[models]]\nid = {id}\nname = {id}\nmode = \"chat\"\n")
    };
    let text = new.iter().fold(text, |text, id| text + &entry(id));
    if !new.is_empty() {
        write(&path, &text)?;
    }
    Ok(new.len())
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), CatalogError> {
    let fault = |source| CatalogError::Unreadable { path: path.to_owned(), source };
    let next = path.with_extension("next");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, path)).map_err(fault)
}

/// The text of a file, if there is one.
fn read(path: &Path) -> Result<Option<String>, CatalogError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CatalogError::Unreadable { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "source = \"x\"\nread = \"2026-11-26\"\n";

    fn entry(id: &str) -> String {
        format!("[[models]]\nid = \"{id}\"\nname = \"{id}\"\nmode = \"chat\"\n")
    }

    #[test]
    fn overrides_win_over_what_was_synced_and_that_over_the_binary() {
        let (own, synced) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let has =
            |id: &str| load("openai", Some(own.path()), Some(synced.path())).unwrap().find(id).is_some();
        assert!(has("gpt-5"));
        assert_eq!(take_over(synced.path(), "openai", &format!("{HEAD}{}", entry("synced"))).unwrap(), 1);
        assert!(has("synced") && !has("gpt-5"));
        std::fs::write(own.path().join("openai.toml"), format!("{HEAD}{}", entry("own"))).unwrap();
        assert!(has("own") && !has("synced"));
        assert!(take_over(synced.path(), "openai", "models = 1").is_err());
    }

    #[test]
    fn a_file_tells_of_its_providers_way_with_texts() {
        let of = |kind: &str| load(kind, None, None).unwrap().privacy;
        assert_eq!(of("openai").keeps(), (Some(true), Some(30)));
        assert!(of("scaleway").is_of_eu && !of("openai").is_of_eu);
        assert_eq!(of("demo"), Privacy::default());
    }

    #[test]
    fn what_is_listed_is_added_once_without_a_price() {
        let synced = tempfile::tempdir().unwrap();
        let [new, known] = ["new \"model\"".to_owned(), "gpt-5".to_owned()];
        assert_eq!(add_listed(synced.path(), "openai", &[&new, &known]).unwrap(), 2);
        assert_eq!(add_listed(synced.path(), "openai", &[&new]).unwrap(), 0);
        let catalog = load("openai", None, Some(synced.path())).unwrap();
        assert_eq!(catalog.find(&new).unwrap().price, None);
        // What the catalogue knows is not replaced by what is only listed.
        assert!(catalog.find("gpt-5").unwrap().price.is_some());
    }
}
