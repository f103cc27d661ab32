//! What was made of files, kept until they change.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Look, OsError, Sort, Stamp, Want};

type Kept = (Stamp, Arc<dyn Any + Send + Sync>);

/// What was made of files of one machine, by path. A file that was replaced or written is read again.
#[derive(Default)]
pub struct Cache {
    kept: Mutex<HashMap<String, Kept>>,
}

impl Cache {
    /// What `make` makes of a file of at most `limit` bytes; `None` when there is no file. One path always has one `T`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_file<T: Any + Send + Sync>(
        os: &dyn Look,
        path: &str,
        limit: u64,
        make: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<Arc<T>>, OsError> {
        let entry = os.entry(path, Want { follow: true, ..Want::default() })?;
        let Some(stamp) = entry.filter(|e| e.meta.sort == Sort::File).map(|e| e.meta.stamp) else {
            return Ok(None);
        };
        let cache = os.cache();
        let kept = cache.kept.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((then, made)) = kept
            && then == stamp
            && let Ok(made) = made.downcast::<T>()
        {
            return Ok(Some(made));
        }
        let Some(bytes) = os.read(path, limit, true)? else { return Ok(None) };
        let made = Arc::new(make(&bytes));
        // A file that changed between the two looks is kept under its old stamp, which no later look will find.
        let kept = (stamp, Arc::clone(&made) as Arc<dyn Any + Send + Sync>);
        cache.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), kept);
        Ok(Some(made))
    }
}
