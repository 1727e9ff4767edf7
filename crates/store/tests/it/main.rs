//! What the store promises, whichever database is behind it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod corrupt;
mod idempotency;
mod keys;
mod ledger;
mod limits;
mod organizations;
mod requests;
mod support;
mod usage;

/// A file that is not named above would never be compiled.
#[test]
fn every_file_of_this_folder_is_named_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".rs").unwrap_or(&name);
        assert!(name == "main" || main.contains(&format!("\nmod {name};")), "{name} is forgotten");
    }
}
