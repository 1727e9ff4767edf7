//! Usage reports and balances.

use crate::support::*;
use domain::record::{Metadata, Operation};
use domain::{KeyId, Money, OrgId, RequestRecord, Scope, Timestamp, Usage, Window};
use store::usage::{Counters, Dimension, GROUPS_MAX, Resolution, UsageError, UsageQuery};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Runs statements behind the store's back.
async fn put(store: &Store, statements: &str) {
    let path = store.folder.path().join("test.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&pool).await.unwrap();
    pool.close().await;
}

fn key_of(n: u8) -> KeyId {
    key(org(1).id, n).id
}

fn shape(id: i64, org: OrgId, key: KeyId, operation: &str, model: &str) -> String {
    format!(
        "INSERT INTO request_shapes VALUES ({id}, '{org}', '{key}', '{operation}', 'openai/{model}', 'openai', \
         '{model}', 0, 0, 200, 'success', '', '', 'provider_final', 0, '');"
    )
}

/// A rollup with as many requests as told, each of 10 and 5 tokens and 7 nano-dollars.
fn rollup(hour: i64, shape: i64, requests: i64) -> String {
    let (input, output, cost) = (requests * 10, requests * 5, requests * 7);
    format!(
        "INSERT INTO usage_rollups VALUES ({hour}, {shape}, {requests}, {requests}, {input}, {output}, {cost});"
    )
}

/// What rollups of so many requests sum up to.
fn sums(completions: u64, embeddings: u64) -> Counters {
    let requests = completions + embeddings;
    Counters {
        completions,
        embeddings,
        requests,
        input_tokens: requests * 10,
        output_tokens: requests * 5,
        spend: Money::from_nano(i64::try_from(requests).unwrap() * 7),
        ..Counters::default()
    }
}

fn query(resolution: Resolution, group_by: &[Dimension]) -> UsageQuery {
    UsageQuery {
        org: org(1).id,
        key: None,
        start: at(0),
        end: at(90 * DAY),
        resolution,
        group_by: group_by.to_vec(),
    }
}

async fn with_rollups() -> Store {
    let store = Store::new().await;
    let own = org(1).id;
    let rows = [
        shape(1, own, key_of(1), "chat_completions", "a"),
        shape(2, own, key_of(1), "embeddings", "b"),
        shape(3, own, key_of(2), "messages", "a"),
        shape(4, org(2).id, key_of(3), "messages", "a"),
        rollup(0, 1, 1),
        rollup(HOUR, 1, 2),
        rollup(HOUR, 2, 4),
        rollup(DAY, 3, 8),
        rollup(40 * DAY, 1, 16),
        rollup(0, 4, 1_000),
    ];
    put(&store, &rows.concat()).await;
    store
}

async fn totals(store: &Store, query: UsageQuery) -> Vec<(i64, Counters)> {
    let report = store.db.usage(&query).await.unwrap();
    report.into_iter().map(|(start, period)| (start.unix_ms(), period.total)).collect()
}

#[tokio::test]
async fn periods_are_hours_days_and_months_and_empty_ones_are_absent() {
    let store = with_rollups().await;
    let hours = [(0, sums(1, 0)), (HOUR, sums(2, 4)), (DAY, sums(8, 0)), (40 * DAY, sums(16, 0))];
    assert_eq!(totals(&store, query(Resolution::Hour, &[])).await, hours);
    let days = [(0, sums(3, 4)), (DAY, sums(8, 0)), (40 * DAY, sums(16, 0))];
    assert_eq!(totals(&store, query(Resolution::Day, &[])).await, days);
    let months = [(0, sums(11, 4)), (31 * DAY, sums(16, 0))];
    assert_eq!(totals(&store, query(Resolution::Month, &[])).await, months);
}

#[tokio::test]
async fn hours_that_are_touched_count_whole() {
    let store = with_rollups().await;
    let part = |start, end| UsageQuery { start: at(start), end: at(end), ..query(Resolution::Hour, &[]) };
    assert_eq!(totals(&store, part(HOUR - 1, HOUR)).await, [(0, sums(1, 0))]);
    assert_eq!(totals(&store, part(HOUR, HOUR + 1)).await, [(HOUR, sums(2, 4))]);
    assert_eq!(totals(&store, part(2 * HOUR, DAY)).await, []);
}

#[tokio::test]
async fn a_keys_report_has_nothing_of_other_keys() {
    let store = with_rollups().await;
    let of = |n| UsageQuery { key: Some(key_of(n)), ..query(Resolution::Month, &[]) };
    assert_eq!(totals(&store, of(2)).await, [(0, sums(8, 0))]);
    assert_eq!(totals(&store, of(3)).await, [], "another organization's key");
}

#[tokio::test]
async fn groups_add_up_to_the_total() {
    let store = with_rollups().await;
    let by = [Dimension::ModelUsed, Dimension::Key, Dimension::IsByok];
    let report = store.db.usage(&query(Resolution::Month, &by)).await.unwrap();
    let group = |model: &str, n| vec![model.to_owned(), key_of(n).to_string(), "false".to_owned()];
    let january = &report[&at(0)];
    let expected = [(group("a", 1), sums(3, 0)), (group("a", 2), sums(8, 0)), (group("b", 1), sums(0, 4))];
    assert_eq!(january.groups.clone().into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(january.total, sums(11, 4));
}

fn told(n: u16, user: &str, extra: &[(&str, &str)]) -> Box<RequestRecord> {
    let extra = extra.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let metadata = Metadata { user_id: user.to_owned(), extra, ..Metadata::default() };
    Box::new(RequestRecord { metadata: Some(Box::new(metadata)), ..*request(org(1).id, n) })
}

/// Sums of requests like [`request`], by group.
async fn groups(store: &Store, by: &[Dimension]) -> Vec<(Vec<String>, Counters)> {
    let mut report = store.db.usage(&query(Resolution::Day, by)).await.unwrap();
    report.remove(&Timestamp::from_unix_ms(0)).unwrap().groups.into_iter().collect()
}

fn like_request(count: u64) -> Counters {
    Counters {
        completions: count,
        requests: count,
        input_tokens: count * 10,
        output_tokens: count * 5,
        spend: Money::from_nano(i64::try_from(count).unwrap() * 20_000),
        ..Counters::default()
    }
}

#[tokio::test]
async fn what_callers_tell_beside_a_request_is_told_apart_too() {
    let store = Store::new().await;
    let records = [
        told(1, "ann", &[("Team", "blue")]),
        told(2, "ann", &[("team", "red")]),
        told(3, "bob \u{1f} \"", &[("other", "x")]),
        request(org(1).id, 4),
        request(org(2).id, 5),
    ];
    store.write(&records).await;
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let by_user = [
        (texts(&[""]), like_request(1)),
        (texts(&["ann"]), like_request(2)),
        (texts(&["bob \u{1f} \""]), like_request(1)),
    ];
    assert_eq!(groups(&store, &[Dimension::UserId]).await, by_user);
    let by_both = [
        (texts(&["", ""]), like_request(1)),
        (texts(&["", "bob \u{1f} \""]), like_request(1)),
        (texts(&["blue", "ann"]), like_request(1)),
        (texts(&["red", "ann"]), like_request(1)),
    ];
    assert_eq!(groups(&store, &[Dimension::Extra("team".to_owned()), Dimension::UserId]).await, by_both);
}

#[tokio::test]
async fn the_rarer_kinds_of_tokens_count_for_every_request() {
    let store = Store::new().await;
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 4,
        cache_write_1h: 8,
        audio_input: 16,
        image_input: 32,
        output: 1,
        reasoning: 2,
        audio_output: 4,
        image_output: 8,
        ..Usage::ZERO
    };
    let mut records = [request(org(1).id, 1), request(org(1).id, 2)];
    for record in &mut records {
        record.attempts[0].usage = usage;
        record.operation = Operation::CountTokens;
    }
    store.write(&records).await;
    let (_, sums) = groups(&store, &[Dimension::UserId]).await.remove(0);
    assert_eq!((sums.input_tokens, sums.output_tokens), (2 * usage.total_input(), 2 * usage.total_output()));
    assert_eq!((sums.requests, sums.completions, sums.embeddings), (2, 0, 0));
}

#[tokio::test]
async fn a_report_of_endless_groups_is_refused() {
    let store = Store::new().await;
    let many = (0..=GROUPS_MAX).map(|n| told(u16::try_from(n).unwrap(), &n.to_string(), &[]));
    store.write(&many.collect::<Vec<_>>()).await;
    let refused = store.db.usage(&query(Resolution::Day, &[Dimension::UserId])).await;
    assert!(matches!(refused, Err(UsageError::TooManyGroups)));
}

#[tokio::test]
async fn balances_of_keys_are_those_of_an_organization_and_a_window() {
    let store = Store::new().await;
    let own = org(1);
    store.db.insert_organization(&own, at(1)).await.unwrap();
    store.db.insert_key(&key(own.id, 1)).await.unwrap();
    let scope = Scope::Key(key_of(1));
    put(&store, &format!("INSERT INTO balances VALUES ('{scope}', 'month', 0, 70, 3)")).await;
    put(
        &store,
        &format!("INSERT INTO balances VALUES ('{}', 'month', 0, 80, 3)", Scope::Organization(own.id)),
    )
    .await;
    let of_keys = store.db.key_balances(own.id, Window::Month, at(0)).await.unwrap();
    assert_eq!(of_keys.into_iter().collect::<Vec<_>>(), [(scope.to_string(), Money::from_nano(73))]);
    assert!(store.db.key_balances(own.id, Window::Month, at(5)).await.unwrap().is_empty());
    assert!(store.db.key_balances(org(2).id, Window::Month, at(0)).await.unwrap().is_empty());
}
