//! One stack of an opened database.

use sloth_core::address::Address;
use sloth_core::body::Registration;
use sloth_core::desired::Options;
use sloth_core::drift::Finding;
use sloth_core::id::StackId;
use sloth_core::lease::Lease;
use sloth_core::output::Output;
use sloth_core::recorded::Recorded;
use sloth_core::stack::Stack;
use sloth_core::store::VersionAt;
use sloth_core::value::Value;
use sloth_core::version::{Version, VersionInfo};
use sloth_engine::by_hand::{self, Edit};
use sloth_engine::drift::DriftReport;
use sloth_engine::goal::{CarryOut, Goal, Prepared, carry_out, prepare};
use sloth_engine::stacks::{self, Comparison, LockOptions};
use sloth_engine::{EngineError, RunReport, tags};

use crate::error::Error;
use crate::sloth::Sloth;

/// One stack. Holds nothing but its identity: every call reads what is so now.
#[derive(Clone)]
pub struct StackHandle<'s> {
    sloth: &'s Sloth,
    id: StackId,
}

impl std::fmt::Debug for StackHandle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StackHandle").field(&self.id).finish()
    }
}

impl<'s> StackHandle<'s> {
    pub(crate) const fn new(sloth: &'s Sloth, id: StackId) -> Self {
        Self { sloth, id }
    }
    /// What the functions of the engine take as the name of a stack.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }
    /// The stack as it is now.
    ///
    /// # Errors
    /// It was deleted, or the store failed.
    pub fn get(&self) -> Result<Stack, Error> {
        Ok(stacks::find(&*self.sloth.context().store.view()?, self.id())?)
    }

    /// Records a resource that somebody else looks after, or changes what is recorded of it.
    ///
    /// # Errors
    /// Kind and name make no address, it is a resource this program looks after, somebody holds the stack, or the store
    /// failed.
    pub fn register(&self, kind: &str, name: &str, properties: Value) -> Result<Address, Error> {
        let entry = Registration {
            kind: kind.to_owned(),
            name: name.to_owned(),
            module: kind.to_owned(),
            properties,
            dependencies: Vec::new(),
            applied: true,
            options: Options::default(),
        };
        self.edit(Edit { register: vec![entry], ..Edit::default() })?;
        Ok(Address::local(kind, name))
    }
    /// Sets an output.
    ///
    /// # Errors
    /// Somebody holds the stack, or the store failed.
    pub fn set_output(&self, name: &str, value: Value) -> Result<(), Error> {
        let output = Output { name: name.to_owned(), value, sensitive: false };
        self.edit(Edit { outputs: vec![output], ..Edit::default() })?;
        Ok(())
    }
    /// Several changes of the record as one version; `None` when everything was so already.
    ///
    /// # Errors
    /// Those of [`by_hand::edit`].
    pub fn edit(&self, edit: Edit) -> Result<Option<Version>, Error> {
        Ok(by_hand::edit(self.sloth.context(), self.id(), edit)?)
    }
    /// What is recorded, by address.
    ///
    /// # Errors
    /// The store failed.
    pub fn resources(&self) -> Result<Vec<Recorded>, Error> {
        Ok(self.sloth.context().store.view()?.resource_list(&self.id, VersionAt::Head)?)
    }
    /// What the stack offers, by name.
    ///
    /// # Errors
    /// The store failed.
    pub fn outputs(&self) -> Result<Vec<Output>, Error> {
        Ok(self.sloth.context().store.view()?.output_list(&self.id, VersionAt::Head)?)
    }

    /// Makes a version on request.
    ///
    /// # Errors
    /// Somebody holds the stack, or the store failed.
    pub fn snapshot(&self, description: &str) -> Result<Version, Error> {
        let made = stacks::snapshot_create(self.sloth.context(), self.id(), description, None, &[])?;
        Ok(made.version)
    }
    /// All versions, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn versions(&self) -> Result<Vec<VersionInfo>, Error> {
        Ok(self.sloth.context().store.view()?.version_list(&self.id, 0)?)
    }
    /// What differs between two versions.
    ///
    /// # Errors
    /// One of them does not exist, or the store failed.
    pub fn compare(&self, from: Version, to: Version) -> Result<Comparison, Error> {
        let view = self.sloth.context().store.view()?;
        Ok(stacks::compare(&*view, &stacks::find(&*view, self.id())?, from, to)?)
    }
    /// What going back to a version would take. Touches nothing.
    ///
    /// # Errors
    /// There is no such version, or the store failed.
    pub fn plan_restore(&self, version: Version) -> Result<Prepared, Error> {
        Ok(prepare(self.sloth.context(), self.id(), Goal::Version(version))?)
    }
    /// Goes back to a version: the record, and what it says about this host. Makes a new version.
    ///
    /// # Errors
    /// There is no such version, something is in the way, or going back failed.
    pub fn restore(&self, version: Version) -> Result<RunReport, Error> {
        self.carry_out(self.plan_restore(version)?)
    }
    /// Removes everything the stack made and puts back what was there before, then the record.
    ///
    /// # Errors
    /// Something is protected or cannot be read, or removing failed.
    pub fn destroy(&self) -> Result<RunReport, Error> {
        self.carry_out(prepare(self.sloth.context(), self.id(), Goal::Nothing)?)
    }

    /// Looks at every recorded resource and compares it with the record. Writes nothing to any host.
    ///
    /// # Errors
    /// The store failed.
    pub fn detect_drift(&self) -> Result<DriftReport, Error> {
        Ok(sloth_engine::drift::detect(self.sloth.context(), self.id())?)
    }
    /// Takes down what was seen of a registered resource, compared attribute by attribute with what was expected; see
    /// [`by_hand::report`].
    ///
    /// # Errors
    /// The stack has no such resource, or looks at it by itself; somebody holds the stack, or the store failed.
    pub fn report_drift(
        &self,
        address: &Address,
        expected: &Value,
        actual: &Value,
    ) -> Result<Finding, Error> {
        let (expected, actual) = (Some(expected.clone()), actual.clone());
        Ok(by_hand::report(self.sloth.context(), self.id(), address, expected, actual)?)
    }
    /// What the last looks found, by address.
    ///
    /// # Errors
    /// The store failed.
    pub fn drift(&self) -> Result<Vec<Finding>, Error> {
        Ok(self.sloth.context().store.view()?.drift_latest(&self.id)?)
    }
    /// Brings everything back to the record.
    ///
    /// # Errors
    /// Something cannot be read, or putting it right failed.
    pub fn fix_drift(&self) -> Result<RunReport, Error> {
        self.carry_out(prepare(self.sloth.context(), self.id(), Goal::Record { only: Vec::new() })?)
    }

    /// Gives the stack a tag. Returns whether it is new.
    ///
    /// # Errors
    /// It cannot be a tag, somebody holds the stack, or the store failed.
    pub fn add_tag(&self, tag: &str) -> Result<bool, Error> {
        Ok(tags::add(self.sloth.context(), self.id(), tag)?)
    }
    /// Takes a tag away. Returns whether it was there.
    ///
    /// # Errors
    /// Somebody holds the stack, or the store failed.
    pub fn remove_tag(&self, tag: &str) -> Result<bool, Error> {
        Ok(tags::remove(self.sloth.context(), self.id(), tag)?)
    }
    /// Gives a version a tag, which stands for it and keeps it from being removed. Returns whether anything changed.
    ///
    /// # Errors
    /// It cannot be such a tag, there is no such version, somebody holds the stack, or the store failed.
    pub fn tag_version(&self, tag: &str, version: Version) -> Result<bool, Error> {
        Ok(tags::add_to_version(self.sloth.context(), self.id(), tag, version)?)
    }
    /// Takes a tag away from the version it stands for, which is returned.
    ///
    /// # Errors
    /// Somebody holds the stack, or the store failed.
    pub fn untag_version(&self, tag: &str) -> Result<Option<Version>, Error> {
        Ok(tags::remove_from_version(self.sloth.context(), self.id(), tag)?)
    }
    /// The tags, in alphabetical order.
    ///
    /// # Errors
    /// The store failed.
    pub fn tags(&self) -> Result<Vec<String>, Error> {
        Ok(self.get()?.tags())
    }

    /// Locks the stack until [`StackHandle::unlock`] or its end. [`Sloth::holding`] admits the owner.
    ///
    /// # Errors
    /// Somebody else holds it, or the store failed.
    pub fn lock(&self, options: LockOptions) -> Result<Lease, Error> {
        Ok(stacks::lock_acquire(self.sloth.context(), self.id(), options)?)
    }
    /// Gives a lock back.
    ///
    /// # Errors
    /// It is not held any more, or the store failed.
    pub fn unlock(&self, lock: &Lease) -> Result<(), Error> {
        let context = self.sloth.context();
        stacks::lock_release(context, self.id(), Some(&lock.id), &context.actor.name)?;
        Ok(())
    }

    /// A failure that left something undone is an error here; what was done is recorded.
    fn carry_out(&self, prepared: Prepared) -> Result<RunReport, Error> {
        let report = carry_out(self.sloth.context(), prepared, &CarryOut::default())?;
        match report.error {
            Some(error) => Err(EngineError::Refused(error).into()),
            None => Ok(report),
        }
    }
}
