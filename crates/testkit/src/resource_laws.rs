//! What every resource type must obey.
