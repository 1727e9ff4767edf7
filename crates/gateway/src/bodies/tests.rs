//! That the budget is kept, given back whatever happens, and not used up by long bodies alone.

use super::*;
use proptest::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Builder;

const MIB: u64 = 1024 * 1024;
const LONG_WAIT: Duration = Duration::from_secs(3_600);

fn bodies(wait: Duration) -> Bodies {
    Bodies::new(Bounds { bytes: 16 * MIB, longest: 8 * MIB, waiting: 4, wait })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

async fn admit(bodies: &Bodies, bytes: u64) -> Result<Option<Share>, Shed> {
    bodies.admit(&SizeHint::with_exact(bytes)).await
}

#[test]
fn short_bodies_unknown_ones_and_those_that_are_not_read_take_nothing() {
    run(async {
        let bodies = bodies(Duration::ZERO);
        for bytes in [0, 1024, FREE, 8 * MIB + 1, u64::MAX] {
            assert!(admit(&bodies, bytes).await.unwrap().is_none(), "{bytes}");
        }
        assert!(bodies.admit(&SizeHint::new()).await.unwrap().is_none());
        assert_eq!(bodies.taken(), 0);
    });
}

#[test]
fn what_does_not_fit_waits_and_is_shed() {
    run(async {
        let bodies = bodies(Duration::from_millis(5));
        let first = admit(&bodies, 8 * MIB).await.unwrap();
        let mut second = pin!(admit(&bodies, 8 * MIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Ok(Some(_)))));
        // The second went with what its future gave.
        let kept = admit(&bodies, 8 * MIB).await.unwrap();
        assert_eq!(admit(&bodies, 8 * MIB).await.unwrap_err(), Shed);
        assert_eq!(bodies.taken(), 8 * MIB);
        drop(kept);
        assert_eq!((bodies.taken(), bodies.waiting.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn long_bodies_that_wait_keep_no_others_waiting() {
    run(async {
        let bodies = bodies(LONG_WAIT);
        let _long = admit(&bodies, 8 * MIB).await.unwrap();
        let mut waiting = pin!(admit(&bodies, 8 * MIB));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        for _ in 0..4 {
            assert!(admit(&bodies, MIB).await.unwrap().is_some());
        }
    });
}

#[test]
fn no_more_wait_than_may() {
    run(async {
        let bodies = bodies(LONG_WAIT);
        let _long = admit(&bodies, 8 * MIB).await.unwrap();
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(admit(&bodies, 8 * MIB))).collect();
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.iter_mut().all(|future| future.as_mut().poll(&mut context).is_pending()));
        // At once: nothing here would end its wait.
        assert_eq!(admit(&bodies, 8 * MIB).await.unwrap_err(), Shed);
        waiting.clear();
        assert_eq!(bodies.waiting.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_body_of_unknown_length_grows_and_gives_back_what_it_did_not_need() {
    run(async {
        let bodies = bodies(Duration::ZERO);
        let mut share = None;
        bodies.extend(&mut share, FREE).await.unwrap();
        assert!(share.is_none());
        for bytes in [FREE + 1, MIB, MIB + 1, 5 * MIB] {
            bodies.extend(&mut share, bytes).await.unwrap();
            assert_eq!(bodies.taken(), bytes.next_multiple_of(MIB));
        }
        let other = admit(&bodies, 7 * MIB).await.unwrap();
        assert_eq!(bodies.extend(&mut share, 5 * MIB + 1).await, Err(Shed));
        let held = Held::new(vec![0; 100 * 1024], share);
        assert_eq!(bodies.taken(), 7 * MIB + 100 * 1024);
        drop((held, other));
        assert_eq!(bodies.taken(), 0);
    });
}

#[test]
fn a_share_lasts_as_long_as_the_last_byte() {
    run(async {
        let bodies = bodies(Duration::ZERO);
        let mut held = Held::new(vec![7; 2 * MIB as usize], admit(&bodies, 2 * MIB).await.unwrap());
        let slice = held.bytes.slice(5..6);
        held.let_go();
        let replaced = held.replaced_by(vec![8; 10]);
        assert_eq!((bodies.taken(), &replaced[..2]), (2 * MIB, &[8, 8][..]));
        drop(replaced);
        assert_eq!(bodies.taken(), 2 * MIB);
        drop(slice);
        assert_eq!(bodies.taken(), 0);
    });
}

#[test]
fn a_body_that_becomes_longer_takes_another_share_and_gives_back_both() {
    run(async {
        for before in [0, 100 * 1024] {
            let bodies = bodies(Duration::ZERO);
            let held = Held::new(vec![7; 200 * 1024], admit(&bodies, before).await.unwrap());
            assert_eq!((held.share_bytes(), bodies.taken()), (before, before));
            let mut more = None;
            bodies.extend(&mut more, 3 * MIB - before).await.unwrap();
            let held = held.with(vec![8; 3 * MIB as usize], more);
            assert_eq!((held.share_bytes(), bodies.taken()), (3 * MIB, 3 * MIB));
            let bytes = held.bytes.slice(..1);
            drop(held);
            assert_eq!(bodies.taken(), 3 * MIB, "a slice keeps both");
            drop(bytes);
            assert_eq!(bodies.taken(), 0);
        }
    });
}

#[test]
fn a_closed_budget_sends_away_who_waits_and_who_comes() {
    run(async {
        let bodies = bodies(LONG_WAIT);
        let held = admit(&bodies, 8 * MIB).await.unwrap();
        let mut waiting = pin!(admit(&bodies, 8 * MIB));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        bodies.close();
        assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Ready(Err(Shed))));
        assert_eq!(admit(&bodies, FREE + 1).await.unwrap_err(), Shed);
        // What came before goes on.
        drop(held);
        assert_eq!(bodies.taken(), 0);
    });
}

#[test]
fn settings_whose_longest_body_finds_no_place_are_told() {
    let bounds = |bytes, longest| Bounds { bytes, longest, waiting: 1, wait: Duration::ZERO };
    assert!(bounds(256 * MIB, 32 * MIB).is_sound() && bounds(16 * MIB, 12 * MIB).is_sound());
    assert!(!bounds(16 * MIB, 12 * MIB + 1).is_sound() && !bounds(0, 1).is_sound());
}

proptest! {
    #[test]
    fn no_byte_is_lost_or_given_twice(steps in proptest::collection::vec((0..3_u8, 1..9_000_000_u64), 0..60)) {
        run(async {
            let bodies = bodies(Duration::ZERO);
            let mut held: Vec<Share> = Vec::new();
            let mut growing = None;
            for (step, bytes) in steps {
                match step {
                    0 => held.extend(admit(&bodies, bytes).await.ok().flatten()),
                    1 if !held.is_empty() => drop(held.remove(bytes as usize % held.len())),
                    _ if bodies.extend(&mut growing, bytes).await.is_err() => held.extend(growing.take()),
                    _ => {}
                }
                assert_eq!(bodies.taken(), held.iter().chain(&growing).map(Share::bytes).sum::<u64>());
                assert!(bodies.taken() <= 16 * MIB);
            }
            drop((held, growing));
            assert_eq!(bodies.taken(), 0);
        });
    }
}
