//! Who is signed in where: `sessions`.

use runtime::error::Result;
use sqlx::Row as _;

use super::{Db, failed};

/// One row, with the person's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// From where it was begun.
    pub address: String,
    /// The browser, as it calls itself.
    pub agent: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub seen_at: i64,
}

impl Db {
    /// Records a new session.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn add_session(&self, hash: &[u8], user_id: i64, address: &str, agent: &str, now: i64) -> Result<i64> {
        let done = sqlx::query(
            "INSERT INTO sessions (token_hash, user_id, address, agent, created_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(hash)
        .bind(user_id)
        .bind(address)
        .bind(agent)
        .bind(now)
        .bind(now)
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(done.last_insert_rowid())
    }

    /// The session with this token's hash, however old.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn session(&self, hash: &[u8]) -> Result<Option<SessionRow>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE token_hash = ?")
            .bind(hash)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// A person's sessions, the last used first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn sessions_of(&self, user_id: i64) -> Result<Vec<SessionRow>> {
        let rows = sqlx::query("SELECT * FROM sessions WHERE user_id = ? ORDER BY seen_at DESC")
            .bind(user_id)
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// Notes that a session is in use.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn touch_session(&self, id: i64, now: i64) -> Result<()> {
        sqlx::query("UPDATE sessions SET seen_at = ? WHERE id = ? AND seen_at < ?")
            .bind(now)
            .bind(id)
            .bind(now)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Ends one session of this person; answers whether there was one.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_session(&self, id: i64, user_id: i64) -> Result<bool> {
        let done = sqlx::query("DELETE FROM sessions WHERE id = ? AND user_id = ?")
            .bind(id)
            .bind(user_id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets sessions last used before `seen` or begun before `created`.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn expire_sessions(&self, seen: i64, created: i64) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE seen_at < ? OR created_at < ?")
            .bind(seen)
            .bind(created)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> SessionRow {
    SessionRow {
        id: row.get("id"),
        user_id: row.get("user_id"),
        address: row.get("address"),
        agent: row.get("agent"),
        created_at: row.get("created_at"),
        seen_at: row.get("seen_at"),
    }
}
