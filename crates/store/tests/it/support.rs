//! A store in a folder of its own, and things to put into it.

use domain::record::{AttemptRecord, Operation, Outcome, RequestRecord};
use domain::{
    ApiKey, KeyHash, KeyId, KeyState, Money, OrgId, Organization, RequestId, Scope, Timestamp, Usage,
    UsageSource,
};
use store::Db;
use store::journal::Position;
use tempfile::TempDir;

/// A store that goes away with its folder.
pub struct Store {
    pub db: Db,
    pub folder: TempDir,
}

impl Store {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("test.db")).await.unwrap();
        Self { db, folder }
    }

    /// Another handle on the same database, as another process has one.
    pub async fn again(&self) -> Db {
        Db::open(&self.folder.path().join("test.db")).await.unwrap()
    }

    /// Writes finished requests.
    pub async fn write(&self, records: &[Box<RequestRecord>]) {
        self.db.apply(records, Position::default()).await.unwrap();
    }

    /// Runs a statement behind the store's back.
    pub async fn damage(&self, statement: &'static str) {
        let path = self.folder.path().join("test.db");
        let pool = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
        let done = sqlx::query(statement).execute(&pool).await.unwrap();
        assert!(done.rows_affected() > 0, "nothing was damaged");
        pool.close().await;
    }
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

pub fn org(n: u8) -> Organization {
    Organization { id: OrgId::from_parts(at(1_000), [n; 10]), name: format!("org {n}") }
}

/// An active key with a secret of its own.
pub fn key(org: OrgId, n: u8) -> ApiKey {
    ApiKey {
        id: KeyId::from_parts(at(1_000 + i64::from(n)), [n; 10]),
        org,
        name: format!("key {n}"),
        display: "sbx_012345".to_owned(),
        hash: KeyHash([n; 32]),
        state: KeyState::Active { expires_at: None },
        permissions: domain::Permissions::default(),
        scopes: Vec::new(),
        labels: Vec::new(),
        created_at: at(1_000 + i64::from(n)),
    }
}

pub fn attempt(outcome: Outcome) -> AttemptRecord {
    AttemptRecord {
        provider: "openai".into(),
        model: "m".into(),
        is_byok: false,
        status: 200,
        outcome,
        error: String::new(),
        started_at: at(2_000),
        duration_us: 1_500,
        first_token_us: 500,
        usage: Usage { input: 10, output: 5, ..Usage::ZERO },
        usage_source: UsageSource::ProviderFinal,
        cost: Money::from_nano(20_000),
        held: Money::from_nano(50_000),
        is_unpriced: false,
    }
}

/// The key of all requests.
pub fn key_id() -> KeyId {
    KeyId::from_parts(at(1_000), [1; 10])
}

/// A request that succeeded at once; later numbers are later requests.
pub fn request(org: OrgId, n: u16) -> Box<RequestRecord> {
    let time = at(2_000 + i64::from(n));
    let [high, low] = n.to_be_bytes();
    Box::new(RequestRecord {
        id: RequestId::from_parts(time, [high, low, 0, 0, 0, 0, 0, 0, 0, 0]),
        org,
        key: key_id(),
        scopes: [Scope::Organization(org), Scope::Key(key_id())].into(),
        operation: Operation::ChatCompletions,
        at: time,
        model_requested: "openai/m".into(),
        status: 200,
        outcome: Outcome::Success,
        error_code: "".into(),
        is_stream: true,
        finish_reason: "stop".into(),
        duration_us: 1_234_567,
        first_token_us: 2_500,
        response_id: String::new(),
        tool_calls: Vec::new(),
        warnings: Vec::new(),
        metadata: None,
        attempts: vec![attempt(Outcome::Success)],
    })
}
