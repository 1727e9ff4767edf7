//! All persistence: the only crate with SQL, and one without policy.
//!
//! [`Db`] is the control store. Entity files ([`keys`], [`limits`], [`organizations`], [`requests`]) hold their SQL at the
//! top and parse rows into domain types, so corrupt data is found here. "Not found" is `Ok(None)`.

pub mod apply;
pub mod balances;
pub mod budgets;
mod db;
pub mod failpoint;
pub mod idempotency;
pub mod journal;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod organizations;
pub mod prices;
pub mod requests;
pub mod snapshot;
pub mod usage;

pub use apply::{Applier, ApplyError};
pub use budgets::{Budgets, Hold, Overrun};
pub use db::{Db, StoreError};
pub use idempotency::{IdempotencyStep, StoredAnswer, Taken, TakenState};
pub use journal::{Journal, JournalError};
