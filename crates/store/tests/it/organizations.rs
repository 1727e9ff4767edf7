//! Organizations.

use crate::support::*;

#[tokio::test]
async fn there_is_none_at_first() {
    assert_eq!(Store::new().await.db.first_organization().await.unwrap(), None);
}

#[tokio::test]
async fn the_oldest_is_the_first() {
    let store = Store::new().await;
    store.db.insert_organization(&org(1), at(20)).await.unwrap();
    store.db.insert_organization(&org(2), at(10)).await.unwrap();
    assert_eq!(store.db.first_organization().await.unwrap(), Some(org(2)));
}

#[tokio::test]
async fn one_is_not_made_twice() {
    let store = Store::new().await;
    store.db.insert_organization(&org(1), at(20)).await.unwrap();
    assert!(store.db.insert_organization(&org(1), at(20)).await.is_err());
}
