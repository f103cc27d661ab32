//! A hermetic environment for running the binary.
