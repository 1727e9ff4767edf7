//! `docs/compatibility.md`: what each caller gets of each provider's protocol, as the fixtures show it.
//!
//! `cargo test -p llm --test it -- --ignored bless` writes it, to be reviewed.

use crate::golden::{cases, embeddings, media};
use llm::Protocol;
use llm::protocol::Shape;
use llm::provider::find;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HEAD: &str = "# Compatibility

What a caller gets of a provider, whichever protocol either speaks. Written from the fixtures in `crates/llm/fixtures`, which assert
both ways byte by byte (`cargo test -p llm --test it -- --ignored bless`).

- *bytes*: both speak one protocol, and the bytes pass through.
- ✓: request and answer are translated. A number stands for what is lost on the way, which is told in `x-signalbox-warnings`.
- (✓): the answer is asserted; callers of that protocol cannot ask for what the case is about, or it is about the answer alone.
- –: there is no such case.

Other vendors speak one of these protocols; what they deviate in stands in their files, and what they are sent in
`crates/gateway/fixtures/sent`.
";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md")
}

fn title(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::OpenAiChat => "Chat Completions",
        Protocol::OpenAiResponses => "Responses",
        Protocol::AnthropicMessages => "Messages",
        Protocol::Gemini => "Gemini",
        Protocol::BedrockConverse => "Converse",
        Protocol::CohereChat => "Cohere's chat",
    }
}

/// The losses of a case that a caller of this protocol meets.
fn losses(case: &Path, inbound: Protocol, outbound: Protocol) -> Vec<String> {
    let text = std::fs::read_to_string(case.join("warnings.txt")).unwrap_or_default();
    let named = format!("request from_{}: ", inbound.as_str());
    let to_caller = format!(" ({}): ", inbound.as_str());
    // Between the chat protocol and Messages there is one way only, which has no name.
    let old = [Protocol::OpenAiChat, Protocol::AnthropicMessages];
    let is_unnamed = old.contains(&inbound) && old.contains(&outbound);
    let of_line = |line: &str| {
        let rest = match line.strip_prefix("response: ") {
            Some(rest) => rest.contains(&to_caller).then_some(rest)?,
            None => {
                line.strip_prefix(&named).or_else(|| line.strip_prefix("request: ").filter(|_| is_unnamed))?
            }
        };
        note(rest)
    };
    text.lines().filter_map(of_line).collect()
}

fn cell(case: &Path, inbound: Protocol, outbound: Protocol, notes: &mut Vec<String>) -> String {
    if inbound == outbound {
        return "*bytes*".to_owned();
    }
    let name = inbound.as_str();
    let has = |file: String| case.join(file).is_file();
    if ["json", "sse", "jsonl"].iter().all(|ending| !has(format!("reply.{name}.{ending}"))) {
        return "–".to_owned();
    }
    let is_error = case.file_name().unwrap().to_str().unwrap().contains("error");
    let is_whole = is_error || has(format!("request.{name}.json"));
    let numbers = numbers(losses(case, inbound, outbound), notes);
    let mark = if is_whole { "✓" } else { "(✓)" };
    format!("{mark} {numbers}").trim_end().to_owned()
}

fn written() -> String {
    let mut by_provider: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for case in cases().into_iter().filter(|case| !is_of_embeddings(case) && !is_of_media(case)) {
        let provider = case.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        by_provider.entry(provider).or_default().push(case);
    }
    let mut out = HEAD.to_owned();
    for (provider, cases) in by_provider {
        let outbound = find(&provider).unwrap().routes[0].protocol;
        let mut notes = Vec::new();
        write!(out, "\n## Providers that speak {} (`{provider}`)\n\n| |", title(outbound)).unwrap();
        for inbound in Protocol::OF_CALLERS {
            write!(out, " {} |", title(inbound)).unwrap();
        }
        out.push_str("\n| --- |");
        out.push_str(&" --- |".repeat(Protocol::OF_CALLERS.len()));
        out.push('\n');
        for case in cases {
            let name = case.file_name().unwrap().to_str().unwrap().replace('_', " ");
            write!(out, "| {name} |").unwrap();
            for inbound in Protocol::OF_CALLERS {
                write!(out, " {} |", cell(&case, inbound, outbound, &mut notes)).unwrap();
            }
            out.push('\n');
        }
        if !notes.is_empty() {
            out.push('\n');
        }
        for (number, note) in (1..).zip(&notes) {
            writeln!(out, "{number}. {note}").unwrap();
        }
    }
    of_embeddings(&mut out);
    out
}

fn is_of_embeddings(case: &Path) -> bool {
    embeddings::is_one(case.file_name().unwrap().to_str().unwrap())
}

/// These have one kind of callers, so there is no grid.
fn is_of_media(case: &Path) -> bool {
    media::is_one(case.file_name().unwrap().to_str().unwrap())
}

/// The grid of embeddings: one for all providers, since each has few cases.
fn of_embeddings(out: &mut String) {
    out.push_str("\n## Embeddings\n\nThe callers' shapes are OpenAI's `/v1/embeddings` and Google's `embedContent` and `batchEmbedContents`.\n\n");
    out.push_str("| | OpenAI | `embedContent` | `batchEmbedContents` |\n| --- | --- | --- | --- |\n");
    let mut notes = Vec::new();
    for case in cases().into_iter().filter(|case| is_of_embeddings(case)) {
        let folder = |path: &Path| path.file_name().unwrap().to_str().unwrap().replace('_', " ");
        write!(out, "| {}: {} |", folder(case.parent().unwrap()), folder(&case)).unwrap();
        for shape in Shape::OF_CALLERS {
            let name = shape.as_str();
            let has = |file: String| case.join(file).is_file();
            let mark = if !has(format!("request.{name}.json")) {
                "–".to_owned()
            } else if has(format!("upstream.request.from_{name}.json")) {
                let numbers = numbers(losses_from(&case, name), &mut notes);
                format!("✓ {numbers}").trim_end().to_owned()
            } else {
                "*bytes*".to_owned()
            };
            write!(out, " {mark} |").unwrap();
        }
        out.push('\n');
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for (number, note) in (1..).zip(&notes) {
        writeln!(out, "{number}. {note}").unwrap();
    }
}

/// The losses of a request in a shape.
fn losses_from(case: &Path, shape: &str) -> Vec<String> {
    let text = std::fs::read_to_string(case.join("warnings.txt")).unwrap_or_default();
    let start = format!("request from_{shape}: ");
    text.lines().filter_map(|line| line.strip_prefix(&start)).filter_map(note).collect()
}

/// A loss as a note, whoever it is told of.
fn note(loss: &str) -> Option<String> {
    let (feature, rest) = loss.split_once(" (")?;
    Some(format!("`{feature}`: {}", rest.split_once("): ")?.1))
}

/// The numbers of notes, new ones added.
fn numbers(losses: Vec<String>, notes: &mut Vec<String>) -> String {
    let mut numbers: Vec<usize> = Vec::new();
    for loss in losses {
        let at = notes.iter().position(|note| *note == loss).unwrap_or(notes.len());
        if at == notes.len() {
            notes.push(loss);
        }
        if !numbers.contains(&(at + 1)) {
            numbers.push(at + 1);
        }
    }
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}

#[test]
fn the_grid_is_what_the_fixtures_show() {
    let found = std::fs::read_to_string(place()).unwrap();
    assert!(found == written(), "docs/compatibility.md is not what the fixtures show: bless it");
}

pub fn bless() {
    std::fs::write(place(), written()).unwrap();
}
