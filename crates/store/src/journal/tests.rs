//! What the journal promises.

use super::record::{Checkpoint, Owned, Texts};
use super::*;
use domain::{AttemptId, Money, RequestId, Timestamp};
use std::os::unix::fs::FileExt;

fn checkpoint(n: u16) -> Checkpoint {
    let request = RequestId::from_parts(Timestamp::from_unix_ms(1_000), [7; 10]);
    Checkpoint { attempt: AttemptId { request, number: n }, held: Money::from_nano(5), output_tokens: 1 }
}

fn small() -> Options {
    Options { segment_bytes: 256, ..Options::default() }
}

/// Everything from a position on.
fn all(journal: &Journal, from: Position) -> Vec<Owned> {
    let mut reader = journal.reader(from);
    let mut found = Vec::new();
    loop {
        let chunk = reader.read_on().unwrap();
        if chunk.is_empty() {
            return found;
        }
        found.extend(chunk.frames().map(|(payload, _)| Owned::read(payload, &mut Texts::default()).unwrap()));
    }
}

fn expected(numbers: impl IntoIterator<Item = u16>) -> Vec<Owned> {
    numbers.into_iter().map(|n| Owned::Checkpoint(checkpoint(n))).collect()
}

#[test]
fn records_come_back_in_order_over_many_segments_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    for n in 1..=20 {
        journal.record(&Record::Checkpoint(&checkpoint(n)));
    }
    assert!(journal.end().segment > 2, "{:?}", journal.end());
    drop_journal(journal);
    let journal = reopened(folder.path(), small());
    journal.admit(&Record::Checkpoint(&checkpoint(21))).unwrap();
    assert_eq!(all(&journal, journal.beginning()), expected(1..=21));
    journal.close();
}

/// Ends a journal and waits until its folder is free.
/// Opens a journal again that was dropped: its lock goes a moment after its last owner.
fn reopened(folder: &Path, options: Options) -> Journal {
    loop {
        match Journal::open(folder, options) {
            Err(JournalError::Taken(_)) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

fn drop_journal(journal: Journal) {
    let shared = Arc::downgrade(&journal.shared);
    journal.close();
    drop(journal);
    while shared.strong_count() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_second_process_is_kept_away() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    assert!(matches!(Journal::open(folder.path(), small()), Err(JournalError::Taken(_))));
    journal.close();
}

#[test]
fn a_torn_tail_hides_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default();
    let journal = Journal::open(folder.path(), options).unwrap();
    for n in 1..=3 {
        journal.record(&Record::Checkpoint(&checkpoint(n)));
    }
    let end = journal.end();
    drop_journal(journal);
    // The machine lost power while the third was written: its second half never came.
    let file = File::options().write(true).open(segment::path(folder.path(), end.segment)).unwrap();
    file.write_all_at(&[0; 20], end.offset - 20).unwrap();
    let journal = reopened(folder.path(), options);
    journal.record(&Record::Checkpoint(&checkpoint(4)));
    assert_eq!(all(&journal, journal.beginning()), expected([1, 2, 4]));
    journal.close();
}

#[test]
fn forgotten_segments_are_gone_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    for n in 1..=20 {
        journal.record(&Record::Checkpoint(&checkpoint(n)));
    }
    let middle = 3;
    let kept = all(&journal, Position { segment: middle, offset: 0 });
    journal.forget_before(middle);
    assert_eq!(journal.beginning().segment, middle);
    assert_eq!(segment::list(folder.path()).unwrap().first(), Some(&middle));
    assert_eq!(all(&journal, journal.beginning()), kept);
    journal.close();
}

#[test]
fn nothing_waits_in_a_journal_that_has_just_begun() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { first_segment: 7, ..small() };
    let journal = Journal::open(folder.path(), options).unwrap();
    assert_eq!(journal.bytes_from(Position::default()), 0);
    journal.record(&Record::Checkpoint(&checkpoint(1)));
    let written = journal.bytes_from(Position::default());
    assert!((1..256).contains(&written), "{written}");
    assert_eq!(journal.bytes_from(journal.end()), 0);
    drop_journal(journal);
}

#[test]
fn a_journal_that_is_too_long_takes_no_new_calls_until_it_is_shorter() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { bytes_max: 1024, ..small() };
    let journal = reopened(folder.path(), options);
    let mut n = 0;
    while !journal.is_full() && n < 10_000 {
        n += 1;
        // What runs may still end.
        journal.record(&Record::Checkpoint(&checkpoint(n)));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(matches!(journal.admit(&Record::Checkpoint(&checkpoint(1))), Err(JournalError::Full)));
    assert_eq!(all(&journal, journal.beginning()), expected(1..=n), "nothing is lost meanwhile");
    journal.forget_before(journal.end().segment);
    for _ in 0..5_000 {
        if !journal.is_full() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(journal.admit(&Record::Checkpoint(&checkpoint(1))).is_ok());
    journal.close();
}

#[tokio::test]
async fn strict_records_wait_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), Options { sync: Sync::Strict, ..Options::default() }).unwrap();
    let position = journal.admit(&Record::Checkpoint(&checkpoint(1))).unwrap();
    journal.settled(position).await.unwrap();
    assert!(*journal.shared.synced.borrow() >= position);
    journal.close();
}

#[test]
fn segments_that_fill_faster_than_they_are_made_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for n in 0..150 {
                    journal.admit(&Record::Checkpoint(&checkpoint(thread * 150 + n))).unwrap();
                }
            });
        }
    });
    let mut found = all(&journal, journal.beginning());
    found.sort_by_key(|record| match record {
        Owned::Checkpoint(checkpoint) => checkpoint.attempt.number,
        Owned::Intent(..) | Owned::Ended(..) | Owned::Request(_) => unreachable!(),
    });
    assert_eq!(found, expected(0..600));
    journal.close();
}

fn intent() -> Intent {
    Intent {
        attempt: checkpoint(1).attempt,
        at: Timestamp::from_unix_ms(1_000),
        org: domain::OrgId::from_bytes([1; 16]),
        key: domain::KeyId::from_bytes([2; 16]),
        scopes: Arc::from([]),
        operation: domain::record::Operation::Messages,
        model_requested: "p/m".into(),
        provider: "p".into(),
        model: "m".into(),
        is_stream: false,
        held: Money::from_nano(7),
        is_unpriced: false,
    }
}

/// A request that cost something, with a warning of so many bytes.
fn request(warning_bytes: usize) -> domain::RequestRecord {
    let intent = intent();
    domain::RequestRecord {
        warnings: vec!["w".repeat(warning_bytes)],
        attempts: vec![intent.assumed(domain::record::Outcome::Internal, "cut")],
        ..crate::apply::crashed(&intent, Vec::new())
    }
}

/// Bytes of a request's frame beside its warning; the warning's length takes four, as it does from 2^21 on.
fn bytes_beside_warning() -> usize {
    let mut payload = Vec::new();
    Record::Request(&request(1 << 21)).write(&mut payload);
    frame::HEAD + payload.len() - (1 << 21)
}

#[test]
fn a_record_that_fits_no_segment_is_written_without_its_texts() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::default();
    let journal = Journal::open(folder.path(), options).unwrap();
    let longest = usize::try_from(options.segment_bytes).unwrap() - bytes_beside_warning();
    let fits = |bytes: usize| bytes <= longest;
    let lengths = [longest - 1, longest, longest + 1, longest + 8, longest + 9, longest + (1 << 20)];
    for bytes in lengths {
        journal.record(&Record::Request(&request(bytes)));
        assert_eq!(journal.stranded(), 0, "{bytes}");
    }
    let expected: Vec<Owned> = lengths
        .map(|bytes| match fits(bytes) {
            true => request(bytes),
            false => request(bytes).without_texts(),
        })
        .map(|request| Owned::Request(Box::new(request)))
        .into();
    assert!(all(&journal, journal.beginning()) == expected);
    assert_eq!(request(longest + 1).without_texts().cost(), Money::from_nano(7));
    journal.close();
}

#[test]
fn an_end_that_fits_no_segment_is_written_without_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    let mut ended = request(1).attempts.remove(0);
    ended.error = "e".repeat(1_000);
    let attempt = checkpoint(1).attempt;
    journal.record(&Record::Ended(attempt, &ended));
    assert_eq!(journal.stranded(), 0);
    ended.error.clear();
    assert_eq!(all(&journal, journal.beginning()), [Owned::Ended(attempt, Box::new(ended))]);
    journal.close();
}

#[test]
fn a_call_whose_beginning_fits_no_segment_is_refused_and_others_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path(), small()).unwrap();
    let intent = Intent { model_requested: "m".repeat(1_000).into(), ..intent() };
    assert!(matches!(journal.admit(&Record::Intent(&intent)), Err(JournalError::Full)));
    assert!(!journal.is_full());
    journal.admit(&Record::Checkpoint(&checkpoint(1))).unwrap();
    journal.close();
}
