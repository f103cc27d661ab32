//! In which order resources are made; the reverse is the order in which they are removed.

use sloth_core::deps::{Dependencies, Node};
use sloth_core::recorded::Recorded;

/// Sorts records as [`Dependencies::creation_order`] says.
pub(crate) fn creation_order<'a>(records: impl Iterator<Item = &'a Recorded>) -> Vec<usize> {
    let items: Vec<Node<'_>> = records.map(Node::of).collect();
    Dependencies::build(&items).creation_order()
}
