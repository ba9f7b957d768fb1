//! SQLite: users, sessions, audit, operations. One file per table group; SQL is nowhere else.
//!
//! WAL with `synchronous=FULL`: an acknowledged write survives power loss. One connection writes, several read. Who takes
//! the writing connection finds it at FULL, whatever the one before did; closing an audit entry is the one to lower it.

use std::{path::Path, sync::Arc, time::Duration};

use runtime::error::{Error, Result};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub mod api_tokens;
pub mod audit;
pub mod builds;
pub mod operations;
pub mod registries;
pub mod sessions;
pub mod settings;
pub mod teams;
pub mod usage;
pub mod users;
pub mod wholeness;

/// The database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    /// Many readers.
    pub(in crate::db) read: SqlitePool,
    /// The one writer.
    pub(in crate::db) write: SqlitePool,
    /// Where the audit's chains of hashes end.
    pub(in crate::db) chains: Arc<audit::Chains>,
    /// How far they were checked.
    pub(in crate::db) checked: Arc<wholeness::Checked>,
}

impl Db {
    /// Opens or makes the file and brings its schema up to date.
    ///
    /// # Errors
    /// When the file can't be opened, is damaged, or was written by a newer version.
    pub async fn open(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let wrong = |error: sqlx::Error| {
            Error::internal(
                format!("the database {} can't be opened; restore it from a copy or move it away", file.display()),
                error,
            )
        };
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    sqlx::query("PRAGMA synchronous = FULL").execute(connection).await?;
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(wrong)?;
        sqlx::migrate!("../migrations").run(&write).await.map_err(|error| {
            Error::internal(
                format!(
                    "the database {} can't be brought up to date; it may belong to a newer Darsena",
                    file.display()
                ),
                error,
            )
        })?;
        let read =
            SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await.map_err(wrong)?;
        Ok(Self { read, write, chains: Arc::default(), checked: Arc::default() })
    }
}

/// A failed query, which is a defect or a broken disk; the client learns only that.
pub(crate) fn failed(error: sqlx::Error) -> Error {
    Error::internal("the database did not answer as it should", error)
}
