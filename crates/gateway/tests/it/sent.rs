//! What each kind of provider is sent for the same requests: `fixtures/sent/<kind>.txt`, one for every kind.
//!
//! Address, headers and body of every endpoint that the kind serves, after translation or in passing, with
//! the warnings. `cargo test -p gateway --test it -- --ignored bless` writes them, to be reviewed.

use domain::Secret;
use domain::record::Operation;
use gateway::bodies::Held;
use gateway::inference::called::Called;
use gateway::inference::prepare::{Next, Prepared, prepare};
use gateway::inference::{ask, intake, takes_form};
use gateway::providers::{Provider, ProviderSettings, Providers};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use llm::provider::{ALL, Place, ProviderSpec};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Everything at once that a fact about a provider can turn on.
const CHAT: &str = r#"{"model":"p/m","stream":true,"max_tokens":64,"reasoning_effort":"max","messages":[{"role":"system","content":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}]},{"role":"user","content":"Weather in Oslo?"},{"role":"assistant","content":null,"reasoning_content":"Ask the tool.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Oslo\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"Rain."}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}],"tool_choice":"auto","unknown_field":1.50}"#;
const MESSAGES: &str = r#"{"model":"p/m","max_tokens":64,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Weather in Oslo?"},{"role":"assistant","content":[{"type":"thinking","thinking":"Ask the tool.","signature":""},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Oslo"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"Rain."}]}],"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]}"#;
const RESPONSES: &str = r#"{"model":"p/m","stream":true,"max_output_tokens":64,"instructions":"Be brief.","reasoning":{"effort":"max","summary":"auto"},"include":["reasoning.encrypted_content"],"store":false,"text":{"verbosity":"low"},"prompt_cache_key":"k","input":[{"role":"user","content":"Weather in Oslo?"},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Ask the tool."}]},{"type":"function_call","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Oslo\"}"},{"type":"function_call_output","call_id":"call_1","output":"Rain."}],"tools":[{"type":"function","name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}},"strict":false}],"tool_choice":"auto","unknown_field":1.50}"#;
const CONTENTS: &str = r#"{"model":"p/m","systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Weather in Oslo?"}]},{"role":"model","parts":[{"text":"Ask the tool.","thought":true},{"functionCall":{"id":"f1","name":"weather","args":{"city":"Oslo"}},"thoughtSignature":"U2ln"}]},{"role":"user","parts":[{"functionResponse":{"id":"f1","name":"weather","response":{"output":"Rain."}}}]}],"tools":[{"functionDeclarations":[{"name":"weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"STRING"}}}}]}],"generationConfig":{"maxOutputTokens":64,"topK":1.50e1},"safetySettings":[]}"#;
const CONVERSE: &str = r#"{"system":[{"text":"Be brief."},{"cachePoint":{"type":"default"}}],"messages":[{"role":"user","content":[{"text":"Weather in Oslo?"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"Ask the tool."}}},{"toolUse":{"toolUseId":"tooluse_1","name":"weather","input":{"city":"Oslo"}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"tooluse_1","content":[{"text":"Rain."}]}}]}],"inferenceConfig":{"maxTokens":64,"topP":1.50e-1},"toolConfig":{"tools":[{"toolSpec":{"name":"weather","inputSchema":{"json":{"type":"object","properties":{"city":{"type":"string"}}}}}}]},"additionalModelRequestFields":{"top_k":15},"additionalModelResponseFieldPaths":["/x"]}"#;
const CONVERSE_COUNTED: &str =
    r#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Weather in Oslo?"}]}]}}}"#;
const EMBEDDINGS: &str = r#"{"model":"p/m","input":["a","b"],"dimensions":8}"#;
const EMBED_CONTENT: &str = r#"{"model":"p/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":8}"#;
const BATCH_EMBED_CONTENTS: &str = r#"{"model":"p/m","requests":[{"model":"models/p/m","content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#;
const COUNTED: &str = r#"{"model":"p/m","instructions":"Be brief.","input":"Weather in Oslo?"}"#;
const PICTURES: &str =
    r#"{"model":"p/m","prompt":"A cat.","size":"1536x1024","output_format":"jpeg","quality":"high","n":1}"#;
const SPEECH: &str = r#"{"model":"p/m","input":"Good evening.","voice":"thalia"}"#;
const TRANSCRIPTION: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\np/m\r\n--b\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\nsound\r\n--b--\r\n";
const EDIT: &str = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\np/m\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nA dog.\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\npicture\r\n--b--\r\n";
/// What is asked only of kinds that serve it.
const MADE: [(Operation, &str); 4] = [
    (Operation::ImageGenerations, PICTURES),
    (Operation::ImageEdits, EDIT),
    (Operation::Speech, SPEECH),
    (Operation::Transcriptions, TRANSCRIPTION),
];
const CALLS: [(Operation, &str); 12] = [
    (Operation::ChatCompletions, CHAT),
    (Operation::Responses, RESPONSES),
    (Operation::Messages, MESSAGES),
    (Operation::CountTokens, MESSAGES),
    (Operation::GenerateContent, CONTENTS),
    (Operation::CountContentTokens, CONTENTS),
    (Operation::Converse, CONVERSE),
    (Operation::CountConverseTokens, CONVERSE_COUNTED),
    (Operation::CountInputTokens, COUNTED),
    (Operation::Embeddings, EMBEDDINGS),
    (Operation::EmbedContent, EMBED_CONTENT),
    (Operation::BatchEmbedContents, BATCH_EMBED_CONTENTS),
];

fn place(spec: &ProviderSpec) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sent").join(format!("{}.txt", spec.kind))
}

fn providers(spec: &'static ProviderSpec) -> Providers {
    let filled = |place: &Place| (place.name.to_owned(), place.default.unwrap_or(place.name).to_owned());
    let provider = Provider::new(ProviderSettings {
        base_url: spec.base_url.is_none().then(|| "http://127.0.0.1:1/v1".to_owned()),
        places: spec.places.iter().map(filled).collect(),
        key: Some(Secret::new("made-up".to_owned())),
        allow_unknown_models: Some(true),
        ..ProviderSettings::of("p".parse().unwrap(), spec)
    });
    Providers::new([provider.unwrap()])
}

/// The names of models that lead to all of a kind's routes.
fn models(spec: &ProviderSpec) -> Vec<String> {
    let mut prefixes: Vec<&str> =
        spec.routes.iter().filter_map(|route| route.models.first().copied()).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    if prefixes.is_empty() {
        vec!["m".to_owned()]
    } else {
        let name = |p: &&str| p.strip_suffix('$').map_or_else(|| format!("{p}m"), str::to_owned);
        prefixes.iter().map(name).collect()
    }
}

/// The whole file of a kind.
fn written(spec: &'static ProviderSpec) -> String {
    let providers = providers(spec);
    let mut out = String::new();
    for model in models(spec) {
        let serves = |operation| {
            let kind = ask(operation, false).kind;
            spec.routes.iter().any(|route| route.kind == kind && route.serves(&model))
        };
        let made = MADE.into_iter().filter(|(operation, _)| serves(*operation));
        for (operation, body) in CALLS.into_iter().chain(made) {
            writeln!(
                out,
                "== {}{}",
                operation.as_str(),
                if model == "m" { String::new() } else { format!(", {model}") }
            )
            .unwrap();
            let body = body.replace("p/m", &format!("p/{model}"));
            // There only the address names the model.
            let is_named = matches!(operation, Operation::Converse | Operation::CountConverseTokens);
            let named = is_named.then(|| format!("p/{model}").into());
            let called = Called { model: named, ..operation.into() };
            let mut headers = HeaderMap::new();
            let body = Held::short(body.into());
            let read = if takes_form(operation) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=b"));
                intake::read_form(body, &headers).unwrap()
            } else {
                intake::read(called, body, "").unwrap()
            };
            let next = providers
                .target(&read.model, ask(operation, read.is_stream))
                .and_then(|target| prepare(operation, read, target, &headers));
            match next {
                Ok(Next::Call(prepared)) => request(&mut out, &prepared),
                Ok(Next::Estimate { .. }) => writeln!(out, "(estimated here)").unwrap(),
                Err(refusal) => writeln!(out, "(refused: {refusal})").unwrap(),
            }
        }
    }
    out
}

fn request(out: &mut String, prepared: &Prepared) {
    writeln!(out, "POST {}", prepared.target.endpoint.uri).unwrap();
    let all = prepared.headers();
    let mut headers: Vec<_> = all.iter().filter(|(name, _)| *name != "user-agent").collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        writeln!(out, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    writeln!(out, "\n{}", std::str::from_utf8(&prepared.body.to_bytes()).unwrap()).unwrap();
    for warning in &prepared.warnings {
        writeln!(out, "! {warning}").unwrap();
    }
}

#[test]
fn every_kind_is_sent_what_lies_there() {
    for spec in ALL {
        let place = place(spec);
        let expected =
            std::fs::read_to_string(&place).unwrap_or_else(|_| panic!("{} is missing", place.display()));
        assert_eq!(written(spec), expected, "{}", place.display());
    }
}

#[test]
#[ignore = "writes the expected files of all kinds, to be reviewed"]
fn bless() {
    for spec in ALL {
        std::fs::write(place(spec), written(spec)).unwrap();
    }
}
