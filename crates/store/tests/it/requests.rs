//! Request records.

use crate::support::*;
use domain::record::{AttemptRecord, Metadata, Outcome};
use domain::{Money, Usage, UsageSource};
use serde_json::{Value, json};

#[expect(clippy::vec_box, reason = "what the store takes")]
fn records(count: u16) -> Vec<Box<domain::RequestRecord>> {
    (0..count).map(|n| request(org(1).id, n)).collect()
}

#[tokio::test]
async fn batches_of_every_size_are_written_whole() {
    for count in [0, 1, 63, 64, 65, 128, 200] {
        let store = Store::new().await;
        store.write(&records(count)).await;
        let found = store.db.latest_requests(org(1).id, 1_000).await.unwrap();
        assert_eq!(found.len(), usize::from(count));
        let expected: Vec<Value> =
            records(count).iter().rev().map(|record| json!(record.id.to_string())).collect();
        assert_eq!(found.into_iter().map(|mut record| record["id"].take()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn writing_again_changes_nothing() {
    let store = Store::new().await;
    store.write(&records(70)).await;
    let before = store.db.latest_requests(org(1).id, 1_000).await.unwrap();
    let mut again = records(80);
    for record in &mut again {
        record.status = 500;
    }
    store.write(&again).await;
    let after = store.db.latest_requests(org(1).id, 1_000).await.unwrap();
    assert_eq!(after[10..], before[..]);
    assert_eq!((after.len(), &after[0]["status"]), (80, &json!(500)));
}

#[tokio::test]
async fn the_newest_come_first_and_no_more_than_asked_for() {
    let store = Store::new().await;
    store.write(&records(30)).await;
    let found = store.db.latest_requests(org(1).id, 3).await.unwrap();
    let times: Vec<i64> = found.iter().map(|record| record["at"].as_i64().unwrap()).collect();
    assert_eq!(times, [2_029, 2_028, 2_027]);
    assert_eq!(store.db.latest_requests(org(1).id, 0).await.unwrap().len(), 0);
}

#[tokio::test]
async fn another_organization_sees_nothing() {
    let store = Store::new().await;
    store.write(&records(3)).await;
    let id = records(1)[0].id.to_string();
    assert_eq!(store.db.latest_requests(org(2).id, 9).await.unwrap().len(), 0);
    assert_eq!(store.db.request(org(2).id, &id).await.unwrap(), None);
    assert!(store.db.request(org(1).id, &id).await.unwrap().is_some());
    assert_eq!(store.db.request(org(1).id, "req_unknown' OR 1=1 --").await.unwrap(), None);
}

#[tokio::test]
async fn every_column_is_read_as_it_was_written() {
    let store = Store::new().await;
    let mut record = request(org(1).id, 7);
    record.response_id = "chatcmpl-1".to_owned();
    record.tool_calls = vec!["get_weather".to_owned(), "say \"hi\"".to_owned()];
    record.warnings = vec!["seed: dropped".to_owned()];
    record.metadata = Some(Box::new(Metadata {
        tags: vec!["blue".to_owned()],
        user_id: "user-7".to_owned(),
        trace_id: "trace-8".to_owned(),
        extra: vec![("team".to_owned(), "payments \u{1f600}".to_owned())],
        origin_referer: "https://example.com".to_owned(),
        origin_title: "App".to_owned(),
    }));
    record.attempts[0].usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 3,
        cache_write_1h: 4,
        output: 5,
        reasoning: 6,
        audio_input: 7,
        audio_output: 8,
        image_input: 9,
        image_output: 10,
        images: 11,
        web_searches: 12,
        queries: 13,
        characters: 14,
        audio_ms: 15,
        audio_cache_read: 16,
        image_cache_read: 17,
    };
    store.write(&[record.clone()]).await;
    let expected = json!({
        "id": record.id.to_string(), "org_id": record.org.to_string(), "key_id": record.key.to_string(),
        "at": 2007, "operation": "chat_completions", "model_requested": "openai/m", "provider": "openai",
        "model_used": "m", "is_byok": false, "is_stream": true, "status": 200, "outcome": "success",
        "error_code": null, "finish_reason": "stop", "input_tokens": 1, "cache_read_tokens": 2,
        "cache_write_tokens": 7, "output_tokens": 5, "reasoning_tokens": 6,
        "other_usage": {"cache_write_1h": 4, "audio_input": 7, "audio_output": 8, "image_input": 9,
            "image_output": 10, "images": 11, "web_searches": 12,
            "queries": 13, "characters": 14, "audio_ms": 15,
            "audio_cache_read": 16, "image_cache_read": 17},
        "usage_source": "provider_final", "cost": "0.00002", "is_unpriced": false, "duration_ms": 1234.567,
        "first_token_ms": 2.5, "response_id": "chatcmpl-1", "tool_calls": ["get_weather", "say \"hi\""],
        "warnings": ["seed: dropped"], "user_id": "user-7", "trace_id": "trace-8", "tags": ["blue"],
        "extra": {"team": "payments \u{1f600}"}, "origin_referer": "https://example.com",
        "origin_title": "App", "attempts": null,
    });
    assert_eq!(store.db.request(record.org, &record.id.to_string()).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.db.latest_requests(record.org, 1).await.unwrap(), [expected]);
}

#[tokio::test]
async fn what_nobody_told_is_null() {
    let store = Store::new().await;
    let mut record = request(org(1).id, 1);
    record.finish_reason = "".into();
    record.metadata = Some(Box::default());
    store.write(&[record]).await;
    let found = store.db.latest_requests(org(1).id, 1).await.unwrap().remove(0);
    for column in [
        "error_code",
        "finish_reason",
        "other_usage",
        "response_id",
        "tool_calls",
        "warnings",
        "user_id",
        "trace_id",
        "tags",
        "extra",
        "origin_referer",
        "origin_title",
        "attempts",
    ] {
        assert_eq!(found[column], Value::Null, "{column}");
    }
}

#[tokio::test]
async fn attempts_are_written_only_where_they_say_more() {
    let store = Store::new().await;
    let failed = AttemptRecord {
        status: 503,
        error: "it broke".to_owned(),
        usage: Usage { input: 1, ..Usage::ZERO },
        usage_source: UsageSource::Estimate,
        cost: Money::from_nano(7),
        is_unpriced: true,
        ..attempt(Outcome::ProviderError)
    };
    let cases = [
        vec![],
        vec![attempt(Outcome::Success)],
        vec![failed.clone()],
        vec![failed, attempt(Outcome::Success)],
    ];
    let batch: Vec<_> = cases
        .into_iter()
        .zip(0..)
        .map(|(attempts, n)| Box::new(domain::RequestRecord { attempts, ..*request(org(1).id, n) }))
        .collect();
    store.write(&batch).await;
    let mut found = store.db.latest_requests(org(1).id, 9).await.unwrap();
    found.reverse();
    let counts: Vec<_> = found.iter().map(|record| record["attempts"].as_array().map(Vec::len)).collect();
    assert_eq!(counts, [None, None, Some(1), Some(2)]);
    assert_eq!((&found[0]["provider"], &found[0]["usage_source"]), (&json!(""), &json!("none")));
    let sums = (&found[3]["input_tokens"], &found[3]["cost"], &found[3]["is_unpriced"]);
    assert_eq!(sums, (&json!(11), &json!("0.000020007"), &json!(true)));
    let first = &found[3]["attempts"][0];
    assert_eq!(
        (&first["status"], &first["error"], &first["outcome"]),
        (&json!(503), &json!("it broke"), &json!("provider_error"))
    );
    assert_eq!((&first["usage_source"], &first["cost"]), (&json!("estimate"), &json!("0.000000007")));
}

#[tokio::test]
async fn figures_beyond_the_database_are_capped() {
    let store = Store::new().await;
    let mut record = request(org(1).id, 1);
    record.duration_us = u64::MAX;
    record.attempts[0].usage.input = u64::MAX;
    store.write(&[record]).await;
    assert_eq!(store.db.latest_requests(org(1).id, 1).await.unwrap()[0]["input_tokens"], json!(i64::MAX));
}
