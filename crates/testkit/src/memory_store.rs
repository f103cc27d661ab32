//! The store in memory: the specification of the port.
