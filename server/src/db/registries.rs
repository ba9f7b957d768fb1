//! What registries are told of us: `registry_credentials`. Secrets come here sealed.

use jiff::Timestamp;
use runtime::error::Result;
use sqlx::Row as _;

use super::{Db, failed};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRow {
    /// The registry, as in image names.
    pub host: String,
    /// The name it knows us by.
    pub user: String,
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// When it was added, microseconds since 1970.
    pub added_at: i64,
    /// Who added it.
    pub added_by: String,
}

impl Db {
    /// All of them, by host.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn registries(&self) -> Result<Vec<RegistryRow>> {
        let rows = sqlx::query("SELECT * FROM registry_credentials ORDER BY host").fetch_all(&self.read).await;
        Ok(rows.map_err(failed)?.iter().map(read).collect())
    }

    /// The one for a host.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn registry(&self, host: &str) -> Result<Option<RegistryRow>> {
        let row = sqlx::query("SELECT * FROM registry_credentials WHERE host = ?")
            .bind(host)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// Keeps one, instead of the one the host had.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_registry(&self, host: &str, user: &str, secret: &[u8], by: &str) -> Result<()> {
        sqlx::query(
            "INSERT OR REPLACE INTO registry_credentials (host, user, secret, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(host)
        .bind(user)
        .bind(secret)
        .bind(Timestamp::now().as_microsecond())
        .bind(by)
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Removes one. Says whether it was there.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn remove_registry(&self, host: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM registry_credentials WHERE host = ?").bind(host).execute(&self.write).await;
        Ok(done.map_err(failed)?.rows_affected() > 0)
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> RegistryRow {
    RegistryRow {
        host: row.get("host"),
        user: row.get("user"),
        secret: row.get("secret"),
        added_at: row.get("added_at"),
        added_by: row.get("added_by"),
    }
}
