//! The repository's text files, read once for all rules.

use crate::failure::{Context, Failure};
use std::{fs, path::Path};

/// What is built, fetched or written at run time is not the repository's text.
const FOLDERS_SKIPPED: &[&str] =
    &[".git", "target", "node_modules", "__pycache__", "signalbox-data", "results", ".venv"];

/// Larger files are data.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// One file and its text.
pub struct File {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn has_extension(&self, extensions: &[&str]) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Whether it is recorded traffic or other data that is not written by hand.
    pub fn is_fixture(&self) -> bool {
        self.path.split('/').any(|part| part == "fixtures")
    }

    /// The path below `prefix`, when it is below it.
    pub fn below(&self, prefix: &str) -> Option<&str> {
        self.path.strip_prefix(prefix)
    }

    pub fn line_count(&self) -> usize {
        self.text.lines().count()
    }
}

/// All text files of the repository, in the order of their paths.
pub struct Tree {
    pub files: Vec<File>,
}

impl Tree {
    pub fn read(root: &Path) -> Result<Tree, Failure> {
        let mut files = Vec::new();
        read_folder(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Tree { files })
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).context(folder.display())? {
        let entry = entry.context(folder.display())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().context(&path)?;
        if kind.is_dir() && !FOLDERS_SKIPPED.contains(&name.as_str()) {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        }
        let is_small = || entry.metadata().is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
        // What is not UTF-8 is an image or another binary; what has just gone was a passing file.
        // In a worktree `.git` is a file.
        if kind.is_file()
            && name != ".git"
            && is_small()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
impl Tree {
    /// A made-up repository.
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Tree { files: files.iter().map(file).collect() }
    }
}
