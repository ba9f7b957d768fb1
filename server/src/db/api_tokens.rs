//! What programs sign in with: `api_tokens`.

use runtime::error::{Error, Result};
use sqlx::Row as _;

use super::{Db, failed};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenRow {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// What it is for.
    pub name: String,
    /// Of its secret.
    pub hash: Vec<u8>,
    /// `view` or `operate`.
    pub rights: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub used_at: Option<i64>,
    /// Microseconds since 1970.
    pub expires_at: Option<i64>,
}

impl Db {
    /// Records a new token; answers its number.
    ///
    /// # Errors
    /// `Conflict` when this person has one of that name.
    pub async fn add_api_token(&self, row: &ApiTokenRow) -> Result<i64> {
        let done = sqlx::query(
            "INSERT INTO api_tokens (user_id, name, token_hash, rights, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(row.user_id)
        .bind(&row.name)
        .bind(&row.hash)
        .bind(&row.rights)
        .bind(row.created_at)
        .bind(row.expires_at)
        .execute(&self.write)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Error::conflict(format!("there is a token named {} already", row.name))
            }
            _ => failed(error),
        })?;
        Ok(done.last_insert_rowid())
    }

    /// One token, expired or not.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn api_token(&self, id: i64) -> Result<Option<ApiTokenRow>> {
        let row = sqlx::query("SELECT * FROM api_tokens WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// A person's tokens, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn api_tokens_of(&self, user_id: i64) -> Result<Vec<ApiTokenRow>> {
        let rows = sqlx::query("SELECT * FROM api_tokens WHERE user_id = ? ORDER BY id DESC")
            .bind(user_id)
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// Notes that a token is in use.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn touch_api_token(&self, id: i64, now: i64) -> Result<()> {
        sqlx::query("UPDATE api_tokens SET used_at = ? WHERE id = ?")
            .bind(now)
            .bind(id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Removes one of a person's tokens; says whether there was one.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn remove_api_token(&self, id: i64, user_id: i64) -> Result<bool> {
        let done = sqlx::query("DELETE FROM api_tokens WHERE id = ? AND user_id = ?")
            .bind(id)
            .bind(user_id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> ApiTokenRow {
    ApiTokenRow {
        id: row.get("id"),
        user_id: row.get("user_id"),
        name: row.get("name"),
        hash: row.get("token_hash"),
        rights: row.get("rights"),
        created_at: row.get("created_at"),
        used_at: row.get("used_at"),
        expires_at: row.get("expires_at"),
    }
}
