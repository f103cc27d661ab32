//! A scripted machine.
