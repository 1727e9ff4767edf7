//! Who has a key, and what was answered under it.

use crate::support::*;
use bytes::Bytes;
use domain::record::Operation;
use domain::{Claim, Fingerprint, IdempotencyKey, RequestId, Timestamp};
use store::{IdempotencyStep, StoredAnswer, Taken, TakenState};

const HOUR: i64 = 3_600_000;

fn claim(n: u8, time: Timestamp) -> Claim {
    Claim {
        key: IdempotencyKey::new(key_id(), Operation::Messages, b"a").unwrap(),
        fingerprint: Fingerprint::of(&[b"body"]),
        request: RequestId::from_parts(time, [n; 10]),
        org: org(1).id,
        at: time,
    }
}

async fn take(store: &Store, claim: Claim, now: Timestamp) -> Option<Taken> {
    store.db.idempotency(&[IdempotencyStep::Claim(claim)], now).await.unwrap()[0]
}

fn kept(claim: Claim, answer: Option<StoredAnswer>) -> IdempotencyStep {
    IdempotencyStep::Keep { key: claim.key, request: claim.request, answer }
}

fn answer() -> StoredAnswer {
    let headers = vec![("x-request-id".to_owned(), "req_1".to_owned())];
    StoredAnswer { status: 200, headers, body: Bytes::from_static(b"\x00answer") }
}

#[tokio::test]
async fn a_key_is_claimed_once_even_within_one_transaction() {
    let store = Store::new().await;
    let (first, second) = (claim(1, at(0)), claim(2, at(1)));
    let steps = [IdempotencyStep::Claim(first), IdempotencyStep::Claim(second)];
    let taken = store.db.idempotency(&steps, at(1)).await.unwrap();
    let who = Taken { fingerprint: first.fingerprint, request: first.request, state: TakenState::Running };
    assert_eq!(taken, [None, Some(who)]);
}

#[tokio::test]
async fn an_answer_reads_back_as_it_was_kept() {
    let store = Store::new().await;
    let claim = claim(1, at(0));
    take(&store, claim, at(0)).await;
    assert_eq!(store.db.idempotent_answer(claim.key, claim.request).await.unwrap(), None);
    store.db.idempotency(&[kept(claim, Some(answer()))], at(0)).await.unwrap();
    let again = store.again().await;
    assert_eq!(again.idempotent_answer(claim.key, claim.request).await.unwrap(), Some(answer()));
    assert_eq!(again.idempotent_bytes().await.unwrap(), 7);
    assert_eq!(take(&store, claim, at(0)).await.unwrap().state, TakenState::Answered);
    store.db.idempotency(&[kept(claim, None)], at(0)).await.unwrap();
    assert_eq!(take(&store, claim, at(0)).await.unwrap().state, TakenState::TooLarge);
    assert_eq!(store.db.idempotent_bytes().await.unwrap(), 0);
}

#[tokio::test]
async fn only_who_has_a_key_lets_it_go() {
    let store = Store::new().await;
    let (first, second) = (claim(1, at(0)), claim(2, at(1)));
    take(&store, first, at(0)).await;
    let free = |claim: Claim| IdempotencyStep::Free { key: claim.key, request: claim.request };
    store.db.idempotency(&[free(second)], at(1)).await.unwrap();
    assert!(take(&store, second, at(1)).await.is_some());
    store.db.idempotency(&[free(first)], at(1)).await.unwrap();
    assert_eq!(take(&store, second, at(1)).await, None);
}

#[tokio::test]
async fn a_key_lasts_a_day_and_longer_where_the_clock_goes_back() {
    let store = Store::new().await;
    let first = claim(1, at(100 * HOUR));
    take(&store, first, first.at).await;
    store.db.idempotency(&[kept(first, Some(answer()))], first.at).await.unwrap();
    for now in [at(0), at(99 * HOUR), at(124 * HOUR + 1)] {
        assert!(take(&store, claim(2, now), now).await.is_some(), "{now:?}");
        assert_eq!(store.db.forget_idempotent(Claim::forgotten(now)).await.unwrap(), 0);
    }
    let late = claim(3, at(126 * HOUR));
    assert!(store.db.idempotent_call(first.key, at(124 * HOUR)).await.unwrap().is_some());
    assert_eq!(store.db.idempotent_call(first.key, late.at).await.unwrap(), None);
    assert_eq!(take(&store, late, late.at).await, None);
    // Nothing of the first call is left.
    assert_eq!(store.db.idempotent_bytes().await.unwrap(), 0);
    assert_eq!(store.db.forget_idempotent(late.at).await.unwrap(), 1);
}
