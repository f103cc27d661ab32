//! What was found in databases of the Go program that this one replaces.

use crate::past::Past;
use crate::value_entry::ValueEntry;

/// A row, or several of one table, that is not taken over.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// File.
    pub file: String,
    /// Table.
    pub table: String,
    /// Key or name of the row; empty when it is about all rows of the table.
    pub what: String,
    /// Why.
    pub reason: String,
    /// How many rows.
    pub rows: u64,
}

/// A stack that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The stack with its history. Its name is the one in the file, whatever that looks like.
    pub past: Past,
    /// Id in the file: of the stack, or of the oldest execution of the workflow.
    pub id: String,
    /// Is it a workflow of `state.db`, whose executions became runs?
    pub workflow: bool,
    /// Did the program make it for itself, to keep account of something?
    pub internal: bool,
    /// File.
    pub file: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Legacy {
    /// Stacks, in the order of their files and names.
    pub stacks: Vec<Found>,
    /// Values, by scope and key, each with the file it is in.
    pub values: Vec<(ValueEntry, String)>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
    /// What is taken over in another form than it had.
    pub notes: Vec<String>,
}

/// Metadata key under which a stack keeps where it came from: `id` and `file`, and what else is known of it.
pub const MIGRATED: &str = "migrated";
