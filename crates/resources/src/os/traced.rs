//! Writes down every call, for tests that count them.

use std::sync::{Arc, Mutex, PoisonError};

use super::around::Around;
use super::{OsError, Touch};

/// Any machine, with a list of what was asked of it.
pub struct Traced {
    inner: Arc<dyn Touch>,
    calls: Mutex<Vec<String>>,
}

impl Traced {
    /// In front of a machine.
    #[must_use]
    pub fn new(inner: Arc<dyn Touch>) -> Self {
        Self { inner, calls: Mutex::default() }
    }
    /// What was asked since the last time, as `verb path`.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn note(&self, verb: &str, what: &str) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{verb} {what}"));
    }
}

impl Around for Traced {
    fn inner(&self) -> &dyn Touch {
        &*self.inner
    }
    fn looked(&self, verb: &'static str, what: &str) {
        self.note(verb, what);
    }
    fn effect<T>(
        &self,
        verb: &'static str,
        what: &str,
        act: impl FnOnce() -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        self.note(verb, what);
        act()
    }
}
