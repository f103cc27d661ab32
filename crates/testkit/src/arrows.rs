//! The crate graph, checked.
