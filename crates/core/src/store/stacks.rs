use super::StoreError;
use crate::id::StackId;
use crate::past::Past;
use crate::stack::Stack;
use crate::version::Version;

/// What a text names.
#[derive(Clone, Debug, PartialEq)]
pub enum StackMatch {
    /// Nothing.
    None,
    /// One stack.
    One(Box<Stack>),
    /// Several ids begin with it; their names.
    Many(Vec<String>),
}

/// Reads stacks.
pub trait ReadStacks {
    /// By exact name, else by exact id, else by unique prefix of an id of at least four characters. Deleted ones are not found.
    ///
    /// # Errors
    /// The store failed.
    fn stack_find(&self, text: &str) -> Result<StackMatch, StoreError>;
    /// By id; deleted ones are found too.
    ///
    /// # Errors
    /// The store failed.
    fn stack_get(&self, id: &StackId) -> Result<Option<Stack>, StoreError>;
    /// All that are not deleted, by name.
    ///
    /// # Errors
    /// The store failed.
    fn stack_list(&self) -> Result<Vec<Stack>, StoreError>;
}

/// Writes stacks.
pub trait WriteStacks {
    /// Makes a stack. `head` must be zero.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    fn stack_insert(&mut self, stack: &Stack) -> Result<(), StoreError>;
    /// Makes a stack with its whole history, in a transaction that is about no stack. Returns its head. The versions form
    /// a chain of this store; what each of them wrote and removed is found by comparing it with the one before.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name, the id or a run's id is taken, or the transaction is about a stack.
    fn stack_plant(&mut self, past: &Past) -> Result<Version, StoreError>;
    /// Overwrites everything but id, head and fence.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the new name is taken or the stack does not exist.
    fn stack_update(&mut self, stack: &Stack) -> Result<(), StoreError>;
    /// Puts a stack into the trash: invisible, name free again, nothing lost.
    ///
    /// # Errors
    /// The store failed.
    fn stack_trash(&mut self, id: &StackId) -> Result<(), StoreError>;
    /// Takes a stack out of the trash.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its name was taken meanwhile.
    fn stack_untrash(&mut self, id: &StackId) -> Result<(), StoreError>;
}
