//! Builds the data plane's [`Snapshot`] and tells when it is out of date.

use crate::db::{Db, StoreError};
use domain::{Configuration, Snapshot};

const GENERATION: &str = "SELECT generation FROM configuration_generation WHERE id = 1";

impl Db {
    /// The number of the present configuration; it rises with every change, by whichever process.
    pub async fn generation(&self) -> Result<i64, StoreError> {
        let (generation,): (i64,) = sqlx::query_as(GENERATION).fetch_one(&self.pool).await?;
        Ok(generation)
    }

    /// Reads the whole configuration. The generation is read first: a change in between makes the snapshot
    /// look older than it is and be read again, never newer.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let generation = self.generation().await?;
        let (keys, limits, rates) = (self.keys().await?, self.limits().await?, self.rate_limits().await?);
        let prices = self.model_prices().await?;
        Ok(Snapshot::new(generation, Configuration { keys, limits, rates, prices }))
    }
}
