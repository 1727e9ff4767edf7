//! Spending limits and rate limits.

use crate::support::*;
use domain::{Enforcement, Limit, Money, RateLimit, Scope, Window};

fn monthly(scope: Scope, nano: i64) -> Limit {
    Limit { scope, window: Window::Month, amount: Money::from_nano(nano), enforcement: Enforcement::Hard }
}

#[tokio::test]
async fn a_limit_is_set_replaced_and_removed() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let scope = Scope::Key(key(org.id, 1).id);
    store.db.set_limit(org.id, monthly(scope, 5)).await.unwrap();
    let soft = Limit { enforcement: Enforcement::Soft, ..monthly(scope, 7) };
    store.db.set_limit(org.id, soft).await.unwrap();
    let daily = Limit { window: Window::Day, ..monthly(Scope::Organization(org.id), 9) };
    store.db.set_limit(org.id, daily).await.unwrap();
    assert_eq!(store.db.limits().await.unwrap(), [soft, daily], "ordered by scope");
    assert!(store.db.remove_limit(org.id, scope, Window::Month).await.unwrap());
    assert!(!store.db.remove_limit(org.id, scope, Window::Month).await.unwrap());
    assert_eq!(store.db.limits().await.unwrap(), [daily]);
}

#[tokio::test]
async fn an_empty_rate_limit_removes_it() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let scope = Scope::Organization(org.id);
    let rate =
        RateLimit { requests_per_minute: Some(60), tokens_per_minute: Some(5_000_000_000), concurrent: None };
    store.db.set_rate_limit(org.id, scope, rate).await.unwrap();
    assert_eq!(store.db.rate_limits().await.unwrap(), [(scope, rate)]);
    store.db.set_rate_limit(org.id, scope, RateLimit::default()).await.unwrap();
    assert_eq!(store.db.rate_limits().await.unwrap(), []);
}

#[tokio::test]
async fn limits_reach_the_keys_they_bound() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let mut key = key(org.id, 1);
    let group = Scope::Group(domain::GroupId::from_parts(at(1), [4; 10]));
    key.scopes = vec![group];
    key.labels = vec![("team".to_owned(), "a".to_owned())];
    store.db.insert_key(&key).await.unwrap();
    for scope in [group, Scope::Organization(org.id), Scope::Key(crate::support::key(org.id, 2).id)] {
        store.db.set_limit(org.id, monthly(scope, 5)).await.unwrap();
    }
    let snapshot = store.db.snapshot().await.unwrap();
    let (found, principal) = snapshot.caller(&key.hash).unwrap();
    assert_eq!(found, &key);
    let mut limited: Vec<Scope> = principal.account.limits.iter().map(|limit| limit.scope).collect();
    limited.sort_unstable();
    assert_eq!(limited, [Scope::Organization(org.id), group], "another key's limit is not its own");
}
