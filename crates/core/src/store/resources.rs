use super::{StoreError, VersionAt};
use crate::address::Address;
use crate::id::StackId;
use crate::recorded::{Recorded, RecordedText};
use crate::recorded_body::RecordedBody;

/// Reads records of resources.
pub trait ReadResources {
    /// One record. In a view: as of the sealed head or `at`; in a transaction [`VersionAt::Head`] includes pending rows.
    ///
    /// # Errors
    /// The store failed.
    fn resource_get(
        &self,
        stack: &StackId,
        address: &Address,
        at: VersionAt,
    ) -> Result<Option<Recorded>, StoreError>;
    /// All records of a stack, by address.
    ///
    /// # Errors
    /// The store failed.
    fn resource_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Recorded>, StoreError>;
    /// The same, one after the other and as they are kept.
    ///
    /// # Errors
    /// The store failed; what was given out until then was right.
    fn resource_bodies(
        &self,
        stack: &StackId,
        at: VersionAt,
        each: &mut dyn FnMut(RecordedBody),
    ) -> Result<(), StoreError> {
        self.resource_list(stack, at)?.iter().map(RecordedBody::of).for_each(each);
        Ok(())
    }
    /// The same, one after the other and for showing: nothing in them is taken apart.
    ///
    /// # Errors
    /// The store failed; what was given out until then was right.
    fn resource_texts(
        &self,
        stack: &StackId,
        at: VersionAt,
        each: &mut dyn FnMut(RecordedText),
    ) -> Result<(), StoreError> {
        self.resource_list(stack, at)?.into_iter().map(RecordedText::from).for_each(each);
        Ok(())
    }
    /// Records at the head of all stacks whose id is this one, whatever their type and host, by stack name and address:
    /// each with the id of its stack.
    ///
    /// # Errors
    /// The store failed.
    fn resource_named(&self, id: &str) -> Result<Vec<(StackId, RecordedText)>, StoreError>;
    /// Number of records at the head.
    ///
    /// # Errors
    /// The store failed.
    fn resource_count(&self, stack: &StackId) -> Result<u64, StoreError>;
    /// Which other stack (not deleted, pending rows included) records each of these addresses; answers only for those
    /// that are recorded elsewhere: address and stack name.
    ///
    /// # Errors
    /// The store failed.
    fn resource_owners(
        &self,
        except: &StackId,
        addresses: &[&Address],
    ) -> Result<Vec<(Address, String)>, StoreError>;
}

/// Writes records. All belong to the stack of the transaction's intent and to its pending version.
pub trait WriteResources {
    /// Inserts or replaces a record.
    ///
    /// # Errors
    /// The store failed.
    fn resource_put(&mut self, recorded: &Recorded) -> Result<(), StoreError> {
        self.resource_put_body(&RecordedBody::of(recorded))
    }
    /// The same, of a record as it is kept.
    ///
    /// # Errors
    /// The store failed, or the text is not that of a record.
    fn resource_put_body(&mut self, body: &RecordedBody) -> Result<(), StoreError>;
    /// Ends a record. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn resource_remove(&mut self, address: &Address) -> Result<bool, StoreError>;
}
