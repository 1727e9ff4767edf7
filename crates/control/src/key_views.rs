//! Keys as callers see and ask for them.

use crate::amount::Amount;
use crate::{Problem, time};
use domain::{Access, ApiKey, Enforcement, KeyState, Limit, Money, Permissions, RateLimit, Scope, Window};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Letters of a name at the most.
const NAME_MAX: usize = 200;
/// Labels of a key at the most, and letters of their names and values.
const LABELS_MAX: usize = 50;
const LABEL_MAX: usize = 200;

/// A key as it is listed and shown: never its secret.
#[derive(Serialize)]
pub struct KeyView {
    id: String,
    name: String,
    display: String,
    /// Bodies of this key's requests are written down: never.
    logging: bool,
    monthly_limit: Amount,
    monthly_spend: Amount,
    permissions: PermissionsView,
    labels: BTreeMap<String, String>,
    /// Nobody is written down yet.
    created_by: Option<()>,
    created_at: String,
    expires_at: Option<String>,
    limits: Vec<LimitView>,
    rate: RateView,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupView>,
}

#[derive(Serialize)]
struct PermissionsView {
    manage: &'static str,
    completions: &'static str,
}

#[derive(Serialize)]
struct LimitView {
    amount: Amount,
    window: &'static str,
    enforcement: &'static str,
}

#[derive(Serialize)]
struct RateView {
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u64>,
    concurrent: Option<u32>,
}

#[derive(Serialize)]
struct GroupView {
    id: String,
}

impl KeyView {
    /// A key with what is set and spent in its own scope, given what is set in all of its organization.
    pub fn of(key: &ApiKey, limits: &[Limit], rates: &[(Scope, RateLimit)], monthly_spend: Money) -> Self {
        let scope = Scope::Key(key.id);
        let own = || limits.iter().filter(|limit| limit.scope == scope);
        let monthly = own().find(|limit| limit.window == Window::Month).map_or(Money::ZERO, |l| l.amount);
        let rate = rates.iter().find(|(of, _)| *of == scope).map_or(RateLimit::default(), |(_, rate)| *rate);
        let group = key.scopes.iter().find(|scope| matches!(scope, Scope::Group(_)));
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            display: key.display.clone(),
            logging: false,
            monthly_limit: Amount(monthly),
            monthly_spend: Amount(monthly_spend),
            permissions: PermissionsView {
                manage: key.permissions.manage.as_str(),
                completions: key.permissions.completions.as_str(),
            },
            labels: key.labels.iter().cloned().collect(),
            created_by: None,
            created_at: time::write(key.created_at),
            expires_at: match key.state {
                KeyState::Active { expires_at } => expires_at.map(time::write),
                KeyState::Deleted { at } => Some(time::write(at)),
            },
            limits: own().map(LimitView::of).collect(),
            rate: RateView {
                requests_per_minute: rate.requests_per_minute,
                tokens_per_minute: rate.tokens_per_minute,
                concurrent: rate.concurrent,
            },
            group: group.map(|scope| GroupView { id: scope.to_string() }),
        }
    }
}

impl LimitView {
    fn of(limit: &Limit) -> Self {
        Self {
            amount: Amount(limit.amount),
            window: limit.window.as_str(),
            enforcement: limit.enforcement.as_str(),
        }
    }
}

/// What a new key is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    name: String,
    monthly_limit: Option<Amount>,
    window: Option<String>,
    enforcement: Option<String>,
    permissions: Option<PermissionsBody>,
    labels: Option<BTreeMap<String, String>>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionsBody {
    manage: Option<String>,
    completions: Option<String>,
}

impl CreateKey {
    /// The name, if it is one.
    pub fn name(&self) -> Result<&str, Problem> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX {
            return Err(Problem::invalid(format!("name: expected 1 to {NAME_MAX} characters")));
        }
        Ok(name)
    }

    /// The limit of the new key, if it has one.
    pub fn limit(&self, scope: Scope) -> Result<Option<Limit>, Problem> {
        let limit = limit(scope, self.monthly_limit, self.window.as_deref(), self.enforcement.as_deref())?;
        Ok(Some(limit).filter(|limit| limit.amount > Money::ZERO))
    }

    /// What the new key may do: never more than `creator` may. What is not asked for is the usual, as far as
    /// the creator may do it.
    pub fn permissions(&self, creator: Permissions) -> Result<Permissions, Problem> {
        let asked = |name, text: Option<&String>| text.map(|text| word::<Access>(name, text)).transpose();
        let body = self.permissions.as_ref();
        let manage = asked("permissions.manage", body.and_then(|body| body.manage.as_ref()))?;
        let completions = asked("permissions.completions", body.and_then(|body| body.completions.as_ref()))?;
        if manage > Some(creator.manage) || completions > Some(creator.completions) {
            return Err(Problem::NotPermitted("a key cannot be given more permissions than its creator has"));
        }
        let usual = Permissions::default();
        Ok(Permissions {
            manage: manage.unwrap_or(usual.manage.min(creator.manage)),
            completions: completions.unwrap_or(usual.completions.min(creator.completions)),
        })
    }

    /// The labels.
    pub fn labels(&self) -> Result<Vec<(String, String)>, Problem> {
        self.labels.as_ref().map_or(Ok(Vec::new()), labels)
    }

    /// When it is to end.
    pub fn expires_at(&self) -> Result<Option<domain::Timestamp>, Problem> {
        self.expires_at.as_deref().map(|text| time::read("expires_at", text)).transpose()
    }
}

/// A limit that is to be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLimit {
    #[serde(alias = "limit")]
    monthly_limit: Amount,
    window: Option<String>,
    enforcement: Option<String>,
}

impl SetLimit {
    /// The limit; zero stands for none.
    pub fn limit(&self, scope: Scope) -> Result<Limit, Problem> {
        limit(scope, Some(self.monthly_limit), self.window.as_deref(), self.enforcement.as_deref())
    }
}

/// Labels that are to be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetLabels {
    labels: BTreeMap<String, String>,
}

impl SetLabels {
    /// The labels.
    pub fn labels(&self) -> Result<Vec<(String, String)>, Problem> {
        labels(&self.labels)
    }
}

/// An end that is to be set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetExpiry {
    expires_at: Option<String>,
}

impl SetExpiry {
    /// When; `None`: never.
    pub fn expires_at(&self) -> Result<Option<domain::Timestamp>, Problem> {
        self.expires_at.as_deref().map(|text| time::read("expires_at", text)).transpose()
    }
}

/// Rate limits that are to be set: what is absent stays, null removes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRate {
    #[serde(default, deserialize_with = "told")]
    requests_per_minute: Option<Option<u32>>,
    #[serde(default, deserialize_with = "told")]
    tokens_per_minute: Option<Option<u64>>,
    #[serde(default, deserialize_with = "told")]
    concurrent: Option<Option<u32>>,
}

/// Tells null from absent.
fn told<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl SetRate {
    /// The rate limit that results from the present one.
    pub fn change(&self, present: RateLimit) -> Result<RateLimit, Problem> {
        let rate = RateLimit {
            requests_per_minute: self.requests_per_minute.unwrap_or(present.requests_per_minute),
            tokens_per_minute: self.tokens_per_minute.unwrap_or(present.tokens_per_minute),
            concurrent: self.concurrent.unwrap_or(present.concurrent),
        };
        let zeros = [
            ("requests_per_minute", rate.requests_per_minute == Some(0)),
            ("tokens_per_minute", rate.tokens_per_minute == Some(0)),
            ("concurrent", rate.concurrent == Some(0)),
        ];
        match zeros.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => {
                Err(Problem::invalid(format!("{name}: expected at least 1, or null for no bound")))
            }
            None => Ok(rate),
        }
    }
}

fn limit(
    scope: Scope,
    amount: Option<Amount>,
    window: Option<&str>,
    enforcement: Option<&str>,
) -> Result<Limit, Problem> {
    let window = window.map(|text| word("window", text)).transpose()?.unwrap_or(Window::Month);
    let enforcement = match enforcement {
        None | Some("hard") => Enforcement::Hard,
        Some("soft") => Enforcement::Soft,
        Some(_) => return Err(Problem::invalid("enforcement: expected hard or soft")),
    };
    Ok(Limit { scope, window, amount: amount.map_or(Money::ZERO, |amount| amount.0), enforcement })
}

fn word<T: FromStr>(name: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Problem::invalid(format!("{name}: {error}")))
}

fn labels(labels: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, Problem> {
    if labels.len() > LABELS_MAX {
        return Err(Problem::invalid(format!("labels: expected at most {LABELS_MAX}")));
    }
    let is_long = |text: &str| text.chars().count() > LABEL_MAX;
    if labels.iter().any(|(name, value)| name.is_empty() || is_long(name) || is_long(value)) {
        return Err(Problem::invalid(format!(
            "labels: expected names of 1 to {LABEL_MAX} characters and values of at most {LABEL_MAX}"
        )));
    }
    Ok(labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}
