//! What the operating system knows of processes and sockets.

use crate::failure::{Context, Failure};
use std::fs;

/// Lets this process, and those it starts, open as many files as they may.
pub fn allow_open_files() -> Result<(), Failure> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls take a pointer to a value that lives.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if done { Ok(()) } else { Err(Failure::new("the limit of open files cannot be raised")) }
}

/// Memory that a process has now.
pub fn rss_kib(process: u32) -> Result<u64, Failure> {
    status_kib(process, "VmRSS:")
}

/// The most it ever had.
pub fn rss_peak_kib(process: u32) -> Result<u64, Failure> {
    status_kib(process, "VmHWM:")
}

/// Forgets the most it ever had: from now on what it has counts.
pub fn forget_peak(process: u32) -> Result<(), Failure> {
    // `5` in proc_pid_clear_refs(5).
    fs::write(format!("/proc/{process}/clear_refs"), "5").context("the process's peak")
}

fn status_kib(process: u32, field: &str) -> Result<u64, Failure> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).context("the process")?;
    number_after(&text, field).ok_or_else(|| Failure::new(format!("no {field} of the process")))
}

/// Memory of all TCP sockets of the machine, on both ends.
pub fn sockets_kib() -> Result<u64, Failure> {
    const PAGE_KIB: u64 = 4;
    let text = fs::read_to_string("/proc/net/sockstat").context("the sockets")?;
    let tcp = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    number_after(tcp, " mem")
        .map(|pages| pages * PAGE_KIB)
        .ok_or_else(|| Failure::new("no memory of sockets"))
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_name() {
        assert_eq!(number_after("VmHWM:\t 5 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234));
        assert_eq!(number_after("TCP: inuse 7 orphan 0 mem 3", " mem"), Some(3));
        assert_eq!(number_after("", "VmRSS:"), None);
    }
}
