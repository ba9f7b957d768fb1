//! Long work on record: `operations`.

use jiff::Timestamp;
use runtime::error::Result;
use sqlx::Row as _;

use super::{Db, failed};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Its number.
    pub id: i64,
    /// `pull`, `push` or `load`.
    pub kind: String,
    /// What it works on.
    pub thing: String,
    /// Who began it.
    pub actor: String,
    /// `running`, `done`, `failed`, `cancelled` or `interrupted`.
    pub state: String,
    /// Result, or why it failed.
    pub message: String,
    /// When it began, microseconds since 1970.
    pub began_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
}

impl Db {
    /// Records the beginning; answers the number.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn begin_operation(&self, kind: &str, thing: &str, actor: &str) -> Result<i64> {
        let done = sqlx::query(
            "INSERT INTO operations (kind, thing, actor, state, message, began_at) VALUES (?, ?, ?, 'running', '', ?)",
        )
        .bind(kind)
        .bind(thing)
        .bind(actor)
        .bind(Timestamp::now().as_microsecond())
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(done.last_insert_rowid())
    }

    /// Records the end.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_operation(&self, id: i64, state: &str, message: &str) -> Result<()> {
        sqlx::query("UPDATE operations SET state = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'running'")
            .bind(state)
            .bind(message)
            .bind(Timestamp::now().as_microsecond())
            .bind(id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// At start: what was running when the last server died.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn interrupt_operations(&self) -> Result<()> {
        sqlx::query("UPDATE operations SET state = 'interrupted', ended_at = ? WHERE state = 'running'")
            .bind(Timestamp::now().as_microsecond())
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Running ones first, then the newest; at most `limit`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn operations(&self, limit: u32) -> Result<Vec<OperationRow>> {
        let rows = sqlx::query("SELECT * FROM operations ORDER BY state <> 'running', id DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn operation(&self, id: i64) -> Result<Option<OperationRow>> {
        let row = sqlx::query("SELECT * FROM operations WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> OperationRow {
    OperationRow {
        id: row.get("id"),
        kind: row.get("kind"),
        thing: row.get("thing"),
        actor: row.get("actor"),
        state: row.get("state"),
        message: row.get("message"),
        began_at: row.get("began_at"),
        ended_at: row.get("ended_at"),
    }
}
