//! Memory that is free goes back to the system, also when nothing happens any more.
//!
//! The allocator keeps what was freed for a second, in case it is wanted again, and looks after that only while it is
//! asked for memory. After a burst nobody asks: what the burst took would stay.
#![expect(unsafe_code, reason = "the allocator's crate has no safe function for this")]

// The allocator itself: its library is linked for `mi_collect`.
use mimalloc as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked after.
const INTERVAL: Duration = Duration::from_secs(1);

unsafe extern "C" {
    /// Tidies the calling thread's memory and, without force, gives back what of all threads was free for a second.
    /// <https://microsoft.github.io/mimalloc/group__extended.html>, read 2026-11-26.
    fn mi_collect(force: bool);
}

/// Gives memory back until told to stop.
pub async fn give_back(stop: CancellationToken) {
    while tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_err() {
        // SAFETY: any thread may call it at any time; the declaration is that of `mimalloc.h`.
        unsafe {
            mi_collect(false);
        }
    }
}
