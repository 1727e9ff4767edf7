//! `signalbox limits`, and the limits and rate limits of `signalbox keys`.

use super::Done;
use crate::cli::{How, Limits};
use crate::config::Settings;
use crate::{bootstrap, output, wire};
use domain::{Clock, Enforcement, KeyId, Limit, Money, OrgId, RateLimit, Scope, SystemClock, Windows};
use store::Db;

/// A limit as the command line describes it.
pub fn limit(scope: Scope, amount: Money, how: How) -> Limit {
    let enforcement = if how.soft { Enforcement::Soft } else { Enforcement::Hard };
    Limit { scope, window: how.window, amount, enforcement }
}

/// Sets or removes a limit, and says so.
pub async fn set(db: &Db, org: OrgId, scope: Scope, amount: Option<Money>, how: How) -> Done {
    let window = how.window.as_str();
    match amount {
        Some(amount) if amount < Money::ZERO => return Err("a limit cannot be negative".into()),
        Some(amount) => {
            db.set_limit(org, limit(scope, amount, how)).await?;
            output::line(format!("{scope}: ${amount} a {window}"));
        }
        None if db.remove_limit(org, scope, how.window).await? => {
            output::line(format!("{scope}: no limit a {window}"));
        }
        None => return Err(format!("{scope} has no limit a {window}").into()),
    }
    Ok(())
}

/// The rate limit of a key, among all.
pub fn rate_of(rates: &[(Scope, RateLimit)], key: KeyId) -> RateLimit {
    let own = rates.iter().find(|(scope, _)| *scope == Scope::Key(key));
    own.map_or(RateLimit::default(), |(_, rate)| *rate)
}

/// A rate limit in words: empty where nothing is bounded.
pub fn rate_text(rate: RateLimit) -> String {
    let requests = rate.requests_per_minute.map(|n| format!("{n} requests a minute"));
    let tokens = rate.tokens_per_minute.map(|n| format!("{n} tokens a minute"));
    let concurrent = rate.concurrent.map(|n| format!("{n} at the same time"));
    [requests, tokens, concurrent].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Sets the rate limit of a key, and says so.
pub async fn set_rate(db: &Db, id: KeyId, rate: RateLimit) -> Done {
    let (org, _) = bootstrap::organization(db, &SystemClock).await?;
    if db.key(org.id, id).await?.is_none() {
        return Err(format!("there is no key {id}").into());
    }
    db.set_rate_limit(org.id, Scope::Key(id), rate).await?;
    let text = rate_text(rate);
    output::line(format!("{id}: {}", if text.is_empty() { "no rate limit" } else { &text }));
    Ok(())
}

pub async fn run(command: Limits, settings: &Settings) -> Done {
    let db = wire::open_store(&settings.data_dir).await?;
    let (org, _) = bootstrap::organization(&db, &SystemClock).await?;
    let scope = |text: &str| -> Result<Scope, String> {
        match text {
            "org" => Ok(Scope::Organization(org.id)),
            text => text.parse().map_err(|error| format!("{text:?} is {error}")),
        }
    };
    match command {
        Limits::List { json } => list(&db, json).await?,
        Limits::Set { scope: text, amount, how } => {
            set(&db, org.id, scope(&text)?, Some(amount), how).await?;
        }
        Limits::Remove { scope: text, window } => {
            set(&db, org.id, scope(&text)?, None, How { window, soft: false }).await?;
        }
    }
    db.close().await;
    Ok(())
}

async fn list(db: &Db, json: bool) -> Done {
    let windows = Windows::at(SystemClock.now());
    let mut rows = Vec::new();
    for limit in db.limits().await? {
        let spent = db.spent(limit.scope, limit.window, windows.start(limit.window)).await?;
        rows.push([
            limit.scope.to_string(),
            limit.window.as_str().to_owned(),
            limit.amount.to_string(),
            spent.to_string(),
            limit.enforcement.as_str().to_owned(),
        ]);
    }
    if !json {
        output::table(["SCOPE", "WINDOW", "LIMIT $", "SPENT $", "ENFORCEMENT"], &rows);
        return Ok(());
    }
    for [scope, window, amount, spent, enforcement] in rows {
        let view = serde_json::json!({
            "scope": scope, "window": window, "amount": amount, "spent": spent, "enforcement": enforcement,
        });
        output::line(view.to_string());
    }
    Ok(())
}
