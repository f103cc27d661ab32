//! The store on a PostgreSQL server.

mod link;
mod pool;
mod refusal;
mod schema;
mod store;
mod tls;

pub use link::{Link, Row, Rows, Statement};
pub use pool::Pool;
pub use refusal::{Meaning, Refusal};
pub use schema::expected_tables;
pub use store::{Lent, ServerStore};
