//! The first start: an organization, its first key, and what a person can do with it.

use crate::output;
use domain::{Access, ApiKey, Clock, Mode, NewKey, OrgId, Organization, Permissions};
use gateway::Providers;
use std::net::SocketAddr;
use store::{Db, StoreError};

/// Why a key cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The organization to work in: the oldest one, made now if there is none.
pub async fn organization(db: &Db, clock: &dyn Clock) -> Result<(Organization, bool), KeyError> {
    if let Some(org) = db.first_organization().await? {
        return Ok((org, false));
    }
    let now = clock.now();
    let org = Organization { id: OrgId::from_parts(now, random()?), name: "default".to_owned() };
    db.insert_organization(&org, now).await?;
    Ok((org, true))
}

/// Makes a key and stores its digest. The text is returned this once.
pub async fn create_key(db: &Db, new: NewKey, clock: &dyn Clock) -> Result<(ApiKey, String), KeyError> {
    let text = NewKey::text(random()?);
    let key = store_key(db, new, &text, clock).await?;
    Ok((key, text))
}

async fn store_key(db: &Db, new: NewKey, text: &str, clock: &dyn Clock) -> Result<ApiKey, KeyError> {
    let key = new.into_key(text, random()?, clock.now());
    db.insert_key(&key).await?;
    Ok(key)
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The first key may do everything: there is nobody else to give it more.
fn first(org: OrgId, name: &str) -> NewKey {
    let permissions = Permissions { manage: Access::Write, completions: Access::Write };
    NewKey { permissions, ..NewKey::named(org, name) }
}

/// Sees to it that there is an organization with a key. Returns a key that was made now, to be shown once.
pub async fn first_start(
    db: &Db,
    bootstrap_key: Option<&str>,
    clock: &dyn Clock,
) -> Result<Option<String>, KeyError> {
    let (org, is_new) = organization(db, clock).await?;
    if let Some(text) = bootstrap_key {
        return match store_key(db, first(org.id, "bootstrap"), text.trim(), clock).await {
            // There from an earlier start.
            Ok(_) | Err(KeyError::Store(StoreError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        };
    }
    if !is_new {
        return Ok(None);
    }
    let (_, text) = create_key(db, first(org.id, "first key"), clock).await?;
    Ok(Some(text))
}

/// Shows the first key and lines that work as printed.
pub fn welcome(key: &str, address: SocketAddr, is_tls: bool, providers: &Providers, default_model: &str) {
    let model = example_model(providers, default_model);
    let scheme = if is_tls { "https" } else { "http" };
    let host = match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    let base = format!("{scheme}://{host}");
    let body = |extra: &str| {
        format!(
            r#"{{"model":"{model}","max_tokens":100{extra},"messages":[{{"role":"user","content":"Hello from Signalbox!"}}]}}"#
        )
    };
    let json = "-H 'Content-Type: application/json'";
    output::line(format!(
        "\nYour first API key. It is shown this once and not kept:\n\n    {key}\n\nTry it:\n\n\
         # chat\ncurl -sS {base}/v1/chat/completions -H 'Authorization: Bearer {key}' {json} \\\n  -d '{}'\n\n\
         # the same, streamed\ncurl -sSN {base}/v1/chat/completions -H 'Authorization: Bearer {key}' {json} \\\n  -d '{}'\n\n\
         # Anthropic's protocol\ncurl -sS {base}/v1/messages -H 'x-api-key: {key}' {json} \\\n  -d '{}'\n\n\
         # what can be asked for\ncurl -sS {base}/v1/models\n",
        body(""),
        body(r#","stream":true"#),
        body(""),
    ));
}

/// A chat model that the configured providers have: the default one if possible.
fn example_model(providers: &Providers, default_model: &str) -> String {
    if providers.find(default_model).is_some() {
        return default_model.to_owned();
    }
    let chats = |provider: &std::sync::Arc<gateway::Provider>| {
        let chat =
            provider.catalog.models().iter().find(|model| model.mode == Mode::Chat && model.price.is_some());
        chat.map(|model| format!("{}/{}", provider.name, model.id))
    };
    providers.iter().find_map(chats).unwrap_or_else(|| default_model.to_owned())
}
