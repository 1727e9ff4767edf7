//! What the mutations begin with: the corpus beside this crate, and the traffic in the fixtures of `llm`.

use crate::samples;
use crate::targets::Target;
use llm::amazon_events;
use std::fs;
use std::io;
use std::path::Path;

/// The seeds of a target, in an order that does not change.
pub fn of(target: Target) -> io::Result<Vec<Vec<u8>>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    read(&here.join("corpus").join(target.name()), "", &mut seeds)?;
    let fixtures = here.join("../llm/fixtures");
    match target {
        Target::Request => {
            read(&fixtures, ".request.json", &mut seeds)?;
            read(&fixtures, "request.openai_responses.json", &mut seeds)?;
            read(&fixtures, "request.gemini.json", &mut seeds)?;
            read(&fixtures, "request.bedrock_converse.json", &mut seeds)?;
            for shape in ["openai", "gemini_embed", "gemini_batch"] {
                read(&fixtures, &format!("/request.{shape}.json"), &mut seeds)?;
            }
        }
        Target::Answer => read(&fixtures, ".response.json", &mut seeds)?,
        Target::Stream => {
            read(&fixtures, ".sse", &mut seeds)?;
            let mut framed = Vec::new();
            read(&fixtures, ".jsonl", &mut framed)?;
            seeds.extend(framed.iter().map(|lines| frames(lines)));
            seeds.extend(framed.iter().map(|lines| unframed(&frames(lines))));
        }
        Target::Journal => seeds.extend(samples::records()?),
        Target::Config => {
            seeds.push(fs::read(here.join("../../config.example.toml"))?);
            read(&here.join("../../catalog"), ".toml", &mut seeds)?;
        }
    }
    Ok(seeds)
}

/// The frames that the lines of a fixture tell of. What is none is left out.
fn frames(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let payload = line["payload"].to_string();
        out.extend(match (line["event"].as_str(), line["exception"].as_str()) {
            (Some(kind), _) => amazon_events::event(kind, &payload),
            (None, kind) => amazon_events::exception(kind.unwrap_or_default(), &payload),
        });
    }
    out
}

/// What frames become.
fn unframed(frames: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // Our own can be read.
    let _ = amazon_events::Unframer::default().push(frames, &mut out);
    out
}

/// All files below a folder whose names end so.
fn read(folder: &Path, ending: &str, seeds: &mut Vec<Vec<u8>>) -> io::Result<()> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, ending, seeds)?;
        } else if path.to_string_lossy().ends_with(ending) {
            seeds.push(fs::read(path)?);
        }
    }
    Ok(())
}
