//! Fails at the k-th effect, before it or right after it, for tests that stop everywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::around::Around;
use super::{OsError, Touch};

/// When an effect fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// It does not happen.
    Before,
    /// It happens, and is reported as failed: the answer got lost.
    After,
}

/// Any machine, one of whose effects fails.
pub struct Faulty {
    inner: Arc<dyn Touch>,
    fails: Fails,
    left: AtomicUsize,
}

impl Faulty {
    /// The effect number `at` (counted from 0) fails; the others work.
    #[must_use]
    pub fn new(inner: Arc<dyn Touch>, fails: Fails, at: usize) -> Self {
        Self { inner, fails, left: AtomicUsize::new(at) }
    }
    /// Has it failed by now?
    #[must_use]
    pub fn failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == usize::MAX
    }
}

impl Around for Faulty {
    fn inner(&self) -> &dyn Touch {
        &*self.inner
    }
    fn effect<T>(
        &self,
        verb: &'static str,
        _: &str,
        act: impl FnOnce() -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        let now = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            usize::MAX => None,
            left => Some(left.wrapping_sub(1)),
        });
        let error = || Err(OsError::failed(verb, "injected failure"));
        match (now, self.fails) {
            (Ok(0), Fails::Before) => error(),
            (Ok(0), Fails::After) => act().and_then(|_| error()),
            _ => act(),
        }
    }
}
