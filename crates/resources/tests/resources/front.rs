//! Stand-ins for programs, in front of any system.

use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_resources::os::Touch;
use sloth_resources::os::around::Around;

/// Programs that keep what they know in files of the system they stand in front of.
pub trait Programs: Send + Sync {
    /// Runs a command; `None` when it is another program.
    fn answer(&self, os: &dyn Touch, command: &Command) -> Option<CommandOutput>;
}

/// A system with such programs.
pub struct Front<P> {
    pub inner: Arc<dyn Touch>,
    pub programs: P,
}

/// What a program left.
pub fn exit(exit_code: i32, stdout: String, stderr: &str) -> CommandOutput {
    CommandOutput { exit_code, stdout, stderr: stderr.to_owned(), timed_out: false }
}

impl<P: Programs> Around for Front<P> {
    fn inner(&self) -> &dyn Touch {
        &*self.inner
    }
    fn answer(&self, command: &Command) -> Option<CommandOutput> {
        self.programs.answer(&*self.inner, command)
    }
}
