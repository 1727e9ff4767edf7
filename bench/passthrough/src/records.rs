//! One record for each request, and the SQLite file they go to.

use serde::Deserialize;
use std::time::Duration;
use tokio::sync::mpsc;

/// At most this many records in a transaction, and at most ten transactions a second.
const BATCH_RECORDS_MAX: usize = 2048;
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Deserialize, Clone, Copy, Default)]
pub struct Usage {
    #[serde(alias = "input_tokens", default)]
    pub prompt_tokens: u64,
    #[serde(alias = "output_tokens", default)]
    pub completion_tokens: u64,
}

pub struct Record {
    pub key: u32,
    pub route: u32,
    pub status: u16,
    pub usage: Usage,
    pub duration_us: u64,
}

pub fn open(path: &str) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(path).expect("--db FILE");
    database
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
             CREATE TABLE IF NOT EXISTS usage(id INTEGER PRIMARY KEY, key INT, route INT, status INT,
               tin INT, tout INT, micros INT, at INT DEFAULT (unixepoch()));",
        )
        .expect("the schema");
    database
}

pub fn insert(database: &rusqlite::Connection, record: &Record) {
    let mut statement = database
        .prepare_cached("INSERT INTO usage(key,route,status,tin,tout,micros) VALUES(?,?,?,?,?,?)")
        .expect("the statement");
    let _ = statement.execute((
        record.key,
        record.route,
        record.status,
        record.usage.prompt_tokens,
        record.usage.completion_tokens,
        record.duration_us,
    ));
}

/// Writes what arrives, in batches, until the channel closes.
pub fn write_batches(path: &str, mut records: mpsc::UnboundedReceiver<Record>) {
    let database = open(path);
    let mut batch = Vec::with_capacity(BATCH_RECORDS_MAX);
    while records.blocking_recv_many(&mut batch, BATCH_RECORDS_MAX) > 0 {
        database.execute_batch("BEGIN").expect("a transaction");
        for record in batch.drain(..) {
            insert(&database, &record);
        }
        database.execute_batch("COMMIT").expect("a transaction");
        // Let a batch gather.
        std::thread::sleep(BATCH_INTERVAL);
    }
}
