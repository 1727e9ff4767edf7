//! `signalbox keys list`.

use super::limits::{rate_of, rate_text};
use super::{Done, date};
use crate::output;
use domain::{ApiKey, Clock, Enforcement, KeyState, Limit, RateLimit, Scope, SystemClock};
use store::Db;

/// Lists all keys of all organizations, deleted ones included, with the limits of their own.
pub async fn list(db: &Db, json: bool) -> Done {
    let (keys, limits, rates) = (db.keys().await?, db.limits().await?, db.rate_limits().await?);
    let own = |key: &ApiKey| -> Vec<Limit> {
        limits.iter().filter(|limit| limit.scope == Scope::Key(key.id)).copied().collect()
    };
    if json {
        for key in &keys {
            output::line(view(key, &own(key), rate_of(&rates, key.id)).to_string());
        }
        return Ok(());
    }
    let row = |key: &ApiKey| {
        let mut bounds: Vec<String> = own(key).iter().map(limit_text).collect();
        bounds.push(rate_text(rate_of(&rates, key.id)));
        bounds.retain(|text| !text.is_empty());
        let (id, name, display) = (key.id.to_string(), key.name.clone(), key.display.clone());
        [id, name, display, state(key), date(key.created_at), bounds.join(", ")]
    };
    let rows: Vec<[String; 6]> = keys.iter().map(row).collect();
    output::table(["ID", "NAME", "KEY", "STATE", "CREATED", "LIMITS"], &rows);
    Ok(())
}

fn state(key: &ApiKey) -> String {
    match key.state {
        KeyState::Active { expires_at: None } => "active".to_owned(),
        KeyState::Active { expires_at: Some(end) } if key.is_usable(SystemClock.now()) => {
            format!("active until {}", date(end))
        }
        KeyState::Active { expires_at: Some(end) } => format!("expired {}", date(end)),
        KeyState::Deleted { at } => format!("deleted {}", date(at)),
    }
}

fn limit_text(limit: &Limit) -> String {
    let how = match limit.enforcement {
        Enforcement::Hard => "",
        Enforcement::Soft => " (soft)",
    };
    format!("${} a {}{how}", limit.amount, limit.window.as_str())
}

fn view(key: &ApiKey, limits: &[Limit], rate: RateLimit) -> serde_json::Value {
    let limit = |limit: &Limit| {
        serde_json::json!({
            "amount": limit.amount.to_string(), "window": limit.window.as_str(),
            "enforcement": limit.enforcement.as_str(),
        })
    };
    serde_json::json!({
        "id": key.id.to_string(), "org_id": key.org.to_string(), "name": key.name,
        "display": key.display, "state": state(key), "created_at": date(key.created_at),
        "manage": key.permissions.manage.as_str(),
        "limits": limits.iter().map(limit).collect::<Vec<_>>(),
        "rate": {
            "requests_per_minute": rate.requests_per_minute, "tokens_per_minute": rate.tokens_per_minute,
            "concurrent": rate.concurrent,
        },
    })
}
