//! The records of a stack as a run sees them. There may be thousands and most are looked at once, so they are kept as their
//! texts and taken apart when somebody asks.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use sloth_core::address::Address;
use sloth_core::recorded::Recorded;
use sloth_core::recorded_body::RecordedBody;
use sloth_core::store::{StoreError, VersionAt, View};

/// All records of one stack, by address.
#[derive(Default)]
pub(crate) struct Records {
    bodies: HashMap<Address, Arc<RecordedBody>>,
    /// Where they come from, for messages.
    location: String,
}

impl Records {
    /// What a view shows of a stack.
    pub fn load(
        view: &dyn View,
        stack: &sloth_core::id::StackId,
        location: String,
    ) -> Result<Self, StoreError> {
        let mut bodies = HashMap::new();
        view.resource_bodies(stack, VersionAt::Head, &mut |body| {
            bodies.insert(body.address().clone(), Arc::new(body));
        })?;
        Ok(Self { bodies, location })
    }
    /// The record of an address.
    ///
    /// # Errors
    /// It is damaged.
    pub fn get(&self, address: &Address) -> Result<Option<Arc<Recorded>>, StoreError> {
        self.bodies.get(address).map(|body| self.open(body).map(Arc::new)).transpose()
    }
    /// Is there one?
    pub fn contains(&self, address: &Address) -> bool {
        self.bodies.contains_key(address)
    }
    /// Every address, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.bodies.keys()
    }
    /// Every record as it is kept, in no order.
    pub fn bodies(&self) -> Vec<Arc<RecordedBody>> {
        self.bodies.values().cloned().collect()
    }
    /// Every record, in no order.
    ///
    /// # Errors
    /// One of them is damaged.
    pub fn all(&self) -> Result<Vec<Recorded>, StoreError> {
        self.bodies.values().map(|body| self.open(body)).collect()
    }
    /// Sees a record from now on.
    pub fn put(&mut self, body: Arc<RecordedBody>) {
        self.bodies.insert(body.address().clone(), body);
    }
    /// Does not see it any more.
    pub fn remove(&mut self, address: &Address) {
        self.bodies.remove(address);
    }
    fn open(&self, body: &RecordedBody) -> Result<Recorded, StoreError> {
        body.record().map_err(|error| StoreError::Damaged {
            location: self.location.clone(),
            what: format!("the record of `{}`: {error}", body.address()),
        })
    }
}
