//! Places where a test can let the process die, to see what is left behind.
//!
//! They exist in debug builds only: `arm("after_intent:3")` aborts at the third visit of that place.

#[cfg(debug_assertions)]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static ARMED: OnceLock<(String, AtomicI64)> = OnceLock::new();

    pub fn arm(place: &str) {
        let (name, count) = place.split_once(':').unwrap_or((place, "1"));
        let count = count.parse().unwrap_or(1);
        let _ = ARMED.set((name.to_owned(), AtomicI64::new(count)));
    }

    pub fn hit(place: &str) {
        if let Some((name, count)) = ARMED.get()
            && name == place
            && count.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}

/// Arms one place, once in the life of a process.
#[cfg(debug_assertions)]
pub use armed::arm;

/// Passes a place: the process dies here if it is armed.
#[inline]
pub fn hit(place: &str) {
    #[cfg(debug_assertions)]
    armed::hit(place);
    #[cfg(not(debug_assertions))]
    let _ = place;
}
