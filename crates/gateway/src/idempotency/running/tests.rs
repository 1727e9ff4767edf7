//! Who gets in, what they hear, and that nothing is left behind.

use super::*;
use domain::record::Operation;
use domain::{KeyId, OrgId, Timestamp};

const BOUNDS: Bounds = Bounds { answer_bytes_max: 10, memory_bytes_max: 15 };

fn claim(key: &str, body: &[u8], request: u8) -> Claim {
    let at = Timestamp::from_unix_ms(1);
    Claim {
        key: IdempotencyKey::new(KeyId::from_parts(at, [1; 10]), Operation::Messages, key.as_bytes())
            .unwrap(),
        fingerprint: Fingerprint::of(&[body]),
        request: RequestId::from_parts(at, [request; 10]),
        org: OrgId::from_parts(at, [1; 10]),
        at,
    }
}

fn first(registry: &Arc<Registry>, key: &str) -> Running {
    match registry.enter(&claim(key, b"body", 1)) {
        Entrance::First(running) => running,
        Entrance::Running(_) | Entrance::Other(_) => panic!("somebody is there"),
    }
}

fn same(registry: &Arc<Registry>, key: &str) -> watch::Receiver<Progress> {
    match registry.enter(&claim(key, b"body", 2)) {
        Entrance::Running(progress) => progress,
        Entrance::First(_) | Entrance::Other(_) => panic!("nobody is there"),
    }
}

fn head() -> KeptHead {
    KeptHead::of(&http::Response::new(()).into_parts().0)
}

fn heard(progress: &watch::Receiver<Progress>) -> (Vec<u8>, Option<End>) {
    let mut all = Vec::new();
    loop {
        match progress.borrow().after(all.len()) {
            Next::Piece(piece) => all.extend_from_slice(&piece),
            Next::Wait => return (all, None),
            Next::End(end) => return (all, Some(end)),
        }
    }
}

#[test]
fn the_same_call_follows_and_another_is_told_apart() {
    let registry = Arc::new(Registry::new(BOUNDS));
    let running = first(&registry, "a");
    same(&registry, "a");
    let other = registry.enter(&claim("a", b"other body", 3));
    assert!(matches!(other, Entrance::Other(first) if first == claim("a", b"", 1).request));
    first(&registry, "b");
    drop(running);
    assert!(registry.is_empty(), "a key is free when its call has gone");
}

#[test]
fn who_comes_late_hears_everything_from_the_beginning() {
    let registry = Arc::new(Registry::new(BOUNDS));
    let running = first(&registry, "a");
    running.begin(head());
    running.append(b"abc");
    let progress = same(&registry, "a");
    assert!(matches!(heard(&progress), (all, None) if all == b"abc"));
    running.append(b"def");
    running.close(End::Whole);
    drop(running);
    assert!(matches!(heard(&progress), (all, Some(End::Whole)) if all == b"abcdef"));
    assert_eq!(progress.borrow().whole().unwrap().1, "abcdef");
}

#[test]
fn an_answer_that_is_too_large_is_let_go_at_once() {
    let registry = Arc::new(Registry::new(BOUNDS));
    let running = first(&registry, "a");
    running.append(b"0123456789");
    running.append(b"x");
    running.close(End::Whole);
    assert!(matches!(heard(&same(&registry, "a")), (all, Some(End::TooLarge)) if all.is_empty()));
    assert_eq!(registry.bytes.load(Ordering::Relaxed), 0);
    let whole = first(&registry, "b");
    whole.complete(head(), Bytes::from_static(b"0123456789x"));
    assert!(whole.answer().is_none());
}

#[test]
fn all_answers_together_are_bounded_as_long_as_anybody_holds_them() {
    let registry = Arc::new(Registry::new(BOUNDS));
    let (one, two) = (first(&registry, "a"), first(&registry, "b"));
    one.append(b"0123456789");
    two.append(b"012345");
    assert!(matches!(heard(&same(&registry, "b")), (_, Some(End::TooLarge))));
    let progress = same(&registry, "a");
    drop((one, two));
    assert_eq!(registry.bytes.load(Ordering::Relaxed), 10);
    drop(progress);
    assert_eq!(registry.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_place_that_was_left_is_not_taken_from_its_next_holder() {
    let registry = Arc::new(Registry::new(BOUNDS));
    let running = first(&registry, "a");
    running.leave();
    let Entrance::First(next) = registry.enter(&claim("a", b"body", 9)) else { panic!("not free") };
    drop(running);
    assert_eq!(registry.len(), 1);
    drop(next);
    assert!(registry.is_empty());
}
