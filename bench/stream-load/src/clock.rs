//! Time: the monotonic clock the simulator stamps with, and a timer that releases requests when they are due.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};
use tokio::io::{Interest, unix::AsyncFd};

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the write.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The unit in which samples are kept.
pub fn tenths_of_us(ns: u64) -> u32 {
    (ns / 100).min(u64::from(u32::MAX)) as u32
}

/// Asks for fine-grained wake-ups; the default slack of 50 µs would show up as latency.
pub fn sharpen_wake_ups() {
    // SAFETY: the call takes a plain number and changes this thread alone.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000) };
}

/// User and system time of this process so far, in seconds.
pub fn cpu_secs() -> f64 {
    // SAFETY: zero is a valid value of `rusage`, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as f64
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) as f64 / 1e6
}

/// A periodic timer of the kernel.
pub struct Ticker(AsyncFd<OwnedFd>);

impl Ticker {
    /// Ticks at `first_ns` on the monotonic clock, and then each `every_ns`.
    pub fn new(first_ns: u64, every_ns: u64) -> io::Result<Ticker> {
        let time = |ns: u64| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as i64,
            tv_nsec: (ns % 1_000_000_000) as i64,
        };
        let spec = libc::itimerspec { it_interval: time(every_ns), it_value: time(first_ns) };
        // SAFETY: a descriptor that is not negative is new and ours; `spec` is valid for the read.
        let fd = unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            if libc::timerfd_settime(fd.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &spec, std::ptr::null_mut()) < 0
            {
                return Err(io::Error::last_os_error());
            }
            fd
        };
        // SAFETY: `fd` is an open descriptor, owned by the `AsyncFd` alone from here on.
        Ok(Ticker(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? }))
    }

    /// Waits; gives how many ticks have passed since the last call (0 after a false alarm).
    pub async fn ticks(&self) -> io::Result<u64> {
        let mut ready = self.0.readable().await?;
        let mut count = 0u64;
        // SAFETY: `count` is valid for the 8 bytes that a timer descriptor delivers.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
        ready.clear_ready();
        Ok(if read == 8 { count } else { 0 })
    }
}
