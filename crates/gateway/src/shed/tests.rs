//! Turns, bounds, and that no slot is lost or given twice, whatever the order of events.

use super::*;
use domain::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Builder;

const LONG: Duration = Duration::from_secs(3_600);

fn key(number: u8) -> KeyId {
    KeyId::from_parts(Timestamp::from_unix_ms(1), [number; 10])
}

fn join(queue: &mut Queue<u32>, number: u8, waiter: u32, max: usize) -> Option<Ticket> {
    match queue.join(key(number), waiter, max) {
        Joined::Waits { ticket, .. } => Some(ticket),
        Joined::Full => None,
    }
}

#[test]
fn keys_take_turns_whatever_order_they_came_in() {
    let mut queue = Queue::default();
    for (number, waiter) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
        assert!(join(&mut queue, number, waiter, 10).is_some());
    }
    let order: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
    assert_eq!(order, [10, 20, 30, 11, 21, 12]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn a_full_line_makes_room_for_who_has_less_in_it() {
    let mut queue = Queue::default();
    for waiter in 0..4 {
        join(&mut queue, 1, waiter, 4);
    }
    assert_eq!(queue.join(key(1), 4, 4), Joined::Full);
    for (newcomer, pushed_out) in [(20, 3), (21, 2)] {
        match queue.join(key(2), newcomer, 4) {
            Joined::Waits { instead_of, .. } => assert_eq!(instead_of, Some(pushed_out)),
            Joined::Full => panic!("no room"),
        }
    }
    // Both have half of it.
    assert_eq!(queue.join(key(2), 22, 4), Joined::Full);
    assert_eq!(queue.join(key(1), 5, 4), Joined::Full);
    assert_eq!(queue.len(), 4);
}

#[test]
fn who_leaves_is_not_called_and_is_gone_once() {
    let mut queue = Queue::default();
    let first = join(&mut queue, 1, 10, 9).unwrap();
    join(&mut queue, 2, 20, 9);
    assert_eq!((queue.leave(first), queue.leave(first)), (Some(10), None));
    assert_eq!((queue.next(), queue.next(), queue.len()), (Some(20), None, 0));
}

/// What happens at a gate.
#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Poll(usize),
    Leave(usize),
    Release(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Release),
    ]
}

type Entering = Pin<Box<dyn Future<Output = Result<Slot, Shed>>>>;

fn poll(future: &mut Entering) -> Poll<Result<Slot, Shed>> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Calls at a gate, as the test knows them.
struct Scene {
    gate: Gate,
    slots: Vec<Slot>,
    entering: Vec<Entering>,
}

impl Scene {
    fn new(running: usize, waiting: usize) -> Self {
        let gate = Gate::new(Bounds { running, waiting, wait: LONG });
        Self { gate, slots: Vec::new(), entering: Vec::new() }
    }

    fn enter(&mut self, number: u8) {
        let gate = self.gate.clone();
        self.entering.push(Box::pin(async move { gate.enter(key(number)).await }));
        self.poll(self.entering.len() - 1);
    }

    fn poll(&mut self, index: usize) {
        if let Poll::Ready(end) = poll(&mut self.entering[index]) {
            drop(self.entering.remove(index));
            self.slots.extend(end.ok());
        }
    }

    fn poll_all(&mut self) {
        for index in (0..self.entering.len()).rev() {
            self.poll(index);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter(number) => self.enter(number),
            Step::Poll(index) if !self.entering.is_empty() => self.poll(index % self.entering.len()),
            Step::Leave(index) if !self.entering.is_empty() => {
                drop(self.entering.remove(index % self.entering.len()));
            }
            Step::Release(index) if !self.slots.is_empty() => {
                drop(self.slots.remove(index % self.slots.len()));
            }
            Step::Poll(_) | Step::Leave(_) | Step::Release(_) => {}
        }
    }

    fn assert_sound(&self) {
        let Bounds { running, waiting, .. } = self.gate.0.bounds;
        let line = self.gate.0.lock();
        let taken = self.gate.0.taken.load(Ordering::Acquire);
        assert_eq!(line.owed, 0);
        assert!(self.slots.len() <= running && line.queue.len() <= waiting);
        // Slots on their way to calls that have not looked yet are among those taken.
        let given = taken - line.queue.len();
        assert!(self.slots.len() <= given && given <= running, "{given} of {running}");
        // Nobody waits while there is a slot.
        assert!(line.queue.len() == 0 || given == running);
    }
}

fn with_timers(test: impl FnOnce()) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { test() });
}

proptest! {
    #[test]
    fn no_slot_is_lost_or_given_twice(
        running in 1..4_usize,
        waiting in 0..5_usize,
        steps in vec(step(), 0..120),
    ) {
        with_timers(|| {
            let mut scene = Scene::new(running, waiting);
            for step in steps {
                scene.step(step);
                scene.assert_sound();
            }
            // Without anybody leaving, everybody who waits gets a slot.
            scene.poll_all();
            while !scene.entering.is_empty() {
                let before = scene.entering.len();
                scene.slots.clear();
                scene.poll_all();
                assert!(scene.entering.len() < before);
            }
            scene.slots.clear();
            scene.assert_sound();
            assert_eq!(scene.gate.0.taken.load(Ordering::Acquire), 0);
        });
    }

    #[test]
    fn a_key_waits_for_no_more_than_one_call_of_each_other(flood in 1..40_usize, others in 1..6_u8) {
        let mut queue = Queue::default();
        for waiter in 0..flood {
            join(&mut queue, 0, u32::try_from(waiter).unwrap(), 40);
        }
        for number in 1..=others {
            assert!(join(&mut queue, number, 1_000 + u32::from(number), 40).is_some());
        }
        let order: Vec<u32> = std::iter::from_fn(|| queue.next()).collect();
        let last = order.iter().rposition(|waiter| *waiter > 1_000);
        assert!(last <= Some(usize::from(others)), "{order:?}");
    }
}

#[test]
fn a_flood_of_one_key_does_not_shed_another() {
    with_timers(|| {
        let mut scene = Scene::new(1, 2);
        for _ in 0..10 {
            scene.enter(1);
        }
        scene.enter(2);
        scene.poll_all();
        assert_eq!((scene.slots.len(), scene.entering.len()), (1, 2));
        scene.slots.clear();
        scene.poll_all();
        scene.slots.clear();
        scene.poll_all();
        // The flood's one and the other's both had their turn.
        assert_eq!((scene.slots.len(), scene.entering.len()), (1, 0));
    });
}

#[test]
fn a_closed_gate_sends_away_who_waits_and_who_comes() {
    with_timers(|| {
        let mut scene = Scene::new(1, 5);
        for _ in 0..3 {
            scene.enter(1);
        }
        scene.gate.close();
        scene.enter(2);
        scene.poll_all();
        assert_eq!((scene.slots.len(), scene.entering.len()), (1, 0));
        scene.assert_sound();
    });
}

#[test]
fn who_waits_too_long_is_shed_and_leaves_nothing_behind() {
    let gate = Gate::new(Bounds { running: 1, waiting: 1, wait: Duration::from_millis(1) });
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let slot = gate.enter(key(1)).await.unwrap();
        assert_eq!(gate.enter(key(2)).await.unwrap_err(), Shed);
        assert_eq!(gate.waiting(), 0);
        drop(slot);
        assert_eq!(gate.enter(key(2)).await.unwrap().waited(), Duration::ZERO);
    });
    assert_eq!(gate.0.taken.load(Ordering::Acquire), 0);
}

#[test]
fn threads_never_run_more_than_the_bound_and_all_get_through() {
    const THREADS: u8 = 4;
    const CALLS: usize = 2_000;
    let gate = Gate::new(Bounds { running: 2, waiting: 64, wait: LONG });
    let running = Arc::new(AtomicUsize::new(0));
    let work = |number: u8| {
        let (gate, running) = (gate.clone(), running.clone());
        move || {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                for call in 0..CALLS {
                    let mut entering = std::pin::pin!(gate.enter(key(number)));
                    // Every third that has to wait leaves again, in whatever state it is.
                    if call % 3 == 0 {
                        let left = entering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                        drop(left);
                        continue;
                    }
                    let slot = entering.await.unwrap();
                    assert!(running.fetch_add(1, Ordering::AcqRel) < 2);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::AcqRel);
                    drop(slot);
                }
            });
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|number| std::thread::spawn(work(number))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(gate.0.taken.load(Ordering::Acquire), 0);
    assert_eq!(gate.0.lock().owed, 0);
}
