//! The control store's connection pool and its migrations.

use crate::requests::Shapes;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};
use std::path::{Path, PathBuf};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened or made.
    #[error("cannot open the database {path}")]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database was made by a newer version, or a migration failed.
    #[error("cannot bring the database to this version's schema")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database refused a statement")]
    Sql(#[from] sqlx::Error),
    /// A row does not hold what its columns promise.
    #[error("corrupt data in {table}.{column}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What was to be made exists already.
    #[error("{what} exists already")]
    Conflict {
        /// What exists.
        what: &'static str,
    },
}

/// The control store. SQLite today; entity files use the SQL that PostgreSQL understands too.
#[derive(Clone, Debug)]
pub struct Db {
    pub(crate) pool: SqlitePool,
    /// One connection for what comes from the journal, opened when it is first used: its long statements and the
    /// pages it touches are kept in memory once, not in every connection.
    pub(crate) bulk: SqlitePool,
    /// One connection whose commits wait for the disk; opened when it is first used.
    pub(crate) durable: SqlitePool,
    pub(crate) shapes: Shapes,
}

impl Db {
    /// Opens the database in a file, makes it when it is missing, and brings its schema up to date.
    ///
    /// Several processes may have it open: readers never wait, writers wait for each other up to five
    /// seconds.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let pool = pool_of(4)
            .connect_with(options.clone())
            .await
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        MIGRATIONS.run(&pool).await.map_err(StoreError::Migrate)?;
        let bulk = pool_of(1).connect_lazy_with(options.clone());
        let durable = pool_of(1).connect_lazy_with(options.synchronous(SqliteSynchronous::Full));
        Ok(Self { pool, bulk, durable, shapes: Shapes::default() })
    }

    /// Writes what is pending into the main file and closes it.
    pub async fn close(self) {
        self.durable.close().await;
        self.bulk.close().await;
        self.pool.close().await;
    }
}

fn pool_of(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // When its disk is full, SQLite ends a transaction by itself. The library does not notice, fails to end it
        // once more, and would count the connection as within a transaction for ever.
        .before_acquire(|connection, _| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        })
}

const CHANGED: &str = "UPDATE configuration_generation SET generation = generation + 1 WHERE id = 1";

/// A change of the configuration: running gateways hear of it once it is committed.
pub(crate) struct Change(sqlx::Transaction<'static, sqlx::Sqlite>);

impl Change {
    pub(crate) async fn begin(db: &Db) -> Result<Self, StoreError> {
        Ok(Self(db.pool.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Runs a statement: how many rows it changed.
    pub(crate) async fn run(
        &mut self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<u64, StoreError> {
        Ok(query.execute(&mut *self.0).await?.rows_affected())
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query(CHANGED).execute(&mut *self.0).await?;
        Ok(self.0.commit().await?)
    }
}

/// What a column does not hold.
pub(crate) fn corrupt(table: &'static str, column: &'static str, reason: String) -> StoreError {
    StoreError::Corrupt { table, column, reason }
}

/// Reads an id column.
pub(crate) fn id<T: std::str::FromStr>(
    table: &'static str,
    column: &'static str,
    text: &str,
) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| corrupt(table, column, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_itself_spoils_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("test.db")).await.unwrap();
        for pool in std::iter::repeat_n([&db.pool, &db.bulk, &db.durable], 8).flatten() {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            // As SQLite does when its disk is full.
            sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        }
        Change::begin(&db).await.unwrap().commit().await.unwrap();
        db.durable.begin_with("BEGIN IMMEDIATE").await.unwrap().commit().await.unwrap();
    }
}
