//! Something that is fetched, good for a while, and fetched again before that is over.

use super::CredentialError;
use arc_swap::ArcSwapOption;
use std::future::Future;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// So long before its end something is fetched anew, while it still serves.
const AHEAD: Duration = Duration::from_secs(300);
/// So long before its end it no longer serves: a call takes a moment to arrive.
const MARGIN: Duration = Duration::from_secs(10);
/// After a failure nobody tries again for so long; those who need it meanwhile are told the same.
const PAUSE: Duration = Duration::from_secs(3);

/// A fetched thing. One caller at a time fetches; the others use what there is, or wait.
#[derive(Debug)]
pub(super) struct Kept<T> {
    current: ArcSwapOption<Held<T>>,
    turn: Mutex<()>,
    failed: StdMutex<Option<(Instant, CredentialError)>>,
}

#[derive(Debug)]
struct Held<T> {
    thing: T,
    renew_at: Instant,
    good_until: Instant,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { current: ArcSwapOption::empty(), turn: Mutex::default(), failed: StdMutex::default() }
    }
}

impl<T: Clone> Kept<T> {
    /// What is good now. `fetch` gives a new one and how long it is good.
    pub async fn get<F>(&self, fetch: impl FnOnce() -> F) -> Result<T, CredentialError>
    where
        F: Future<Output = Result<(T, Duration), CredentialError>>,
    {
        if let Some(held) = self.good(|held| held.renew_at) {
            return Ok(held);
        }
        let _turn = match (self.turn.try_lock(), self.good(|held| held.good_until)) {
            (Ok(turn), _) => turn,
            (Err(_), Some(held)) => return Ok(held),
            (Err(_), None) => self.turn.lock().await,
        };
        // Somebody may have been there meanwhile.
        if let Some(held) = self.good(|held| held.renew_at) {
            return Ok(held);
        }
        let old = self.good(|held| held.good_until);
        if let Some(error) = self.failed_lately() {
            return old.ok_or(error);
        }
        match fetch().await {
            Ok((thing, good_for)) => {
                let now = Instant::now();
                let good_until = now + good_for.saturating_sub(MARGIN);
                // What is good for minutes only is used for half of them.
                let renew_at = now + good_for.saturating_sub(AHEAD).max(good_for / 2);
                let held = Held { thing: thing.clone(), renew_at: renew_at.min(good_until), good_until };
                self.current.store(Some(Arc::new(held)));
                Ok(thing)
            }
            Err(error) => {
                tracing::warn!(%error, "no credential for a provider");
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now() + PAUSE, error.clone()));
                old.ok_or(error)
            }
        }
    }

    fn good(&self, until: impl Fn(&Held<T>) -> Instant) -> Option<T> {
        let held = self.current.load();
        held.as_ref().filter(|held| Instant::now() < until(held)).map(|held| held.thing.clone())
    }

    fn failed_lately(&self) -> Option<CredentialError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Source {
        kept: Kept<u32>,
        fetched: AtomicU32,
    }

    impl Source {
        async fn get(&self, good_for: Option<u64>) -> Result<u32, CredentialError> {
            let fetch = || async {
                let number = self.fetched.fetch_add(1, Ordering::Relaxed) + 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
                match good_for {
                    Some(seconds) => Ok((number, Duration::from_secs(seconds))),
                    None => Err(CredentialError("down".to_owned())),
                }
            };
            self.kept.get(fetch).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_need_it_at_once_fetch_it_once() {
        let source = Source::default();
        let all = futures_util::future::join_all((0..50).map(|_| source.get(Some(3_600)))).await;
        assert!(all.iter().all(|got| *got == Ok(1)));
        tokio::time::advance(Duration::from_secs(3_200)).await;
        assert_eq!(source.get(Some(3_600)).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_renewed_ahead_of_its_end_while_the_old_one_serves() {
        let source = Source::default();
        assert_eq!(source.get(Some(3_600)).await, Ok(1));
        tokio::time::advance(Duration::from_secs(3_400)).await;
        let (first, second) = tokio::join!(source.get(Some(3_600)), source.get(Some(3_600)));
        assert_eq!((first, second), (Ok(2), Ok(1)));
        // A failing renewal changes nothing while the old one is good, and is not tried at every call.
        tokio::time::advance(Duration::from_secs(3_400)).await;
        assert_eq!((source.get(None).await, source.get(None).await), (Ok(2), Ok(2)));
        assert_eq!(source.fetched.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_to_all_who_wait_and_tried_again_later() {
        let source = Source::default();
        let all = futures_util::future::join_all((0..50).map(|_| source.get(None))).await;
        assert!(all.iter().all(|got| got.as_ref().is_err_and(|error| error.0 == "down")));
        assert_eq!(source.fetched.load(Ordering::Relaxed), 1);
        tokio::time::advance(PAUSE).await;
        assert_eq!(source.get(Some(20)).await, Ok(2));
        // What is good for seconds only is not used to its last one.
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(source.get(Some(20)).await, Ok(3));
    }
}
