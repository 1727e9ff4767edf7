//! Rules on files: their length, how they open, what they must not hold.

use super::{
    Finding,
    tree::{File, Tree},
};

/// A rule on the files of the repository.
pub type Rule = fn(&Tree) -> Vec<Finding>;

pub const RULES: &[Rule] = &[
    length,
    short_documents,
    opening_comment,
    providers_are_named,
    no_unfinished_work,
    no_paths_of_developers,
];

const CODE_LINES_MAX: usize = 600;
const ADR_LINES_MAX: usize = 40;
const CONTRIBUTING_LINES_MAX: usize = 80;

// In two halves, so that this file does not hold what it looks for.
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimpl", "emented!(")];
const UNFINISHED_MARK: &str = concat!("FIX", "ME");
const HOME_FOLDERS: &[&str] = &[concat!("/ho", "me/"), concat!("/Use", "rs/"), concat!("C:\\Use", "rs\\")];
const OTHER_FOLDERS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/")];
/// Names that stand for anyone, as examples have them.
const ANYONE: &[&str] = &["user", "you", "me", "alice", "app"];

fn length(tree: &Tree) -> Vec<Finding> {
    let code = tree.files.iter().filter(|file| file.has_extension(&["rs", "ts", "py"]) && !file.is_fixture());
    code.filter_map(|file| longer_than(file, CODE_LINES_MAX)).collect()
}

fn short_documents(tree: &Tree) -> Vec<Finding> {
    let decisions = tree.files.iter().filter(|file| file.path.starts_with("docs/adr/"));
    let decisions = decisions.filter_map(|file| longer_than(file, ADR_LINES_MAX));
    let guide = tree.file("CONTRIBUTING.md").and_then(|file| longer_than(file, CONTRIBUTING_LINES_MAX));
    decisions.chain(guide).collect()
}

fn longer_than(file: &File, lines_max: usize) -> Option<Finding> {
    let lines = file.line_count();
    (lines > lines_max)
        .then(|| Finding::new(&file.path, format!("{lines} lines, {lines_max} at most; split by subject")))
}

/// Every source file of a crate says first what it is.
fn opening_comment(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|file| {
        let below_src = file.below("crates/").and_then(|rest| rest.split_once('/'));
        file.has_extension(&["rs"]) && below_src.is_some_and(|(_, rest)| rest.starts_with("src/"))
    });
    sources
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| Finding::new(&file.path, "does not open with `//!` and what it is"))
        .collect()
}

/// A provider file that nothing names is never compiled.
fn providers_are_named(tree: &Tree) -> Vec<Finding> {
    const FOLDER: &str = "crates/llm/src/provider/";
    let list = tree.file(&format!("{FOLDER}mod.rs")).map_or("", |file| file.text.as_str());
    let names = tree.files.iter().filter_map(|file| Some((file, file.below(FOLDER)?.strip_suffix(".rs")?)));
    names
        .filter(|(_, name)| *name != "mod" && !name.contains('/'))
        .filter(|(_, name)| !list.lines().any(|line| line.trim().ends_with(&format!("mod {name};"))))
        .map(|(file, _)| Finding::new(&file.path, "is not named in provider/mod.rs"))
        .collect()
}

fn no_unfinished_work(tree: &Tree) -> Vec<Finding> {
    let is_unfinished = |file: &File, line: &str| {
        line.contains(UNFINISHED_MARK)
            || (file.has_extension(&["rs"]) && UNFINISHED.iter().any(|mark| line.contains(mark)))
    };
    find_lines(tree, "unfinished work", |file, line| !file.is_fixture() && is_unfinished(file, line))
}

fn no_paths_of_developers(tree: &Tree) -> Vec<Finding> {
    find_lines(tree, "a path of a developer's machine", |file, line| {
        !file.path.ends_with(".lock") && (names_a_home(line) || names_another_folder(line))
    })
}

fn names_a_home(line: &str) -> bool {
    HOME_FOLDERS.iter().any(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let rest = &line[at + folder.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
            end > 0 && !ANYONE.contains(&&rest[..end])
        })
    })
}

/// Such a folder counts at the beginning of a path only: a URL may hold the same letters further on.
fn names_another_folder(line: &str) -> bool {
    OTHER_FOLDERS.iter().any(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| c.is_whitespace() || "\"'`(=:<[".contains(c))
        })
    })
}

fn find_lines(tree: &Tree, problem: &str, matches: impl Fn(&File, &str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| matches(file, line)) {
            let excerpt: String = line.trim().chars().take(80).collect();
            findings
                .push(Finding::new(format!("{}:{}", file.path, number + 1), format!("{problem}: {excerpt}")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Tree::of(files)).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn an_empty_repository_is_tidy() {
        assert!(RULES.iter().all(|rule| rule(&Tree::of(&[])).is_empty()));
    }

    #[test]
    fn long_code_is_found_and_long_fixtures_are_not() {
        let (long, limit) = ("x\n".repeat(601), "x\n".repeat(600));
        let files = [
            ("a/long.rs", long.as_str()),
            ("a/limit.rs", limit.as_str()),
            ("a/fixtures/long.py", long.as_str()),
            ("a/long.md", long.as_str()),
        ];
        assert_eq!(found(length, &files), ["a/long.rs"]);
    }

    #[test]
    fn long_decisions_and_guides_are_found() {
        let (decision, guide) = ("x\n".repeat(41), "x\n".repeat(81));
        let files = [("CONTRIBUTING.md", guide.as_str()), ("docs/adr/0001-x.md", decision.as_str())];
        assert_eq!(found(short_documents, &files), ["docs/adr/0001-x.md", "CONTRIBUTING.md"]);
    }

    #[test]
    fn a_source_file_opens_with_what_it_is() {
        let files = [
            ("crates/a/src/lib.rs", "//! Says it.\n"),
            ("crates/a/src/b/c.rs", "use std::fmt;\n"),
            ("crates/a/tests/it/main.rs", "mod x;\n"),
        ];
        assert_eq!(found(opening_comment, &files), ["crates/a/src/b/c.rs"]);
    }

    #[test]
    fn a_forgotten_provider_is_found() {
        let files = [
            ("crates/llm/src/provider/mod.rs", "mod openai;\npub(crate) mod azure;\n// mod gone\n"),
            ("crates/llm/src/provider/openai.rs", ""),
            ("crates/llm/src/provider/azure.rs", ""),
            ("crates/llm/src/provider/gone.rs", ""),
        ];
        assert_eq!(found(providers_are_named, &files), ["crates/llm/src/provider/gone.rs"]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let code = format!("fn a() {{ {}) }}\n// {UNFINISHED_MARK} later\n", UNFINISHED[0]);
        assert_eq!(
            found(no_unfinished_work, &[("a.rs", &code), ("a.md", UNFINISHED[1])]),
            ["a.rs:1", "a.rs:2"]
        );
    }

    #[test]
    fn paths_of_developers_are_found_and_examples_are_not() {
        let [home, root, work] = [HOME_FOLDERS[0], OTHER_FOLDERS[0], OTHER_FOLDERS[1]];
        let text = format!(
            "cd {home}jane/project\ncd {home}user/project\ncd {home}<you>\n`{root}x`\nhttps://example.com{work}x\n\
             {work}x\n${{HOME}}{root}\n"
        );
        assert_eq!(found(no_paths_of_developers, &[("a.md", &text)]), ["a.md:1", "a.md:4", "a.md:6"]);
    }
}
