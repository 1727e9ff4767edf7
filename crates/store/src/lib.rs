//! All persistence: the only crate with SQL, and one without policy.
//!
//! [`Db`] is the control store. Entity files ([`keys`], [`limits`], [`organizations`], [`requests`]) hold their SQL at the
//! top and parse rows into domain types, so corrupt data is found here. "Not found" is `Ok(None)`.

mod db;
pub mod keys;
pub mod limits;
pub mod organizations;
pub mod requests;
pub mod snapshot;

pub use db::{Db, StoreError};
