//! Outputs, with the same history by row as resources.

use sloth_core::id::StackId;
use sloth_core::output::Output;
use sloth_core::store::{ReadOutputs, StoreError, VersionAt, WriteOutputs};
use sloth_core::value::to_value;

use crate::named::OUTPUTS;
use crate::session::Session;

impl ReadOutputs for Session<'_> {
    fn output_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Output>, StoreError> {
        self.shared.told(self.list_named(OUTPUTS, stack, at))
    }
}

impl WriteOutputs for Session<'_> {
    fn output_put(&mut self, output: &Output) -> Result<(), StoreError> {
        let done = self.put_named(OUTPUTS, &output.name, &to_value(output));
        self.shared.told(done)
    }
    fn output_remove(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = self.remove_named(OUTPUTS, name);
        self.shared.told(done)
    }
}
