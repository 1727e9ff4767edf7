//! Rows that do not hold what their columns promise.

use crate::support::*;
use store::{Db, StoreError};

async fn with_key() -> Store {
    let store = Store::new().await;
    let org = org(1);
    store.db.insert_organization(&org, at(1)).await.unwrap();
    store.db.insert_key(&key(org.id, 1)).await.unwrap();
    store
}

fn column(error: StoreError) -> String {
    let StoreError::Corrupt { table, column, .. } = error else {
        panic!("another error was expected: {error:?}");
    };
    format!("{table}.{column}")
}

#[tokio::test]
async fn a_corrupt_key_is_told_by_its_column() {
    for (statement, place) in [
        ("UPDATE api_keys SET hash = x'00'", "api_keys.hash"),
        ("UPDATE api_keys SET id = 'key_short'", "api_keys.id"),
    ] {
        let store = with_key().await;
        store.damage(statement).await;
        assert_eq!(column(store.db.keys().await.unwrap_err()), place);
        assert_eq!(column(store.db.snapshot().await.unwrap_err()), place);
    }
}

#[tokio::test]
async fn a_corrupt_organization_is_told_by_its_column() {
    let store = Store::new().await;
    store.db.insert_organization(&org(1), at(1)).await.unwrap();
    store.damage("UPDATE organizations SET id = 'nonsense'").await;
    assert_eq!(column(store.db.first_organization().await.unwrap_err()), "organizations.id");
}

#[tokio::test]
async fn a_corrupt_request_is_told_by_its_column() {
    for (statement, place) in [
        ("UPDATE requests SET tags = '{'", "requests.tags"),
        ("UPDATE requests SET attempts = 'x'", "requests.attempts"),
        ("UPDATE requests SET extra = ''", "requests.extra"),
    ] {
        let store = Store::new().await;
        let record = request(org(1).id, 1);
        store.write(std::slice::from_ref(&record)).await;
        store.damage(statement).await;
        assert_eq!(column(store.db.latest_requests(record.org, 1).await.unwrap_err()), place);
        assert_eq!(column(store.db.request(record.org, &record.id.to_string()).await.unwrap_err()), place);
    }
}

#[tokio::test]
async fn a_column_of_another_kind_is_an_error_and_no_panic() {
    let store = Store::new().await;
    store.write(&[request(org(1).id, 1)]).await;
    store.damage("UPDATE request_shapes SET status = x'ff'").await;
    assert!(store.db.latest_requests(org(1).id, 1).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    std::fs::write(&path, "this is not a database, and long enough to be read as a header of one").unwrap();
    let error = Db::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. } | StoreError::Migrate(_)), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let error = Db::open(&folder.path().join("nowhere").join("test.db")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let store = Store::new().await;
    store
        .damage(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (999999, 'from the future', true, x'00', 0)",
        )
        .await;
    let error = Db::open(&store.folder.path().join("test.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(_)), "{error:?}");
}
