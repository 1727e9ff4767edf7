//! `signalbox models`: what the catalogue knows, what providers list, and how one gets to the other.

use super::Done;
use crate::catalog_file;
use crate::cli::{ListModels, ModelPrices, Models, ModelsCommand};
use crate::config::{self, Environment, Settings};
use crate::{bootstrap, output, wire};
use domain::pricing::TokenPrices;
use domain::{Capabilities, Clock, Model, Money, OrgId, Price, SystemClock};
use gateway::credentials::Exchange;
use gateway::listing::listed;
use gateway::{Provider, Providers};
use serde_json::{Value, json};
use std::path::Path;
use store::Db;

pub async fn run(command: Models, settings: &Settings, environment: &Environment) -> Done {
    let providers = config::resolve(settings, environment)?;
    match command.command {
        None => list(&command.list, &providers),
        Some(ModelsCommand::List(how)) => list(&how, &providers),
        Some(ModelsCommand::Show { model, json }) => show(&model, json, &providers)?,
        Some(ModelsCommand::Price(command)) => prices(command, &providers, settings).await?,
        Some(ModelsCommand::Diff { provider }) => diff(provider.as_deref(), &providers).await?,
        Some(ModelsCommand::Sync { from, provider }) => match from {
            Some(from) if from.starts_with("https://") || from.starts_with("http://") => {
                let kind = from.rsplit('/').next().and_then(|name| name.strip_suffix(".toml"));
                let kind = kind.ok_or("the address does not end in <kind>.toml")?;
                let text = gateway::listing::fetch(&from, &Exchange::default()).await?;
                take_over_one(kind, &text, settings)?;
            }
            Some(path) => take_over(Path::new(&path), settings)?,
            None => sync(provider.as_deref(), &providers, settings).await?,
        },
    }
    Ok(())
}

fn list(how: &ListModels, providers: &Providers) {
    let mut rows = Vec::new();
    for provider in providers.iter() {
        for model in provider.catalog.models() {
            let id = format!("{}/{}", provider.name, model.id);
            if how.filter.as_ref().is_some_and(|text| !id.contains(text.as_str())) {
                continue;
            }
            let price = |of: fn(&TokenPrices) -> Price| {
                let price = model.price.as_ref().map(|price| of(&price.base).amount_per_million());
                price.map_or_else(|| "?".to_owned(), |amount| amount.to_string())
            };
            rows.push([
                id,
                price(|p| p.input),
                price(|p| p.cache_read.unwrap_or(p.input)),
                price(|p| p.output),
                model.context_window.to_string(),
                model.max_output_tokens.to_string(),
            ]);
        }
    }
    if !how.json {
        return output::table(["MODEL", "$/M INPUT", "CACHED", "OUTPUT", "CONTEXT", "MAX OUTPUT"], &rows);
    }
    for [id, input, cache_read, output, context_window, max_output] in rows {
        let view = json!({
            "id": id, "input": input, "cache_read": cache_read, "output": output,
            "context_window": context_window, "max_output_tokens": max_output,
        });
        output::line(view.to_string());
    }
}

/// What the organization pays otherwise than the catalogue says.
async fn prices(command: ModelPrices, providers: &Providers, settings: &Settings) -> Done {
    let db = wire::open_store(&settings.data_dir).await?;
    let (org, _) = bootstrap::organization(&db, &SystemClock).await?;
    match command {
        ModelPrices::List { json } => list_prices(&db, org.id, json).await?,
        ModelPrices::Set { model, input, output, cache_read, cache_write } => {
            let (provider, known) =
                providers.find(&model).ok_or_else(|| format!("nobody knows the model {model}"))?;
            let all = [Some(input), Some(output), cache_read, cache_write];
            if all.into_iter().flatten().any(|amount| amount < Money::ZERO) {
                return Err("a price cannot be negative".into());
            }
            let name = format!("{}/{}", provider.name, known.id);
            let prices = TokenPrices {
                input: Price::per_million(input),
                output: Price::per_million(output),
                cache_read: cache_read.map(Price::per_million),
                cache_write: cache_write.map(Price::per_million),
                ..TokenPrices::default()
            };
            db.set_model_price(org.id, &name, prices).await?;
            output::line(format!("{name}: ${input} in, ${output} out"));
        }
        ModelPrices::Remove { model } => {
            // A model that is gone from the catalogue may still have a price.
            let found =
                providers.find(&model).map(|(provider, known)| format!("{}/{}", provider.name, known.id));
            let model = found.unwrap_or(model);
            if !db.remove_model_price(org.id, &model).await? {
                return Err(format!("{model} has no price of the organization's own").into());
            }
            output::line(format!("{model}: as in the catalogue"));
        }
    }
    db.close().await;
    Ok(())
}

async fn list_prices(db: &Db, org: OrgId, json: bool) -> Done {
    let mut rows = Vec::new();
    for (_, model, price) in db.model_prices().await?.into_iter().filter(|(of, ..)| *of == org) {
        let amount = |price: Price| price.amount_per_million().to_string();
        let own = |price: Option<Price>| price.map_or_else(String::new, amount);
        rows.push([
            model,
            amount(price.input),
            own(price.cache_read),
            own(price.cache_write),
            amount(price.output),
        ]);
    }
    if !json {
        output::table(["MODEL", "$/M INPUT", "CACHED", "CACHE WRITE", "OUTPUT"], &rows);
        return Ok(());
    }
    for [id, input, cache_read, cache_write, output] in rows {
        let own = |text: String| Some(text).filter(|text| !text.is_empty());
        let view = json!({
            "id": id, "input": input, "cache_read": own(cache_read), "cache_write": own(cache_write), "output": output,
        });
        output::line(view.to_string());
    }
    Ok(())
}

fn show(name: &str, as_json: bool, providers: &Providers) -> Done {
    let (provider, model) = providers.find(name).ok_or_else(|| format!("nobody knows the model {name}"))?;
    let view = view(provider, &model);
    if as_json {
        output::line(view.to_string());
        return Ok(());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<[String; 2]> =
        view.as_object().into_iter().flatten().map(|(key, value)| [key.clone(), text(value)]).collect();
    output::table(["FIELD", "VALUE"], &rows);
    Ok(())
}

/// All that is known of a model, without what is not.
fn view(provider: &Provider, model: &Model) -> Value {
    let mut view = json!({
        "id": format!("{}/{}", provider.name, model.id), "name": model.name, "provider": provider.spec.name,
        "context_window": model.context_window, "max_output_tokens": model.max_output_tokens,
        "aliases": model.aliases.join(", "), "capabilities": capabilities(&model.capabilities),
        "deprecated": model.lifecycle.is_deprecated,
    });
    if let Some((day, _)) = &model.lifecycle.retires {
        view["retires"] = json!(day);
    }
    let Some(price) = &model.price else {
        view["price"] = json!("not known");
        return view;
    };
    let p = &price.base;
    let per_million = [
        ("input", Some(p.input)),
        ("output", Some(p.output)),
        ("cache_read", p.cache_read),
        ("cache_write", p.cache_write),
        ("cache_write_1h", p.cache_write_1h),
        ("reasoning", p.reasoning),
        ("audio_input", p.audio_input),
        ("audio_output", p.audio_output),
        ("image_input", p.image_input),
        ("image_output", p.image_output),
        ("audio_cache_read", p.audio_cache_read),
        ("image_cache_read", p.image_cache_read),
        ("characters", Some(price.per_character)),
    ];
    let known = per_million.into_iter().filter_map(|(kind, price)| Some((kind, price?)));
    for (kind, price) in known.filter(|(_, price)| *price > Price::ZERO) {
        view[format!("per_million_{kind}")] = json!(price.amount_per_million().to_string());
    }
    for tier in &price.tiers {
        let key = format!("above_{}_tokens", tier.above_input_tokens);
        let [input, output] =
            [tier.prices.input, tier.prices.output].map(|p| p.amount_per_million().to_string());
        view[key] = json!(format!("input {input}, output {output}"));
    }
    let pieces = [
        ("per_million_images", price.per_image),
        ("per_million_web_searches", price.per_web_search),
        ("per_million_queries", price.per_query),
        ("per_million_audio_ms", price.per_audio_ms),
        ("per_million_requests", price.per_request),
        ("per_million_kept_token_hours", price.per_kept_token_hour),
    ];
    for (key, price) in pieces.into_iter().filter(|(_, price)| *price > Price::ZERO) {
        view[key] = json!(price.amount_per_million().to_string());
    }
    view
}

fn capabilities(can: &Capabilities) -> String {
    let known = [
        ("vision", can.vision),
        ("pdf", can.pdf),
        ("tools", can.tools),
        ("json_object", can.json_object),
        ("json_schema", can.json_schema),
        ("reasoning", can.reasoning),
        ("caching", can.caching),
        ("web_search", can.web_search),
        ("image_generation", can.image_generation),
        ("computer_use", can.computer_use),
    ];
    known.into_iter().filter(|(_, can)| *can).map(|(word, _)| word).collect::<Vec<_>>().join(", ")
}

/// The providers of a name, or all.
fn chosen<'a>(name: Option<&str>, providers: &'a Providers) -> Result<Vec<&'a Provider>, String> {
    let of_name = |provider: &&'a Provider| name.is_none_or(|name| provider.name.as_str() == name);
    let all: Vec<&Provider> = providers.iter().map(|provider| &**provider).filter(of_name).collect();
    if all.is_empty() {
        return Err(format!("there is no provider {}", name.unwrap_or_default()));
    }
    Ok(all)
}

/// What providers list and the catalogue does not know, and the other way round.
async fn diff(name: Option<&str>, providers: &Providers) -> Done {
    let exchange = Exchange::default();
    for provider in chosen(name, providers)? {
        let ids = match listed(provider, &exchange, SystemClock.now()).await {
            Ok(ids) => ids,
            Err(error) => {
                output::error(format!("{}: {error}", provider.name));
                continue;
            }
        };
        for id in ids.iter().filter(|id| provider.catalog.find(id).is_none()) {
            output::line(format!("+ {}/{id}", provider.name));
        }
        let is_gone = |model: &&std::sync::Arc<Model>| {
            !std::iter::once(&model.id).chain(&model.aliases).any(|id| ids.contains(id))
        };
        for model in provider.catalog.models().iter().filter(is_gone) {
            output::line(format!("- {}/{}", provider.name, model.id));
        }
    }
    Ok(())
}

/// Adds what providers list and nobody knows to what is known, without a price.
async fn sync(name: Option<&str>, providers: &Providers, settings: &Settings) -> Done {
    let exchange = Exchange::default();
    let folder = settings.synced_catalog();
    for provider in chosen(name, providers)? {
        let ids = match listed(provider, &exchange, SystemClock.now()).await {
            Ok(ids) => ids,
            Err(error) => {
                output::error(format!("{}: {error}", provider.name));
                continue;
            }
        };
        let new: Vec<&String> = ids.iter().filter(|id| provider.catalog.find(id).is_none()).collect();
        let added = catalog_file::add_listed(&folder, provider.spec.kind, &new)?;
        output::line(format!("{}: {} listed, {added} added without a price", provider.name, ids.len()));
    }
    Ok(())
}

/// Takes a catalogue file over, or all of a folder.
fn take_over(path: &Path, settings: &Settings) -> Done {
    let files: Vec<std::path::PathBuf> = if path.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "toml"));
        files.sort();
        files
    } else {
        vec![path.to_owned()]
    };
    for file in files {
        let kind = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        take_over_one(kind, &std::fs::read_to_string(&file)?, settings)?;
    }
    Ok(())
}

fn take_over_one(kind: &str, text: &str, settings: &Settings) -> Done {
    if llm::provider::find(kind).is_none() && catalog_file::embedded(kind).is_none() {
        return Err(format!("there is no kind `{kind}`").into());
    }
    let count = catalog_file::take_over(&settings.synced_catalog(), kind, text)?;
    output::line(format!("{kind}: {count} models"));
    Ok(())
}
