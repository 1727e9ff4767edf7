//! `signalbox explain`: what becomes of a request, without sending it.

use super::Done;
use crate::cli::Explain;
use crate::config::{self, Environment, Settings};
use crate::output;
use gateway::bodies::Held;
use gateway::http::called_at;
use gateway::inference::prepare::{Next, Prepared, prepare};
use gateway::inference::{intake, preset, protocol_of, shape_of, target};
use http::HeaderMap;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// Columns for each of the two bodies.
const WIDTH: usize = 64;

pub fn run(command: Explain, settings: &Settings, environment: &Environment) -> Done {
    let Explain::Translate { file, endpoint, model, json } = command;
    let mut body: Value =
        serde_json::from_slice(&read(&file)?).map_err(|error| format!("not JSON: {error}"))?;
    let mut called = called_at(&endpoint).ok_or_else(|| format!("there is no endpoint {endpoint}"))?;
    let operation = called.operation;
    match (model, body.as_object_mut()) {
        (Some(model), _) if called.model.is_some() => called.model = Some(model.into()),
        (Some(model), Some(fields)) => drop(fields.insert("model".to_owned(), model.into())),
        (Some(_) | None, _) => {}
    }
    let providers = config::resolve(settings, environment)?;
    let text = serde_json::to_vec(&body)?;
    let mut intake = intake::read(called, Held::short(text.into()), &settings.default_model)?;
    // Losses are to be seen, not refused.
    intake.is_strict = false;
    let target = target(&providers, operation, &intake)?;
    preset::apply(operation, &mut intake, &target);
    let Next::Call(prepared) = prepare(operation, intake, target, &HeaderMap::new())? else {
        return Err("the gateway answers this by itself, nothing is sent".into());
    };
    let sent: Value = serde_json::from_slice(&prepared.body.to_bytes())?;
    if json {
        output::line(object(&body, &sent, &prepared).to_string());
    } else {
        print(&body, &sent, &prepared)?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map(|_| bytes).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The words of the protocols of both sides, or of their shapes.
fn protocols(prepared: &Prepared) -> (&'static str, &'static str) {
    let route = prepared.target.endpoint.route;
    match shape_of(prepared.operation) {
        Some(shape) => (shape.as_str(), route.shape.as_str()),
        None => (protocol_of(prepared.operation).as_str(), route.protocol.as_str()),
    }
}

fn object(body: &Value, sent: &Value, prepared: &Prepared) -> Value {
    let (inbound, outbound) = protocols(prepared);
    json!({
        "inbound": {"protocol": inbound, "body": body},
        "outbound": {
            "provider": prepared.target.provider.name.as_str(), "protocol": outbound,
            "url": prepared.target.endpoint.uri.to_string(), "body": sent,
        },
        "losses": prepared.warnings,
    })
}

fn print(body: &Value, sent: &Value, prepared: &Prepared) -> Done {
    let (inbound, outbound) = protocols(prepared);
    output::line(format!("{inbound:WIDTH$} | {outbound}"));
    output::line(format!("{:WIDTH$} | POST {}", "", prepared.target.endpoint.uri));
    output::line(format!("{:-<WIDTH$}-+-{:-<WIDTH$}", "", ""));
    let [left, right] = [lines(body)?, lines(sent)?];
    for at in 0..left.len().max(right.len()) {
        let cell = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        output::line(format!("{:WIDTH$} | {}", cell(&left), cell(&right)).trim_end());
    }
    for warning in &prepared.warnings {
        output::line(format!("! {warning}"));
    }
    if prepared.warnings.is_empty() {
        output::line("nothing is lost");
    }
    Ok(())
}

/// Indented JSON in lines of at most a column's width.
fn lines(value: &Value) -> Result<Vec<String>, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let fold = |line: &str| {
        let chars: Vec<char> = line.chars().collect();
        chars.chunks(WIDTH).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>()
    };
    Ok(text.lines().flat_map(fold).collect())
}
