//! `signalbox read-pdf`: standard input is a PDF, standard output its text. The gateway runs it for each PDF that a model
//! cannot read itself (`gateway::pdf`), and trusts it with nothing.

use super::Done;
use gateway::pdf::{CPU_SECONDS_MAX, GREETING, MEMORY_BYTES_MAX, TEXT_BYTES_MAX};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read, Write};

/// Reads one.
pub fn run() -> Done {
    confine()?;
    let mut pdf = Vec::new();
    std::io::stdin().lock().read_to_end(&mut pdf)?;
    let pages = pdf_extract::extract_text_from_mem_by_pages(&pdf)?;
    let mut text = format!("{GREETING}{}\n", pages.len());
    for page in &pages {
        text.push_str(page.trim());
        text.push_str("\n\n");
        if text.len() as u64 > TEXT_BYTES_MAX {
            break;
        }
    }
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Gives up what a PDF could misuse: memory, time, files.
fn confine() -> Done {
    for (what, bound) in [
        (Resource::As, MEMORY_BYTES_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        setrlimit(what, Rlimit { current: Some(bound), maximum: Some(bound) })?;
    }
    Ok(())
}
