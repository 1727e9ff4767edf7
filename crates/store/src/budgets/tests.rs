//! The escrow against a model of it that is as simple as the promise: settled + held never pass a cap.

use super::*;
use domain::{GroupId, KeyId, OrgId};
use proptest::prelude::*;

const DAY: i64 = 86_400_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000 + ms)
}

fn nano(nano: i64) -> Money {
    Money::from_nano(nano)
}

fn org() -> OrgId {
    OrgId::from_parts(at(0), [1; 10])
}

/// An account of a key with limits on key, group and organization.
fn account(key: u8, caps: [i64; 3]) -> Account {
    let (key, group) = (KeyId::from_parts(at(0), [key; 10]), GroupId::from_parts(at(0), [9; 10]));
    let mut account = Account::new(org(), key, &[Scope::Group(group)]);
    let scopes = [Scope::Key(key), Scope::Group(group), Scope::Organization(org())];
    let windows = [Window::Day, Window::Month, Window::Total];
    account.limits = scopes
        .into_iter()
        .zip(windows)
        .zip(caps)
        .map(|((scope, window), cap)| Limit {
            scope,
            window,
            amount: nano(cap),
            enforcement: Enforcement::Hard,
        })
        .collect();
    account
}

#[test]
fn a_reservation_that_fits_one_scope_but_not_all_holds_nothing() {
    let budgets = Budgets::new([], at(0));
    let account = account(1, [100, 50, 100]);
    let overrun = budgets.reserve(&account, nano(60), at(0)).unwrap_err();
    assert_eq!((overrun.limit.amount, overrun.left()), (nano(50), nano(50)));
    assert_eq!(budgets.held(), Money::ZERO);
    assert!(budgets.reserve(&account, nano(50), at(0)).is_ok());
}

#[test]
fn a_start_before_the_latest_day_goes_on_in_that_day() {
    let day = at(0);
    for (now, latest, begins) in [
        (at(5), None, at(5)),
        (at(5), Some(day), at(5)),
        (at(-5), Some(day), day),
        (at(-DAY), Some(day), day),
        (at(-DAY - 1), Some(day), at(-DAY - 1)),
    ] {
        assert_eq!(begins_at(now, latest), begins, "{now:?} {latest:?}");
    }
}

#[test]
fn what_was_held_is_free_again_and_what_was_spent_is_not() {
    let budgets = Budgets::new([(Scope::Organization(org()), Window::Total, nano(10))], at(0));
    let account = account(1, [1_000, 1_000, 100]);
    let (hold, _) = budgets.reserve(&account, nano(90), at(0)).unwrap();
    assert!(budgets.reserve(&account, nano(1), at(0)).is_err(), "what an earlier process spent counts");
    hold.settle(nano(30));
    let (hold, _) = budgets.reserve(&account, nano(60), at(0)).unwrap();
    drop(hold);
    assert_eq!(budgets.held(), Money::ZERO);
    assert!(budgets.reserve(&account, nano(60), at(0)).is_ok());
}

#[test]
fn a_soft_limit_lets_pass_and_tells() {
    let budgets = Budgets::new([], at(0));
    let mut account = account(1, [10, 1_000, 1_000]);
    account.limits[0].enforcement = Enforcement::Soft;
    let (_hold, passed) = budgets.reserve(&account, nano(60), at(0)).unwrap();
    assert_eq!(passed, [account.limits[0]]);
}

#[test]
fn a_new_day_has_a_counter_of_its_own_and_a_clock_that_steps_back_does_not() {
    let budgets = Budgets::new([], at(0));
    let account = account(1, [100, 10_000, 10_000]);
    let (late, _) = budgets.reserve(&account, nano(100), at(0)).unwrap();
    assert!(budgets.reserve(&account, nano(1), at(0)).is_err());
    let (hold, _) = budgets.reserve(&account, nano(100), at(DAY)).unwrap();
    // Yesterday's call does not count against today.
    late.settle(nano(100));
    hold.settle(nano(100));
    assert!(budgets.reserve(&account, nano(1), at(DAY)).is_err());
    assert!(budgets.reserve(&account, nano(1), at(0)).is_err(), "the hour of the clock opens no old window");
}

#[test]
fn a_call_that_runs_past_midnight_stays_within_its_own_day() {
    let budgets = Budgets::new([], at(0));
    let account = account(1, [100, 10_000, 10_000]);
    let (mut late, _) = budgets.reserve(&account, nano(60), at(0)).unwrap();
    let (other, _) = budgets.reserve(&account, nano(30), at(0)).unwrap();
    let (today, _) = budgets.reserve(&account, nano(100), at(DAY)).unwrap();
    assert_eq!(late.extend(&account, nano(11)).unwrap_err().left(), nano(10));
    other.settle(nano(10));
    late.extend(&account, nano(30)).unwrap();
    assert!(late.extend(&account, nano(1)).is_err(), "ten are spent and ninety held");
    late.settle(nano(90));
    assert!(budgets.lock().late.is_empty(), "nobody needs to know any more");
    assert_eq!(budgets.held(), nano(100));
    today.settle(nano(100));
    assert!(budgets.reserve(&account, nano(1), at(DAY)).is_err());
}

#[test]
fn whether_something_fits_is_told_without_reserving_it() {
    let budgets = Budgets::new([], at(0));
    let account = account(1, [100, 50, 100]);
    assert_eq!(budgets.fits(&account, nano(51), at(0)).unwrap_err().left(), nano(50));
    assert_eq!(budgets.fits(&account, nano(50), at(0)), Ok(()));
    assert_eq!(budgets.held(), Money::ZERO);
}

#[test]
fn what_costs_more_than_was_held_is_seen() {
    let budgets = Budgets::new([], at(0));
    let (hold, _) = budgets.reserve(&account(1, [100; 3]), nano(10), at(0)).unwrap();
    hold.settle(nano(17));
    assert_eq!(budgets.overage(), nano(7));
}

#[test]
fn many_threads_together_reserve_no_more_than_there_is() {
    let budgets = Budgets::new([], at(0));
    let taken: i64 = std::thread::scope(|scope| {
        let take = || {
            let account = account(1, [100_000, 1_000, 100_000]);
            let holds: Vec<_> =
                (0..200).filter_map(|_| budgets.reserve(&account, nano(7), at(0)).ok()).collect();
            let taken = holds.iter().map(|(hold, _)| hold.amount().nano()).sum::<i64>();
            holds.into_iter().for_each(|(hold, _)| hold.settle(nano(7)));
            taken
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 1_000 / 7 * 7);
}

/// One step of the model: what calls do, in any order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        key: u8,
        amount: i64,
    },
    Extend {
        which: usize,
        more: i64,
    },
    Settle {
        which: usize,
        share: i64,
    },
    Drop {
        which: usize,
    },
    /// A day passes.
    Midnight,
    /// The process dies: running calls are taken for what was held, and another process begins.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3u8, 1..60i64).prop_map(|(key, amount)| Step::Reserve { key, amount }),
        2 => (any::<usize>(), 1..30i64).prop_map(|(which, more)| Step::Extend { which, more }),
        3 => (any::<usize>(), 0..=100i64).prop_map(|(which, share)| Step::Settle { which, share }),
        1 => any::<usize>().prop_map(|which| Step::Drop { which }),
        1 => Just(Step::Midnight),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 0..80)
}

/// What was spent and is held in each scope and window, by the simplest bookkeeping there is.
#[derive(Default)]
struct Model {
    settled: HashMap<Place, i64>,
    held: HashMap<Place, i64>,
}

/// A scope, a kind of window, and the start of one.
type Place = (Scope, Window, Timestamp);

fn places(account: &Account, now: Timestamp) -> impl Iterator<Item = Place> {
    let windows = Windows::at(now);
    let scopes = account.scopes.iter();
    scopes.flat_map(move |scope| Window::ALL.map(|window| (*scope, window, windows.start(window))))
}

impl Model {
    fn fits(&self, account: &Account, amount: i64, now: Timestamp) -> bool {
        let windows = Windows::at(now);
        account.limits.iter().all(|limit| {
            let place = (limit.scope, limit.window, windows.start(limit.window));
            let sum = |of: &HashMap<Place, i64>| of.get(&place).copied().unwrap_or(0);
            sum(&self.settled) + sum(&self.held) + amount <= limit.amount.nano()
        })
    }

    fn hold(&mut self, account: &Account, amount: i64, admitted: Timestamp) {
        for place in places(account, admitted) {
            *self.held.entry(place).or_default() += amount;
        }
    }

    fn settle(&mut self, account: &Account, held: i64, cost: i64, admitted: Timestamp) {
        self.hold(account, -held, admitted);
        for place in places(account, admitted) {
            *self.settled.entry(place).or_default() += cost;
        }
    }

    /// What the ledger tells a process that begins now.
    fn spent(&self, now: Timestamp) -> Vec<(Scope, Window, Money)> {
        let windows = Windows::at(now);
        let present = self.settled.iter().filter(|((_, window, start), _)| windows.start(*window) == *start);
        present.map(|((scope, window, _), spent)| (*scope, *window, nano(*spent))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_escrow_does_what_its_model_does(steps in steps(), caps in [50..300i64, 50..300, 50..300]) {
        let mut now = at(0);
        let mut budgets = Budgets::new([], now);
        let mut model = Model::default();
        let mut running: Vec<(u8, Timestamp, Hold)> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve { key, amount } => {
                    let account = account(key, caps);
                    let reserved = budgets.reserve(&account, nano(amount), now);
                    prop_assert_eq!(reserved.is_ok(), model.fits(&account, amount, now));
                    if let Ok((hold, _)) = reserved {
                        model.hold(&account, amount, now);
                        running.push((key, now, hold));
                    }
                }
                Step::Extend { which, more } if !running.is_empty() => {
                    let at = which % running.len();
                    let (key, admitted, hold) = &mut running[at];
                    let account = account(*key, caps);
                    let fits = model.fits(&account, more, *admitted);
                    prop_assert_eq!(hold.extend(&account, nano(more)).is_ok(), fits);
                    if fits {
                        model.hold(&account, more, *admitted);
                    }
                }
                Step::Settle { which, share } if !running.is_empty() => {
                    let (key, admitted, hold) = running.swap_remove(which % running.len());
                    let held = hold.amount().nano();
                    let cost = held * share / 100;
                    hold.settle(nano(cost));
                    model.settle(&account(key, caps), held, cost, admitted);
                }
                Step::Drop { which } if !running.is_empty() => {
                    let (key, admitted, hold) = running.swap_remove(which % running.len());
                    model.hold(&account(key, caps), -hold.amount().nano(), admitted);
                }
                Step::Midnight => now = Timestamp::from_unix_ms(now.unix_ms() + DAY),
                Step::Crash => {
                    for (key, admitted, hold) in running.drain(..) {
                        let held = hold.amount().nano();
                        model.settle(&account(key, caps), held, held, admitted);
                    }
                    budgets = Budgets::new(model.spent(now), now);
                }
                Step::Extend { .. } | Step::Settle { .. } | Step::Drop { .. } => {}
            }
            let held: i64 = running.iter().map(|(_, _, hold)| hold.amount().nano()).sum();
            prop_assert_eq!(budgets.held(), nano(held));
            for key in 0..3 {
                let days = running.iter().map(|(_, admitted, _)| *admitted).chain([now]);
                for day in days {
                    prop_assert!(model.fits(&account(key, caps), 0, day), "a cap is passed");
                }
            }
        }
    }
}
