//! The data plane as a black box: over HTTP, with the real wiring and the real store.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "what tests spawn ends with their runtime")]

mod abandoned;
mod added_provider;
mod bedrock;
mod bodies;
mod bounds;
mod budgets;
mod cohere;
mod commands;
mod commands_limits;
mod converse;
mod disconnect;
mod documents;
mod drain;
mod embeddings;
mod embeddings_failures;
mod errors;
mod gemini;
mod growing;
mod http;
mod idempotency;
mod identities;
mod jobs;
mod jobs_sound;
mod kept;
mod keys;
mod long_names;
mod manage;
mod manage_usage;
mod media;
mod names;
mod overload;
mod passthrough;
mod pdfs;
mod pictures;
mod prices;
mod provider_errors;
mod rates;
mod realtime;
mod realtime_ends;
mod records;
mod responses;
mod secrets;
mod slow_reader;
mod sound;
mod stored;
mod streams;
mod structured;
mod support;
mod translate;

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
