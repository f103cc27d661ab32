use super::StoreError;
use crate::value_entry::ValueEntry;

/// Reads key-value state. Entries whose time is over are not there.
pub trait ReadValues {
    /// One entry.
    ///
    /// # Errors
    /// The store failed.
    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, StoreError>;
    /// Entries whose key begins with `prefix`, by key. `None` reads every scope.
    ///
    /// # Errors
    /// The store failed.
    fn value_list(&self, scope: Option<&str>, prefix: &str) -> Result<Vec<ValueEntry>, StoreError>;
    /// Held key-value locks: name, holder, end.
    ///
    /// # Errors
    /// The store failed.
    fn value_locks(&self) -> Result<Vec<(String, String, crate::clock::Timestamp)>, StoreError>;
}

/// Writes key-value state.
pub trait WriteValues {
    /// Inserts or replaces; `created_at` of an existing entry is kept and its revision grows.
    ///
    /// # Errors
    /// The store failed.
    fn value_put(&mut self, entry: &ValueEntry) -> Result<(), StoreError>;
    /// Removes one. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn value_remove(&mut self, scope: &str, key: &str) -> Result<bool, StoreError>;
    /// Takes a named lock for `life` unless somebody else holds it; says whether it was taken or renewed. A store that many
    /// hosts share measures that on its own clock.
    ///
    /// # Errors
    /// The store failed.
    fn value_lock(&mut self, name: &str, holder: &str, life: std::time::Duration)
    -> Result<bool, StoreError>;
    /// Gives a named lock back; false when `holder` does not hold it.
    ///
    /// # Errors
    /// The store failed.
    fn value_unlock(&mut self, name: &str, holder: &str) -> Result<bool, StoreError>;
}
