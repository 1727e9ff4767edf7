//! The loops that send requests: one sample, at a fixed rate, or as fast as answers come.

use crate::{
    arguments::{Arguments, Mode},
    clock::{Ticker, now_ns},
    events::{EventLog, Window},
    http::{Connection, Failure},
    plan::Plan,
    tally::Tally,
};
use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};
use tokio::{sync::Notify, task::JoinHandle};

type SharedTally = Rc<RefCell<Tally>>;

/// Sends one request and tells what came back.
pub async fn sample(arguments: &Arguments) -> String {
    let plan = Plan::new(arguments);
    let mut connection = Connection::new();
    let answered = tokio::time::timeout(plan.timeout, async {
        connection.connect(&plan).await?;
        connection.exchange(&plan, None).await
    })
    .await;
    let verdict = match answered {
        Ok(Ok(_)) => "ok".to_owned(),
        Ok(Err(Failure::Connect)) => "cannot connect".into(),
        Ok(Err(Failure::Cut)) => "connection cut".into(),
        Ok(Err(Failure::Status(status, _))) => format!("status {status}"),
        Ok(Err(Failure::BadBody(_))) => "bad body".into(),
        Err(_) => "timeout".into(),
    };
    let mut events = String::new();
    if arguments.mode == Mode::Stream {
        let mut log = EventLog::new(Window::default());
        log.read(&connection.body, 0, now_ns(), plan.end_marker);
        events = format!("; {} content chunks, end seen: {}", log.chunks, log.is_ended);
    }
    format!("{verdict}; {} bytes{events}\n{}", connection.body.len(), connection.excerpt(4000))
}

/// Runs the load and gives the report.
pub async fn run(arguments: &Arguments) -> String {
    let plan = Rc::new(Plan::new(arguments));
    let from_ns = now_ns() + (arguments.warmup_secs * 1e9) as u64;
    let window = Window { from_ns, end_ns: from_ns + (arguments.secs * 1e9) as u64 };
    let tally = Rc::new(RefCell::new(Tally::new(window)));
    let (offered, backlog) = match arguments.mode {
        Mode::Open => OpenLoop::new(arguments, plan, tally.clone(), window).run().await,
        Mode::Closed | Mode::Stream => {
            closed_loop(arguments, plan, &tally, window).await;
            (0, 0)
        }
    };
    tally.borrow_mut().report(arguments, now_ns(), offered, backlog)
}

/// One request with its accounting. `due_ns` is the scheduled time, when there is one.
async fn request(
    connection: &mut Connection,
    plan: &Plan,
    tally: &RefCell<Tally>,
    due_ns: Option<u64>,
    mode: Mode,
) {
    let window = tally.borrow().window;
    let started_ns = due_ns.unwrap_or_else(now_ns);
    let mut log = (mode == Mode::Stream).then(|| EventLog::new(window));
    let is_fresh = !connection.is_open();
    let outcome = tokio::time::timeout(plan.timeout, checked_exchange(connection, plan, &mut log)).await.ok();
    if !matches!(outcome, Some(Ok(_))) {
        connection.close();
    }
    let mut tally = tally.borrow_mut();
    tally.connections_opened += u64::from(is_fresh);
    tally.count(&outcome, log.as_ref());
    if started_ns >= window.from_ns {
        tally.sample(outcome, due_ns, log, connection.body.len());
    }
}

async fn checked_exchange(
    connection: &mut Connection,
    plan: &Plan,
    log: &mut Option<EventLog>,
) -> Result<crate::http::Timing, Failure> {
    connection.connect(plan).await?;
    let timing = connection.exchange(plan, log.as_mut()).await?;
    if plan.any_status {
        return Ok(timing);
    }
    match log {
        None if memchr::memmem::find(&connection.body, plan.expect).is_none() => {
            Err(Failure::BadBody(connection.excerpt(300)))
        }
        Some(log) if log.chunks == 0 || !log.is_ended => Err(Failure::BadBody(format!(
            "{} chunks, end seen: {}; {}",
            log.chunks,
            log.is_ended,
            connection.excerpt(300)
        ))),
        None | Some(_) => Ok(timing),
    }
}

/// Each connection sends its next request when it has the answer to the last one.
async fn closed_loop(arguments: &Arguments, plan: Rc<Plan>, tally: &SharedTally, window: Window) {
    let mode = arguments.mode;
    let limit = Duration::from_nanos(window.end_ns.saturating_sub(now_ns())) + plan.timeout;
    let tasks: Vec<JoinHandle<()>> = (0..arguments.connections as u64)
        .map(|number| {
            let (plan, tally) = (plan.clone(), tally.clone());
            // Streams start spread out, so that their chunks do not beat in step.
            let wait_ns = if mode == Mode::Stream { number * 7_000_000 % 500_000_000 } else { 0 };
            tokio::task::spawn_local(async move {
                if wait_ns > 0 {
                    tokio::time::sleep(Duration::from_nanos(wait_ns)).await;
                }
                keep_asking(&plan, &tally, mode, window.end_ns).await;
            })
        })
        .collect();
    let _ = tokio::time::timeout(limit, async {
        for task in tasks {
            let _ = task.await;
        }
    })
    .await;
}

async fn keep_asking(plan: &Plan, tally: &RefCell<Tally>, mode: Mode, end_ns: u64) {
    let mut connection = Connection::new();
    let mut failures = 0;
    while now_ns() < end_ns {
        let errors = tally.borrow().errors();
        request(&mut connection, plan, tally, None, mode).await;
        if !connection.is_open() && tally.borrow().errors() > errors {
            failures += 1;
            // A target that refuses is not hammered.
            tokio::time::sleep(Duration::from_millis(10.min(failures))).await;
        }
    }
}

#[derive(Default)]
struct Queue {
    due: VecDeque<u64>,
    idle: Vec<Rc<Notify>>,
    under_way: usize,
    is_closed: bool,
}

/// Requests released at their due times, whatever the earlier ones do.
struct OpenLoop {
    plan: Rc<Plan>,
    tally: SharedTally,
    window: Window,
    queue: Rc<RefCell<Queue>>,
    workers: Vec<JoinHandle<()>>,
    workers_max: usize,
    every_ns: u64,
}

impl OpenLoop {
    fn new(arguments: &Arguments, plan: Rc<Plan>, tally: SharedTally, window: Window) -> OpenLoop {
        OpenLoop {
            plan,
            tally,
            window,
            queue: Rc::default(),
            workers: vec![],
            workers_max: arguments.connections,
            every_ns: (1e9 / arguments.rate) as u64,
        }
    }

    /// Gives how many requests were due inside the window, and how many were never served.
    async fn run(mut self) -> (u64, usize) {
        let mut due_ns = now_ns() + 20_000_000;
        let mut offered = 0;
        let ticker = Ticker::new(due_ns, self.every_ns).expect("a timer of the kernel");
        while due_ns < self.window.end_ns {
            for _ in 0..ticker.ticks().await.expect("a timer of the kernel") {
                if due_ns >= self.window.end_ns {
                    break;
                }
                offered += u64::from(due_ns >= self.window.from_ns);
                self.release(due_ns);
                due_ns += self.every_ns;
            }
        }
        (offered, self.drain().await)
    }

    fn release(&mut self, due_ns: u64) {
        let mut queue = self.queue.borrow_mut();
        queue.due.push_back(due_ns);
        if let Some(bell) = queue.idle.pop() {
            bell.notify_one();
        } else if self.workers.len() < self.workers_max {
            let (plan, tally, queue) = (self.plan.clone(), self.tally.clone(), self.queue.clone());
            self.workers.push(tokio::task::spawn_local(work(plan, tally, queue)));
        }
    }

    /// What is under way may finish; what still queues after 2 s counts as not served.
    async fn drain(self) -> usize {
        let limit_ns = now_ns() + 2_000_000_000;
        let left = || {
            let queue = self.queue.borrow();
            queue.due.len() + queue.under_way
        };
        while left() > 0 && now_ns() < limit_ns {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let backlog = left();
        let mut queue = self.queue.borrow_mut();
        queue.due.clear();
        queue.is_closed = true;
        for worker in &self.workers {
            worker.abort();
        }
        backlog
    }
}

async fn work(plan: Rc<Plan>, tally: SharedTally, queue: Rc<RefCell<Queue>>) {
    let bell = Rc::new(Notify::new());
    let mut connection = Connection::new();
    loop {
        let due_ns = queue.borrow_mut().due.pop_front();
        if let Some(due_ns) = due_ns {
            queue.borrow_mut().under_way += 1;
            request(&mut connection, &plan, &tally, Some(due_ns), Mode::Open).await;
            queue.borrow_mut().under_way -= 1;
        } else {
            if queue.borrow().is_closed {
                return;
            }
            queue.borrow_mut().idle.push(bell.clone());
            bell.notified().await;
        }
    }
}
