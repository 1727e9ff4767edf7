//! Records of the journal, as the journal itself writes them.

use domain::record::{Metadata, Operation, Outcome};
use domain::{
    AttemptId, AttemptRecord, KeyId, Money, OrgId, RequestId, RequestRecord, Scope, Timestamp, Usage,
    UsageSource,
};
use std::borrow::Cow;
use std::io;
use store::Journal;
use store::journal::record::Checkpoint;
use store::journal::{Intent, Options, Record};

const AT: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// The payload of one record of each kind.
pub fn records() -> io::Result<Vec<Vec<u8>>> {
    let folder = std::env::temp_dir().join(format!("fuzz-journal-{}", std::process::id()));
    let written = write(&folder).map_err(io::Error::other);
    std::fs::remove_dir_all(&folder)?;
    written
}

fn write(folder: &std::path::Path) -> Result<Vec<Vec<u8>>, store::JournalError> {
    let journal = Journal::open(folder, Options { segment_bytes: 1 << 20, ..Options::default() })?;
    let attempt = AttemptId { request: RequestId::from_parts(AT, [7; 10]), number: 1 };
    let ended = attempt_record();
    journal.record(&Record::Intent(&intent(attempt)));
    journal.record(&Record::Checkpoint(&Checkpoint {
        attempt,
        held: Money::from_nano(5),
        output_tokens: 2_048,
    }));
    journal.record(&Record::Ended(attempt, &ended));
    journal.record(&Record::Request(&request(attempt.request, vec![ended.clone(), ended])));
    let mut reader = journal.reader(journal.beginning());
    let mut payloads = Vec::new();
    loop {
        let chunk = reader.read_on()?;
        if chunk.is_empty() {
            break;
        }
        payloads.extend(chunk.frames().map(|(payload, _)| payload.to_vec()));
    }
    journal.close();
    Ok(payloads)
}

fn scopes() -> std::sync::Arc<[Scope]> {
    let (org, key) = (OrgId::from_parts(AT, [1; 10]), KeyId::from_parts(AT, [2; 10]));
    [Scope::Organization(org), Scope::Key(key)].into()
}

fn intent(attempt: AttemptId) -> Intent {
    Intent {
        attempt,
        at: AT,
        org: OrgId::from_parts(AT, [1; 10]),
        key: KeyId::from_parts(AT, [2; 10]),
        scopes: scopes(),
        operation: Operation::ChatCompletions,
        model_requested: "a/b".into(),
        provider: "a".into(),
        model: "b".into(),
        is_stream: true,
        held: Money::from_nano(1_000_000),
        is_unpriced: false,
    }
}

fn attempt_record() -> AttemptRecord {
    AttemptRecord {
        provider: "a".into(),
        model: "b".into(),
        is_byok: false,
        status: 200,
        outcome: Outcome::ClientGone,
        error: "cannot connect".to_owned(),
        started_at: AT,
        duration_us: 1_234_567,
        first_token_us: 234_567,
        usage: Usage { input: 1_000, cache_read: 20, output: 300, ..Usage::ZERO },
        usage_source: UsageSource::Estimate,
        cost: Money::from_nano(123_456),
        held: Money::from_nano(1_000_000),
        is_unpriced: false,
    }
}

fn request(id: RequestId, attempts: Vec<AttemptRecord>) -> RequestRecord {
    let metadata = Metadata {
        tags: vec!["one".to_owned(), "two".to_owned()],
        user_id: "someone".to_owned(),
        extra: vec![("a".to_owned(), "b".to_owned())],
        ..Metadata::default()
    };
    RequestRecord {
        id,
        org: OrgId::from_parts(AT, [1; 10]),
        key: KeyId::from_parts(AT, [2; 10]),
        scopes: scopes(),
        operation: Operation::Messages,
        at: AT,
        model_requested: "a/b".into(),
        status: 200,
        outcome: Outcome::Success,
        error_code: Cow::Borrowed(""),
        is_stream: true,
        finish_reason: "stop".into(),
        duration_us: 2_345_678,
        first_token_us: 345_678,
        response_id: "chatcmpl-1".to_owned(),
        tool_calls: vec!["look_up".to_owned()],
        warnings: vec!["unknown fields: dropped: x".to_owned()],
        metadata: Some(Box::new(metadata)),
        attempts,
    }
}
