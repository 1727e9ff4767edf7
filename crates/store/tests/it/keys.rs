//! Keys, and the generation that tells of their changes.

use crate::support::*;
use domain::KeyState;
use store::StoreError;

#[tokio::test]
async fn a_key_is_read_as_it_was_written() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let mut expiring = key(org.id, 2);
    expiring.state = KeyState::Active { expires_at: Some(at(9_999)) };
    let keys = [key(org.id, 1), expiring];
    for key in &keys {
        store.db.insert_key(key).await.unwrap();
    }
    assert_eq!(store.db.keys().await.unwrap(), keys, "oldest first");
}

#[tokio::test]
async fn two_keys_with_one_secret_are_a_conflict() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    store.db.insert_key(&key(org.id, 1)).await.unwrap();
    let generation = store.db.generation().await.unwrap();
    let mut twin = key(org.id, 2);
    twin.hash = key(org.id, 1).hash;
    assert!(matches!(store.db.insert_key(&twin).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.db.keys().await.unwrap().len(), 1);
    assert_eq!(store.db.generation().await.unwrap(), generation, "nothing has changed");
}

#[tokio::test]
async fn a_deleted_keys_secret_stays_taken() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let deleted = key(org.id, 1);
    store.db.insert_key(&deleted).await.unwrap();
    store.db.delete_key(deleted.id, at(5)).await.unwrap();
    let mut twin = key(org.id, 2);
    twin.hash = deleted.hash;
    assert!(matches!(store.db.insert_key(&twin).await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn a_key_of_no_organization_is_refused() {
    let store = Store::new().await;
    assert!(matches!(store.db.insert_key(&key(org(1).id, 1)).await, Err(StoreError::Sql(_))));
}

#[tokio::test]
async fn every_change_raises_the_generation_for_all_handles() {
    let store = Store::new().await;
    let other = store.again().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let mut known = other.generation().await.unwrap();
    let first = key(org.id, 1);
    store.db.insert_key(&first).await.unwrap();
    assert!(other.generation().await.unwrap() > known);
    known = other.generation().await.unwrap();
    store.db.delete_key(first.id, at(5)).await.unwrap();
    assert!(other.generation().await.unwrap() > known);
}

#[tokio::test]
async fn a_key_is_deleted_once() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let (first, second) = (key(org.id, 1), key(org.id, 2));
    store.db.insert_key(&first).await.unwrap();
    assert!(store.db.delete_key(first.id, at(5)).await.unwrap());
    assert!(!store.db.delete_key(first.id, at(6)).await.unwrap());
    assert!(!store.db.delete_key(second.id, at(6)).await.unwrap());
    assert_eq!(store.db.keys().await.unwrap()[0].state, KeyState::Deleted { at: at(5) });
}

#[tokio::test]
async fn a_snapshot_finds_keys_by_their_digest() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let (first, second) = (key(org.id, 1), key(org.id, 2));
    store.db.insert_key(&first).await.unwrap();
    let snapshot = store.db.snapshot().await.unwrap();
    assert_eq!(snapshot.generation, store.db.generation().await.unwrap());
    assert_eq!(snapshot.key(&first.hash), Some(&first));
    assert_eq!(snapshot.key(&second.hash), None);
    store.db.delete_key(first.id, at(5)).await.unwrap();
    let snapshot = store.db.snapshot().await.unwrap();
    assert!(!snapshot.key(&first.hash).unwrap().is_usable(at(6)));
}

#[tokio::test]
async fn what_was_written_survives_a_restart() {
    let Store { db, folder } = Store::new().await;
    let org = org(1);
    db.insert_organization(&org, at(1)).await.unwrap();
    db.insert_key(&key(org.id, 1)).await.unwrap();
    let generation = db.generation().await.unwrap();
    db.apply(&[request(org.id, 1)], store::journal::Position::default()).await.unwrap();
    db.close().await;
    let db = store::Db::open(&folder.path().join("test.db")).await.unwrap();
    assert_eq!(db.keys().await.unwrap(), [key(org.id, 1)]);
    assert_eq!(db.generation().await.unwrap(), generation);
    assert_eq!(db.latest_requests(org.id, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn handles_that_write_at_once_wait_for_each_other() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (db, key) = (store.again().await, key(org.id, n));
        writers.spawn(async move { db.insert_key(&key).await.unwrap() });
    }
    writers.join_all().await;
    assert_eq!(store.db.keys().await.unwrap().len(), 20);
}

#[tokio::test]
async fn an_end_can_be_moved_until_it_has_come() {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    let key = key(org.id, 1);
    store.db.insert_key(&key).await.unwrap();
    assert!(store.db.set_key_expiry(key.id, Some(at(10)), at(5)).await.unwrap());
    assert!(store.db.set_key_expiry(key.id, Some(at(20)), at(9)).await.unwrap());
    assert!(!store.db.set_key_expiry(key.id, None, at(20)).await.unwrap(), "an end is final");
    assert!(store.db.set_key_expiry(key.id, None, at(19)).await.unwrap());
    store.db.delete_key(key.id, at(30)).await.unwrap();
    assert!(!store.db.set_key_expiry(key.id, None, at(31)).await.unwrap());
    assert_eq!(store.db.keys_of(org.id).await.unwrap(), [], "a deleted key is not listed");
}
