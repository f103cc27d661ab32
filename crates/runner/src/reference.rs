//! Writes `docs/reference/` from the code, and fails when it is not what the code says.
