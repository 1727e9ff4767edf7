//! What rate limits must let through, and what not.

use super::*;
use domain::{KeyId, OrgId, Timestamp};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_secs(600);

fn key() -> Scope {
    Scope::Key(KeyId::from_parts(Timestamp::from_unix_ms(1), [1; 10]))
}

fn org() -> Scope {
    Scope::Organization(OrgId::from_parts(Timestamp::from_unix_ms(1), [1; 10]))
}

fn requests(limit: u32) -> RateLimit {
    RateLimit { requests_per_minute: Some(limit), ..RateLimit::default() }
}

fn tokens(limit: u64) -> RateLimit {
    RateLimit { tokens_per_minute: Some(limit), ..RateLimit::default() }
}

fn concurrent(limit: u32) -> RateLimit {
    RateLimit { concurrent: Some(limit), ..RateLimit::default() }
}

/// Counters, and instants by the milliseconds after their start.
struct Bench {
    rates: Rates,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let rates = Rates::new(LEASE);
        let start = rates.0.start;
        Self { rates, start }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn admit(&self, limits: &[(Scope, RateLimit)], tokens: u64, ms: u64) -> Result<Admission, Exceeded> {
        self.rates.admit(limits, tokens, self.at(ms))
    }

    /// Admits a call that takes exactly what was estimated, at once.
    fn call(&self, limits: &[(Scope, RateLimit)], tokens: u64, ms: u64) -> Result<(), Exceeded> {
        self.admit(limits, tokens, ms).map(|admission| admission.settle(tokens, self.at(ms)))
    }
}

#[test]
fn a_minutes_allowance_goes_at_once_and_the_next_request_waits_its_turn() {
    let bench = Bench::new();
    let limits = [(key(), requests(7))];
    for _ in 0..7 {
        assert_eq!(bench.call(&limits, 0, 0), Ok(()));
    }
    let exceeded = bench.call(&limits, 0, 0).unwrap_err();
    assert_eq!((exceeded.which, exceeded.scope, exceeded.limit), (Which::Requests, key(), 7));
    // A seventh of a minute, rounded up to a nanosecond.
    assert_eq!(exceeded.retry_after, Some(Duration::from_nanos(8_571_428_572)));
    assert!(bench.call(&limits, 0, 8_571).is_err());
    assert_eq!(bench.call(&limits, 0, 8_572), Ok(()));
}

#[test]
fn a_refusal_by_one_limit_consumes_nothing_of_the_others() {
    let bench = Bench::new();
    let both = [(key(), RateLimit { tokens_per_minute: Some(10), ..requests(1) }), (org(), concurrent(1))];
    let running = bench.admit(&both[1..], 0, 0).unwrap();
    assert_eq!(bench.call(&both, 10, 0).unwrap_err().which, Which::Concurrent);
    drop(running);
    assert_eq!(bench.call(&both, 11, 0).unwrap_err().which, Which::Tokens);
    assert_eq!(bench.call(&both, 10, 0), Ok(()), "the request and its tokens are still there");
}

#[test]
fn of_several_reasons_the_one_that_lasts_longest_is_told() {
    let bench = Bench::new();
    let limits = [(key(), requests(60)), (org(), requests(1))];
    assert_eq!(bench.call(&limits, 0, 0), Ok(()));
    let exceeded = bench.call(&limits, 0, 0).unwrap_err();
    assert_eq!((exceeded.scope, exceeded.retry_after), (org(), Some(Duration::from_secs(60))));
}

#[test]
fn a_call_larger_than_the_limit_is_told_not_to_wait() {
    let bench = Bench::new();
    assert_eq!(bench.call(&[(key(), tokens(10))], 11, 0).unwrap_err().retry_after, None);
    assert_eq!(bench.call(&[(key(), requests(0))], 0, 0).unwrap_err().retry_after, None);
    assert_eq!(bench.call(&[(key(), concurrent(0))], 0, 0).unwrap_err().retry_after, None);
}

#[test]
fn tokens_beyond_the_estimate_keep_the_next_call_waiting() {
    let bench = Bench::new();
    let limits = [(key(), tokens(60))];
    bench.admit(&limits, 1, 0).unwrap().settle(120, bench.at(0));
    let exceeded = bench.call(&limits, 1, 0).unwrap_err();
    assert_eq!(exceeded.retry_after, Some(Duration::from_secs(61)));
    assert_eq!(bench.call(&limits, 1, 61_000), Ok(()));
}

#[test]
fn a_call_that_grows_stays_one_request_and_takes_all_its_tokens() {
    let bench = Bench::new();
    let limits = [(key(), RateLimit { tokens_per_minute: Some(60), ..requests(2) }), (org(), tokens(100))];
    let mut admission = bench.admit(&limits, 1, 0).unwrap();
    admission.grow(&limits, 50, bench.at(0)).unwrap();
    let standing = admission.standing();
    assert_eq!(standing.tokens.map(|room| (room.limit, room.remaining)), Some((60, 10)));
    assert_eq!(standing.requests.map(|room| room.remaining), Some(1));
    assert_eq!(bench.call(&limits, 11, 0).unwrap_err().which, Which::Tokens);
    admission.settle(20, bench.at(0));
    assert_eq!(bench.call(&limits, 40, 0), Ok(()), "one request and forty tokens are left");
    assert_eq!(bench.call(&limits, 0, 0).unwrap_err().which, Which::Requests);
}

#[test]
fn a_call_that_cannot_grow_gives_back_what_it_has() {
    let bench = Bench::new();
    let limits = [(org(), tokens(100)), (key(), tokens(60))];
    let mut admission = bench.admit(&limits, 1, 0).unwrap();
    let exceeded = admission.grow(&limits, 62, bench.at(0)).unwrap_err();
    assert_eq!((exceeded.which, exceeded.scope, exceeded.retry_after), (Which::Tokens, key(), None));
    drop(admission);
    assert_eq!(bench.call(&limits, 60, 0), Ok(()));
}

#[test]
fn tokens_that_were_not_taken_are_given_back() {
    let bench = Bench::new();
    let limits = [(key(), tokens(60))];
    let admission = bench.admit(&limits, 60, 0).unwrap();
    assert!(bench.call(&limits, 1, 0).is_err());
    admission.settle(10, bench.at(0));
    assert_eq!(bench.call(&limits, 50, 0), Ok(()));
    assert!(bench.call(&limits, 1, 0).is_err());
}

#[test]
fn what_time_has_given_back_is_not_given_back_again() {
    let bench = Bench::new();
    let limits = [(key(), tokens(60))];
    let slow = bench.admit(&limits, 60, 0).unwrap();
    assert_eq!(bench.call(&limits, 60, 60_000), Ok(()));
    slow.settle(0, bench.at(60_000));
    assert!(bench.call(&limits, 1, 60_000).is_err(), "the second call's tokens are its own");
}

#[test]
fn a_call_that_is_dropped_gives_its_tokens_back_and_stays_a_request() {
    let bench = Bench::new();
    let limits = [(key(), RateLimit { tokens_per_minute: Some(10), ..requests(2) })];
    drop(bench.admit(&limits, 10, 0).unwrap());
    drop(bench.admit(&limits, 10, 0).unwrap());
    assert_eq!(bench.call(&limits, 10, 0).unwrap_err().which, Which::Requests);
}

#[test]
fn a_lost_call_frees_its_place_when_its_lease_ends() {
    let bench = Bench::new();
    let limits = [(key(), concurrent(1))];
    std::mem::forget(bench.admit(&limits, 0, 0).unwrap());
    let exceeded = bench.admit(&limits, 0, 599_999).unwrap_err();
    assert_eq!(exceeded.retry_after, Some(CONCURRENT_RETRY));
    let second = bench.admit(&limits, 0, 600_000).unwrap();
    assert!(bench.admit(&limits, 0, 600_000).is_err());
    drop(second);
    assert_eq!(bench.call(&limits, 0, 600_000), Ok(()));
}

#[test]
fn a_late_end_frees_no_place_of_another() {
    let bench = Bench::new();
    let limits = [(key(), concurrent(1))];
    let late = bench.admit(&limits, 0, 0).unwrap();
    let second = bench.admit(&limits, 0, 600_000).unwrap();
    drop(late);
    assert!(bench.admit(&limits, 0, 600_000).is_err());
    drop(second);
}

#[test]
fn the_tightest_scope_is_what_the_caller_is_told() {
    let bench = Bench::new();
    let limits =
        [(org(), requests(100)), (key(), RateLimit { tokens_per_minute: Some(600), ..requests(60) })];
    let admission = bench.admit(&limits, 100, 0).unwrap();
    let expected = Standing {
        requests: Some(Room { limit: 60, remaining: 59, reset: Duration::from_secs(1) }),
        tokens: Some(Room { limit: 600, remaining: 500, reset: Duration::from_secs(10) }),
    };
    assert_eq!(admission.standing(), expected);
    assert_eq!(bench.admit(&[], 5, 0).unwrap().standing(), Standing::default());
}

#[test]
fn idle_scopes_are_forgotten_and_busy_ones_are_not() {
    let bench = Bench::new();
    let scope = |n: usize| {
        let [.., a, b] = n.to_be_bytes();
        Scope::Key(KeyId::from_parts(Timestamp::from_unix_ms(1), [a, b, 0, 0, 0, 0, 0, 0, 0, 0]))
    };
    let busy = bench.admit(&[(scope(0), concurrent(5))], 0, 0).unwrap();
    for n in 1..SCOPES_BEFORE_SWEEP {
        assert_eq!(bench.call(&[(scope(n), requests(60))], 0, 0), Ok(()));
    }
    assert_eq!(bench.rates.len(), SCOPES_BEFORE_SWEEP);
    assert_eq!(bench.call(&[(scope(SCOPES_BEFORE_SWEEP), requests(60))], 0, 2_000), Ok(()));
    assert_eq!(bench.rates.len(), 2);
    drop(busy);
}

#[test]
fn a_refusal_says_whose_limit_and_when_to_come_back() {
    let exceeded = Exceeded {
        which: Which::Tokens,
        scope: key(),
        limit: 1_000,
        retry_after: Some(Duration::from_millis(1_200)),
    };
    let refusal = Refusal::from(exceeded);
    assert_eq!((refusal.status(), refusal.code()), (429, "rate_limit_exceeded"));
    assert_eq!(refusal.retry_after_seconds(), Some(2));
    let text = refusal.to_string();
    assert!(text.contains("API key key_") && text.contains("1000 tokens per minute"), "{text}");
    assert!(text.ends_with("try again in 1.2s"), "{text}");
    let too_large = Refusal::from(Exceeded { retry_after: None, ..exceeded });
    assert_eq!(too_large.retry_after_seconds(), None);
}

/// A call of a made-up load.
#[derive(Clone, Copy, Debug)]
struct Call {
    after_ms: u64,
    estimate: u64,
    actual: u64,
    takes_ms: u64,
}

fn load() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..8_000_u64, 0..60_u64, 0..=100_u64, 0..90_000_u64).prop_map(
        |(after_ms, estimate, percent, takes_ms)| Call {
            after_ms,
            estimate,
            actual: estimate * percent / 100,
            takes_ms,
        },
    );
    proptest::collection::vec(call, 1..80)
}

/// Runs a load; of every call that was admitted, when and what it took.
fn run(bench: &Bench, limits: &[(Scope, RateLimit)], load: &[Call]) -> Vec<(u64, u64)> {
    let mut running: Vec<(u64, u64, Admission)> = Vec::new();
    let (mut now, mut admitted) = (0, Vec::new());
    for call in load {
        now += call.after_ms;
        running.sort_by_key(|(ends, ..)| *ends);
        while running.first().is_some_and(|(ends, ..)| *ends <= now) {
            let (ends, actual, admission) = running.remove(0);
            admission.settle(actual, bench.at(ends));
        }
        if let Ok(admission) = bench.admit(limits, call.estimate, now) {
            admitted.push((now, call.actual));
            running.push((now + call.takes_ms, call.actual, admission));
        }
    }
    admitted
}

/// Whether in no stretch of time more was admitted than one allowance and what time added to it.
fn keeps(limit: u64, admitted: &[(u64, u64)]) -> bool {
    (0..admitted.len()).all(|first| {
        let mut sum = 0;
        admitted[first..].iter().all(|(ms, amount)| {
            sum += amount;
            sum * 60_000 <= limit * (60_000 + ms - admitted[first].0)
        })
    })
}

proptest! {
    #[test]
    fn no_stretch_of_time_sees_more_requests_than_the_limit_allows(load in load(), limit in 1..40_u32) {
        let bench = Bench::new();
        let admitted = run(&bench, &[(key(), requests(limit))], &load);
        let ones: Vec<_> = admitted.iter().map(|(ms, _)| (*ms, 1)).collect();
        prop_assert!(keeps(limit.into(), &ones), "{ones:?}");
    }

    #[test]
    fn no_stretch_of_time_sees_more_tokens_whatever_is_given_back(load in load(), limit in 1..200_u64) {
        let bench = Bench::new();
        let admitted = run(&bench, &[(key(), tokens(limit))], &load);
        prop_assert!(keeps(limit, &admitted), "{admitted:?}");
    }

    #[test]
    fn what_is_given_back_never_exceeds_what_was_charged(
        steps in proptest::collection::vec((0..3_u8, 0..100_u64, 0..100_000_000_000_u64), 1..60),
    ) {
        let (mut meter, mut marks, mut now) = (Meter::default(), Vec::new(), 0);
        for (what, amount, passed) in steps {
            now += passed;
            meter.advance(50, now);
            match what {
                0 => marks.push((meter.charge(amount), amount)),
                _ => {
                    let Some((mark, charged)) = marks.pop() else { continue };
                    let before = meter.remaining();
                    meter.give_back(mark, charged);
                    prop_assert!(meter.remaining() <= (before + charged).min(50));
                }
            }
        }
    }

    #[test]
    fn all_places_are_free_when_all_calls_have_ended(load in load(), limit in 1..10_u32) {
        let bench = Bench::new();
        let limits = [(key(), concurrent(limit)), (org(), concurrent(limit * 2))];
        let mut running = Vec::new();
        for call in &load {
            if call.actual % 3 == 0 {
                running.pop();
            }
            running.extend(bench.admit(&limits, 0, 0));
            prop_assert!(running.len() <= limit as usize);
        }
        drop(running);
        let scopes = bench.rates.0.lock();
        prop_assert!(scopes.counters.values().all(|counters| counters.leases.is_empty()));
    }
}
