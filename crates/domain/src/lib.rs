//! Words and rules of Signalbox: pure values, no I/O, no async, no wire shapes.
//!
//! Every other crate speaks in these types. Nothing here knows HTTP, SQL or JSON.
#![deny(missing_docs)]

pub mod catalog;
pub mod id;
pub mod idempotency;
pub mod key;
pub mod limit;
pub mod model;
pub mod money;
pub mod org;
pub mod pricing;
pub mod principal;
pub mod provider;
pub mod record;
pub mod secret;
pub mod snapshot;
pub mod terms;
pub mod time;
pub mod usage;

pub use catalog::{Capabilities, Catalog, Mode, Model};
pub use id::{AttemptId, GroupId, KeyId, OrgId, ProjectId, RequestId, ServiceAccountId, UserId};
pub use idempotency::{Claim, Fingerprint, IdempotencyKey, IdempotencyKeyError};
pub use key::{Access, ApiKey, KeyHash, KeyState, NewKey, Permissions};
pub use limit::{Enforcement, Limit, RateLimit, Scope, Window, Windows};
pub use model::{ModelId, ModelIdError};
pub use money::{Factor, Money, Price};
pub use org::Organization;
pub use pricing::{Ceiling, ModelPrice, PriceTier, cost};
pub use principal::{Account, Principal};
pub use provider::{ProviderKind, ProviderName};
pub use record::{AttemptRecord, RequestRecord};
pub use secret::Secret;
pub use snapshot::{Configuration, Snapshot};
pub use terms::{Demand, RegionDemand, Terms, Tier, TierDemand, Told, Unpriced};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use usage::{Usage, UsageSource};
