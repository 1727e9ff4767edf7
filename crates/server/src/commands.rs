//! The commands beside `serve`: short, on the store in the data folder.

mod explain;
mod keys;
mod ledger;
mod limits;
mod models;
mod read_pdf;

use crate::cli::{Cli, Command, Keys, Providers, Requests};
use crate::config::{self, Environment, Flags, Settings};
use crate::{bootstrap, output, serve, telemetry, wire};
use domain::{NewKey, Permissions, RateLimit, Scope, SystemClock, Timestamp};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

type Done = Result<(), Box<dyn Error>>;

/// Runs a command; faults go to standard error, one line, causes behind colons.
pub fn run(cli: Cli) -> ExitCode {
    let environment = Environment::of_process();
    match dispatch(cli, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(format!("signalbox: {}", with_causes(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn dispatch(cli: Cli, environment: &Environment) -> Done {
    let flags = Flags { config: cli.config, data_dir: cli.data_dir, listen: cli.listen };
    let command = cli.command.unwrap_or(Command::Serve);
    if matches!(command, Command::Version) {
        output::line(format!("signalbox {}", env!("CARGO_PKG_VERSION")));
        return Ok(());
    }
    if matches!(command, Command::ReadPdf) {
        return read_pdf::run();
    }
    let settings = config::load(&flags, environment)?;
    // Requests have runtimes of their own, one for each core; here run the writer, the store and the jobs.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match command {
        Command::Serve => {
            telemetry::start(&settings.log)?;
            runtime.block_on(serve::serve(&flags, environment, settings))
        }
        Command::CheckConfig => serve::check(&settings, environment),
        Command::Keys(keys) => runtime.block_on(self::keys(keys, &settings)),
        Command::Models(models) => runtime.block_on(models::run(models, &settings, environment)),
        Command::Providers(providers) => self::providers(&providers, &settings, environment),
        Command::Requests(requests) => runtime.block_on(self::requests(requests, &settings)),
        Command::Ledger(command) => runtime.block_on(ledger::run(command, &settings)),
        Command::Limits(command) => runtime.block_on(limits::run(command, &settings)),
        Command::Explain(command) => explain::run(command, &settings, environment),
        Command::Version | Command::ReadPdf => Ok(()),
    }
}

async fn keys(command: Keys, settings: &Settings) -> Done {
    let db = wire::open_store(&settings.data_dir).await?;
    match command {
        Keys::Create { name, expires_at, manage, scopes, limit, how } => {
            let expires_at = expires_at.as_deref().map(time).transpose()?;
            let (org, _) = bootstrap::organization(&db, &SystemClock).await?;
            let permissions = Permissions { manage, ..Permissions::default() };
            let new = NewKey { expires_at, permissions, scopes, ..NewKey::named(org.id, &name) };
            let (key, text) = bootstrap::create_key(&db, new, &SystemClock).await?;
            if let Some(amount) = limit {
                db.set_limit(org.id, limits::limit(Scope::Key(key.id), amount, how)).await?;
            }
            output::line(&text);
            output::error(format!(
                "{} ({}): the key above is shown this once and not kept.",
                key.name, key.id
            ));
        }
        Keys::Limit { id, amount, how } => {
            let (org, _) = bootstrap::organization(&db, &SystemClock).await?;
            if db.key(org.id, id).await?.is_none() {
                return Err(format!("there is no key {id}").into());
            }
            limits::set(&db, org.id, Scope::Key(id), amount.0, how).await?;
        }
        Keys::Rate { id, requests_per_minute, tokens_per_minute, concurrent } => {
            let present = limits::rate_of(&db.rate_limits().await?, id);
            let rate = RateLimit {
                requests_per_minute: requests_per_minute.map_or(present.requests_per_minute, |bound| bound.0),
                tokens_per_minute: tokens_per_minute.map_or(present.tokens_per_minute, |bound| bound.0),
                concurrent: concurrent.map_or(present.concurrent, |bound| bound.0),
            };
            limits::set_rate(&db, id, rate).await?;
        }
        Keys::List { json } => keys::list(&db, json).await?,
        Keys::Delete { id } => {
            let id = id.parse().map_err(|error| format!("{id:?} is {error}"))?;
            if !db.delete_key(id, domain::Clock::now(&SystemClock)).await? {
                return Err(format!("there is no key {id}, or it is deleted already").into());
            }
            output::line(format!("{id} deleted"));
        }
    }
    db.close().await;
    Ok(())
}

fn providers(command: &Providers, settings: &Settings, environment: &Environment) -> Done {
    if command.kinds {
        let rows: Vec<[String; 5]> = llm::provider::ALL
            .iter()
            .map(|spec| {
                let base = spec.base_url.unwrap_or("(set base_url)").to_owned();
                let (kind, name, left) = (spec.kind, spec.name, spec.abort.as_str());
                let of_places = spec.places.iter().flat_map(|place| place.variables);
                let variables: Vec<&str> = spec.key_variables.iter().chain(of_places).copied().collect();
                [kind.to_owned(), name.to_owned(), base, left.to_owned(), variables.join(", ")]
            })
            .collect();
        output::table(["KIND", "NAME", "ADDRESS", "WHEN LEFT", "VARIABLES"], &rows);
        return Ok(());
    }
    let ready = config::resolve(settings, environment)?;
    let rows: Vec<[String; 3]> = ready
        .iter()
        .map(|p| [p.name.to_string(), p.spec.name.to_owned(), p.catalog.models().len().to_string()])
        .collect();
    output::table(["NAME", "PROVIDER", "MODELS"], &rows);
    Ok(())
}

async fn requests(command: Requests, settings: &Settings) -> Done {
    let db = wire::open_store(&settings.data_dir).await?;
    let Some(org) = db.first_organization().await? else {
        return Err("nothing is recorded yet: the gateway has never been started here".into());
    };
    match command {
        Requests::Show { id, json } => {
            let record = db.request(org.id, &id).await?.ok_or_else(|| format!("there is no request {id}"))?;
            output::line(if json { record.to_string() } else { serde_json::to_string_pretty(&record)? });
        }
        Requests::Tail { limit, json, follow } => {
            let mut newest = String::new();
            loop {
                let mut records = db.latest_requests(org.id, limit).await?;
                records.retain(|record| record["id"].as_str().is_some_and(|id| id > newest.as_str()));
                for record in records.iter().rev() {
                    output::line(if json { record.to_string() } else { summary(record) });
                }
                if let Some(id) = records.first().and_then(|record| record["id"].as_str()) {
                    newest = id.to_owned();
                }
                if !follow {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    db.close().await;
    Ok(())
}

/// A request on one line.
fn summary(record: &serde_json::Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or("").to_owned();
    let at = date(Timestamp::from_unix_ms(record["at"].as_i64().unwrap_or(0)));
    format!(
        "{at}  {}  {:>3} {:<14} {:<32} in {:>7}  out {:>6}  ${:<12} {:>9.1} ms",
        text("id"),
        record["status"],
        text("outcome"),
        text("model_requested"),
        record["input_tokens"],
        record["output_tokens"],
        text("cost"),
        record["duration_ms"].as_f64().unwrap_or(0.0),
    )
}

fn date(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.unix_ms())
        .map_or_else(|_| at.unix_ms().to_string(), |t| t.to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let parsed: jiff::Timestamp =
        text.parse().map_err(|_| format!("{text:?} is not a time such as 2027-01-31T00:00:00Z"))?;
    Ok(Timestamp::from_unix_ms(parsed.as_millisecond()))
}
