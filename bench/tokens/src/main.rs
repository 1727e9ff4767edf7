//! How far the gateway's estimate of tokens is from what the vocabularies of model families count, and whether bytes bound
//! them.
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml -p tokens
//! ```
//!
//! prints the table of `docs/benchmarks/tokens.md`. The texts are this repository's own documents, code and JSON, and the
//! paragraphs of `samples.rs`. Fails if a text has more tokens than bytes: budgets rest on that it cannot.

mod samples;

use samples::Sample;
use std::process::ExitCode;

/// Families, by the name of their vocabulary.
const FAMILIES: [(&str, &str); 9] = [
    ("GPT-4o, GPT-5", "o200k_base"),
    ("GPT-4", "cl100k_base"),
    ("Llama 3", "llama3"),
    ("DeepSeek V3", "deepseek_v3"),
    ("Qwen 2", "qwen2"),
    ("Mistral V3", "mistral_v3"),
    ("Kimi K2", "kimi_k2"),
    ("GLM 4", "glm4"),
    ("MiniMax M2", "minimax_m2"),
];

fn main() -> ExitCode {
    let samples = match samples::all() {
        Ok(samples) => samples,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let heads: Vec<&str> = samples.iter().map(|sample| sample.name).collect();
    println!("| family | {} |", heads.join(" | "));
    println!("| --- |{}", " ---: |".repeat(heads.len()));
    let mut is_bounded = true;
    for (family, vocabulary) in FAMILIES {
        let Some(encoding) = tiktoken::get_encoding(vocabulary) else {
            eprintln!("there is no vocabulary {vocabulary}");
            return ExitCode::FAILURE;
        };
        let cells: Vec<String> = samples
            .iter()
            .map(|sample| {
                let counted = encoding.count(&sample.text) as u64;
                is_bounded &= counted <= sample.text.len() as u64;
                cell(sample, counted)
            })
            .collect();
        println!("| {family} | {} |", cells.join(" | "));
    }
    let bytes: Vec<String> = samples.iter().map(|sample| sample.text.len().to_string()).collect();
    println!("| bytes | {} |", bytes.join(" | "));
    if is_bounded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The error of the estimate, and of the bound.
fn cell(sample: &Sample, counted: u64) -> String {
    let estimate = llm::tokens::of_text(&sample.text) as f64;
    let counted = counted as f64;
    let error = (estimate / counted - 1.0) * 100.0;
    format!("{error:+.0} % ({:.1} ×)", sample.text.len() as f64 / counted)
}
