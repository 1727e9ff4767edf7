//! What organizations pay for models otherwise than the catalogue says. Every change raises the configuration's generation.

use crate::db::{Change, Db, StoreError, id};
use domain::pricing::TokenPrices;
use domain::{Money, OrgId, Price};

const ALL: &str = "SELECT org_id, model, input_nano, output_nano, cache_read_nano, cache_write_nano \
     FROM model_prices ORDER BY org_id, model";
const SET: &str = "INSERT INTO model_prices \
     (org_id, model, input_nano, output_nano, cache_read_nano, cache_write_nano) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (org_id, model) DO UPDATE SET input_nano = excluded.input_nano, output_nano = excluded.output_nano, \
     cache_read_nano = excluded.cache_read_nano, cache_write_nano = excluded.cache_write_nano";
const REMOVE: &str = "DELETE FROM model_prices WHERE org_id = $1 AND model = $2";

type Row = (String, String, i64, i64, Option<i64>, Option<i64>);

impl Db {
    /// All prices of all organizations, by the model's full name.
    pub async fn model_prices(&self) -> Result<Vec<(OrgId, String, TokenPrices)>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(ALL).fetch_all(&self.pool).await?;
        rows.into_iter().map(prices).collect()
    }

    /// Sets what an organization pays for a model, in place of what it paid. Of the prices, those of input, output and the
    /// cache are kept.
    pub async fn set_model_price(
        &self,
        org: OrgId,
        model: &str,
        price: TokenPrices,
    ) -> Result<(), StoreError> {
        let nano = |price: Price| price.amount_per_million().nano();
        let query = sqlx::query(SET)
            .bind(org.to_string())
            .bind(model.to_owned())
            .bind(nano(price.input))
            .bind(nano(price.output))
            .bind(price.cache_read.map(nano))
            .bind(price.cache_write.map(nano));
        let mut change = Change::begin(self).await?;
        change.run(query).await?;
        change.commit().await
    }

    /// Lets the catalogue's price count again. `false`: it did.
    pub async fn remove_model_price(&self, org: OrgId, model: &str) -> Result<bool, StoreError> {
        let query = sqlx::query(REMOVE).bind(org.to_string()).bind(model.to_owned());
        let mut change = Change::begin(self).await?;
        let rows = change.run(query).await?;
        change.commit().await?;
        Ok(rows > 0)
    }
}

fn prices((org, model, input, output, read, write): Row) -> Result<(OrgId, String, TokenPrices), StoreError> {
    let price = |nano: i64| Price::per_million(Money::from_nano(nano));
    let prices = TokenPrices {
        input: price(input),
        output: price(output),
        cache_read: read.map(price),
        cache_write: write.map(price),
        ..TokenPrices::default()
    };
    Ok((id("model_prices", "org_id", &org)?, model, prices))
}
