//! What the texts of a system say: pure readers and editors, text in, facts out. They look at no machine.

pub mod accounts;
pub mod authorized_keys;
pub mod dpkg;
pub mod host;
pub mod known_hosts;
pub mod systemd;
