//! What every store must obey.
