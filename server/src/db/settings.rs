//! Single facts: `settings`.

use runtime::error::Result;
use sqlx::Row as _;

use super::{Db, failed};

impl Db {
    /// A fact, if it is known.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT value FROM settings WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Records a fact.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(())
    }
}
