//! The port for authors of resource types.

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Kind, Operation, Sources};
use sloth_core::machine::{ApplyError, Captured, Watch};
use sloth_core::observed::ProbeError;

use crate::os::{Look, Touch};

/// A wish, as an operation's arguments made it.
#[derive(Clone, Debug)]
pub struct Wish<S> {
    /// Id inside the type.
    pub id: String,
    /// The wish; contents are named by digest.
    pub spec: S,
    /// Contents the wish names.
    pub blobs: Vec<Blob>,
}

/// What an effect works with.
pub struct Work<'a> {
    /// The machine.
    pub os: &'a dyn Touch,
    /// Contents the wish names.
    pub blobs: &'a [Blob],
    /// Gets lines of output, may cancel.
    pub watch: &'a dyn Watch,
    /// Wait for the disk even for new files.
    pub durable: bool,
    notes: RefCell<Vec<String>>,
}

impl<'a> Work<'a> {
    /// What an effect works with.
    #[must_use]
    pub fn new(os: &'a dyn Touch, blobs: &'a [Blob], watch: &'a dyn Watch, durable: bool) -> Self {
        Self { os, blobs, watch, durable, notes: RefCell::default() }
    }
    /// A remark for the user.
    pub fn note(&self, text: impl Into<String>) {
        self.notes.borrow_mut().push(text.into());
    }
    /// Remarks made so far.
    #[must_use]
    pub fn into_notes(self) -> Vec<String> {
        self.notes.into_inner()
    }
    /// A content by digest.
    ///
    /// # Errors
    /// It did not come with the step.
    pub fn content(&self, digest: Digest) -> Result<&'a [u8], ApplyError> {
        self.blobs.iter().find(|b| b.digest() == digest).map(Blob::bytes).ok_or_else(|| {
            ApplyError::failed("taking the content", format!("{} did not come along", digest.short()))
        })
    }
}

/// One of several wishes that are brought about together.
pub struct Item<'a, S, T> {
    /// What its effect works with. All items have the same machine.
    pub work: &'a Work<'a>,
    /// Id inside the type.
    pub id: &'a str,
    /// The wish.
    pub spec: &'a S,
    /// What the decision was based on.
    pub live: Option<&'a T>,
}

/// [`Resource::apply`] of a type that brings several wishes about at once.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply_alone<R: Resource>(
    resource: &R,
    item: Item<'_, R::Spec, R::State>,
) -> Result<Option<R::State>, ApplyError> {
    resource.apply_together(&[item]).pop().unwrap_or(Err(ApplyError::Cancelled))
}

/// A type of resource. Everything is read through [`Look`] and changed through [`Touch`], so that planning can run the
/// same code on a rehearsal.
pub trait Resource: Send + Sync + 'static {
    /// What a user may ask for. A field left out is not managed.
    type Spec: Serialize + DeserializeOwned;
    /// What is true on a machine. This is what gets recorded.
    type State: Serialize + DeserializeOwned + PartialEq;

    /// What commands of this type do cannot be imagined: in a rehearsal, what applying returned is what later looks see.
    const OPAQUE: bool = false;

    /// Is something of its state known from the record only?
    const REMEMBERS: bool = false;
    /// The keys of a wish are the attributes of the state, so that a wish can be narrowed to some of them.
    const NARROWS: bool = false;

    /// Path of the file on the machine a resource lives in, when it lives in one.
    fn path(id: &str) -> Option<&str> {
        let _ = id;
        None
    }
    /// Name, attributes, documentation.
    fn kind(&self) -> &'static Kind;
    /// Operations that wish for this type, by name.
    fn operations(&self) -> &'static [Operation];
    /// Turns arguments into a wish, or into several that are brought about together where an operation takes a list.
    ///
    /// # Errors
    /// The arguments make no sense together, or a source cannot be read.
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Wish<Self::Spec>>, ArgError>;

    /// Reads the live resource; `None` means that it is not there. Changes nothing.
    ///
    /// # Errors
    /// It cannot be told what is there.
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&Self::Spec>,
        recorded: Option<&Self::State>,
    ) -> Result<Option<Self::State>, ProbeError>;
    /// Names of the attributes a wish manages.
    fn managed(&self, spec: &Self::Spec) -> Vec<&'static str>;
    /// Compares wish and reality attribute by attribute. Pure.
    fn diff(&self, spec: &Self::Spec, live: Option<&Self::State>) -> Diff;
    /// Adds text to a difference that is not empty, where contents are at hand.
    fn explain(&self, _: &dyn Look, _: &str, _: &Self::Spec, _: &[Blob], _: &mut Diff) {}
    /// Brings the wish about and returns what is true now. `live` is what the decision was based on; refuses with
    /// [`ApplyError::Moved`] when something else is there. Safe to repeat.
    ///
    /// # Errors
    /// See [`ApplyError`].
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &Self::Spec,
        live: Option<&Self::State>,
    ) -> Result<Option<Self::State>, ApplyError>;
    /// Brings several wishes about that one call asked for. One answer per item, in order.
    fn apply_together(
        &self,
        items: &[Item<'_, Self::Spec, Self::State>],
    ) -> Vec<Result<Option<Self::State>, ApplyError>> {
        items.iter().map(|i| self.apply(i.work, i.id, i.spec, i.live)).collect()
    }
    /// Removes it and returns what is left, if something has to stay. Removing what is gone succeeds.
    ///
    /// # Errors
    /// See [`ApplyError`].
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&Self::State>,
    ) -> Result<Option<Self::State>, ApplyError>;
    /// The wish that reproduces a state completely, and the contents it names.
    fn wish_for(&self, id: &str, state: Option<&Self::State>) -> (Self::Spec, Vec<Digest>);
    /// Contents that are there, by digest, before they are destroyed.
    ///
    /// # Errors
    /// They cannot be read.
    fn capture(&self, _: &dyn Look, _: &str, _: &Self::State) -> Result<Captured, ProbeError> {
        Ok(Captured::default())
    }
}
