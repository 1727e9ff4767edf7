//! The ledger, what is derived from it, and what a crash leaves behind.

use crate::support::*;
use domain::record::Outcome;
use domain::{AttemptId, Money, RequestId, Scope, UsageSource, Window, Windows};
use store::journal::record::Checkpoint;
use store::journal::{Intent, Journal, Options, Record};
use store::{Applier, Db};

fn nano(nano: i64) -> Money {
    Money::from_nano(nano)
}

fn attempt_of(request: RequestId, number: u16) -> AttemptId {
    AttemptId { request, number }
}

async fn rows(db: &Db, org: domain::OrgId) -> Vec<(AttemptId, &'static str, Money, String)> {
    let mut rows = Vec::new();
    db.ledger_rows(org, None, |row| rows.push((row.attempt, row.kind, row.amount, row.source)))
        .await
        .unwrap();
    rows
}

#[tokio::test]
async fn balances_and_rollups_are_the_fold_of_the_ledger() {
    let store = Store::new().await;
    let org = org(1).id;
    let mut records: Vec<_> = (0..200).map(|n| request(org, n)).collect();
    records[7].attempts.insert(0, attempt(Outcome::ProviderError));
    // It cost more than was held for it.
    records[9].attempts[0].cost = nano(60_000);
    records[11].attempts.clear();
    store.write(&records[..100]).await;
    store.write(&records[100..]).await;
    let verdict = store.db.verify().await.unwrap();
    assert_eq!(verdict.differences, []);
    assert_eq!((verdict.rows, verdict.fold_diff), (201, Money::ZERO));
    let expected = nano(200 * 20_000 + 40_000);
    assert_eq!((verdict.total, verdict.overage), (expected, nano(10_000)));
    let windows = Windows::at(records[0].at);
    for scope in [Scope::Organization(org), Scope::Key(key_id())] {
        for window in Window::ALL {
            assert_eq!(store.db.spent(scope, window, windows.start(window)).await.unwrap(), expected);
        }
    }
    assert_eq!(store.db.balances(windows).await.unwrap().len(), 6);
}

#[tokio::test]
async fn what_was_written_before_is_not_counted_again() {
    let store = Store::new().await;
    let org = org(1).id;
    store.write(&[request(org, 1), request(org, 2)]).await;
    store.write(&[request(org, 2), request(org, 3), request(org, 3)]).await;
    let verdict = store.db.verify().await.unwrap();
    assert_eq!((verdict.rows, verdict.total, verdict.fold_diff), (3, nano(60_000), Money::ZERO));
}

#[tokio::test]
async fn damage_is_found_and_repaired_from_the_ledger() {
    let store = Store::new().await;
    let org = org(1).id;
    store.write(&[request(org, 1), request(org, 2)]).await;
    store.damage("UPDATE balances SET settled_nano = settled_nano + 5 WHERE window_name = 'day'").await;
    store.damage("UPDATE usage_rollups SET requests = requests + 1").await;
    let verdict = store.db.verify().await.unwrap();
    assert_eq!((verdict.differences.len(), verdict.fold_diff), (3, nano(10)));
    store.db.repair().await.unwrap();
    assert_eq!(store.db.verify().await.unwrap().differences, []);
    assert_eq!(rows(&store.db, org).await.len(), 2);
}

fn intent(org: domain::OrgId, n: u16, held: i64) -> Intent {
    let record = request(org, n);
    Intent {
        attempt: attempt_of(record.id, 1),
        at: record.at,
        org,
        key: record.key,
        scopes: record.scopes.clone(),
        operation: record.operation,
        model_requested: record.model_requested.clone(),
        provider: "openai".into(),
        model: "m".into(),
        is_stream: true,
        held: nano(held),
        is_unpriced: false,
    }
}

/// Small segments, so that a test crosses many.
fn open(store: &Store) -> Journal {
    let options = Options { segment_bytes: 4_096, ..Options::default() };
    Journal::open(&store.folder.path().join("journal"), options).unwrap()
}

/// Ends a journal as the death of its process does, and opens it again.
fn reopen(store: &Store, journal: Journal) -> Journal {
    journal.close();
    drop(journal);
    let options = Options { segment_bytes: 4_096, ..Options::default() };
    loop {
        if let Ok(journal) = Journal::open(&store.folder.path().join("journal"), options) {
            return journal;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn an_attempt_without_an_end_costs_what_was_held_for_it_once() {
    let store = Store::new().await;
    let org = org(1).id;
    let journal = open(&store);
    journal.admit(&Record::Intent(&intent(org, 1, 70_000))).unwrap();
    journal.admit(&Record::Intent(&intent(org, 2, 50_000))).unwrap();
    journal.record(&Record::Request(&request(org, 2)));
    let mut journal = reopen(&store, journal);
    for start in 0..3 {
        let (applier, orphans) = Applier::recover(store.db.clone(), journal.clone()).await.unwrap();
        assert_eq!(orphans, usize::from(start == 0));
        assert_eq!(applier.unapplied_bytes(), 0);
        drop(applier);
        journal = reopen(&store, journal);
    }
    let (first, second) = (request(org, 1).id, request(org, 2).id);
    let expected = [
        (attempt_of(first, 1), "charge", nano(70_000), UsageSource::HoldAssumed.as_str().to_owned()),
        (attempt_of(second, 1), "charge", nano(20_000), UsageSource::ProviderFinal.as_str().to_owned()),
    ];
    assert_eq!(rows(&store.db, org).await, expected);
    assert_eq!(store.db.verify().await.unwrap().differences, []);
    let records = store.db.latest_requests(org, 10).await.unwrap();
    assert_eq!(records[1]["outcome"], "crashed");
    journal.close();
}

#[tokio::test]
async fn a_journal_that_was_deleted_is_followed_from_its_new_beginning() {
    let store = Store::new().await;
    let org = org(1).id;
    let applied = store::journal::Position { segment: 9, offset: 77 };
    store.db.apply(&[request(org, 1)], applied).await.unwrap();
    let first_segment = store.db.journal_position().await.unwrap().segment + 1;
    let options = Options { first_segment, ..Options::default() };
    let journal = Journal::open(&store.folder.path().join("journal"), options).unwrap();
    journal.record(&Record::Request(&request(org, 2)));
    let (applier, orphans) = Applier::recover(store.db.clone(), journal.clone()).await.unwrap();
    assert_eq!((orphans, applier.unapplied_bytes()), (0, 0));
    assert_eq!(rows(&store.db, org).await.len(), 2, "what is written now is newer than what was applied");
    journal.close();
}

#[tokio::test]
async fn a_call_that_ends_while_it_is_written_again_is_over() {
    let store = Store::new().await;
    let org = org(1).id;
    let journal = open(&store);
    let (mut applier, _) = Applier::recover(store.db.clone(), journal.clone()).await.unwrap();
    let long = intent(org, 0, 70_000);
    journal.admit(&Record::Intent(&long)).unwrap();
    let checkpoint = Checkpoint { attempt: long.attempt, held: nano(90_000), output_tokens: 7 };
    journal.record(&Record::Checkpoint(&checkpoint));
    let mut has_ended = false;
    for n in 1..30 {
        journal.admit(&Record::Intent(&intent(org, n, 50_000))).unwrap();
        journal.record(&Record::Request(&request(org, n)));
        let batch = applier.gather().unwrap();
        if !has_ended && journal.end().segment > journal.beginning().segment {
            // Committing lets the old segment go, for which the call is written again: behind its end.
            journal.record(&Record::Request(&request(org, 0)));
            has_ended = true;
        }
        applier.commit(&batch).await.unwrap();
    }
    assert!(has_ended);
    assert_eq!(applier.open_intents(), 0);
    assert_eq!(store.db.verify().await.unwrap().differences, []);
    journal.close();
}

#[tokio::test]
async fn a_long_call_outlives_the_segment_it_began_in() {
    let store = Store::new().await;
    let org = org(1).id;
    let journal = open(&store);
    let (mut applier, _) = Applier::recover(store.db.clone(), journal.clone()).await.unwrap();
    journal.admit(&Record::Intent(&intent(org, 0, 70_000))).unwrap();
    for n in 1..100 {
        journal.admit(&Record::Intent(&intent(org, n, 50_000))).unwrap();
        journal.record(&Record::Request(&request(org, n)));
        let batch = applier.gather().unwrap();
        applier.commit(&batch).await.unwrap();
    }
    assert_eq!(applier.open_intents(), 1);
    assert!(journal.beginning().segment > 3, "old segments are gone: {:?}", journal.beginning());
    drop(applier);
    let journal = reopen(&store, journal);
    let (applier, orphans) = Applier::recover(store.db.clone(), journal.clone()).await.unwrap();
    assert_eq!((orphans, applier.open_intents()), (1, 0));
    let rows = rows(&store.db, org).await;
    assert_eq!((rows.len(), rows[0].2), (100, nano(70_000)));
    assert_eq!(store.db.verify().await.unwrap().differences, []);
    journal.close();
}
