//! Builds on record: `builds`, one row beside each operation of that kind.

use runtime::error::Result;
use sqlx::Row as _;

use super::{Db, failed, operations::OperationRow};

/// One row, with its operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRow {
    /// Who, when, how it ended.
    pub operation: OperationRow,
    /// `upload`, `dockerfile`, `remote` or `client`.
    pub source: String,
    /// The file's name or the address.
    pub origin: String,
    /// What was pasted.
    pub dockerfile: Option<String>,
    /// What was asked for, as JSON.
    pub request: String,
    /// How it went, as JSON; empty while it runs.
    pub course: String,
    /// Id of what it made.
    pub image: String,
}

impl Db {
    /// Records what was asked for.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn begin_build(
        &self,
        id: i64,
        (source, origin): (&str, &str),
        dockerfile: Option<&str>,
        request: &str,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO builds (id, source, origin, dockerfile, request, course, image) VALUES (?, ?, ?, ?, ?, '', '')",
        )
        .bind(id)
        .bind(source)
        .bind(origin)
        .bind(dockerfile)
        .bind(request)
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Records how it went.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn end_build(&self, id: i64, course: &str, image: &str) -> Result<()> {
        sqlx::query("UPDATE builds SET course = ?, image = ? WHERE id = ?")
            .bind(course)
            .bind(image)
            .bind(id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }

    /// Running ones first, then the newest; at most `limit`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn builds(&self, limit: u32) -> Result<Vec<BuildRow>> {
        let rows =
            sqlx::query("SELECT * FROM builds JOIN operations USING (id) ORDER BY state <> 'running', id DESC LIMIT ?")
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
    pub async fn build(&self, id: i64) -> Result<Option<BuildRow>> {
        let row = sqlx::query("SELECT * FROM builds JOIN operations USING (id) WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// The newest build that made this image.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn build_of_image(&self, image: &str) -> Result<Option<i64>> {
        let row = sqlx::query("SELECT max(id) AS id FROM builds WHERE image = ? AND image <> ''")
            .bind(image)
            .fetch_one(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.get("id"))
    }

    /// Those without a course that don't run: the server ended before they did.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn cut_off_builds(&self) -> Result<Vec<i64>> {
        let rows =
            sqlx::query("SELECT * FROM builds JOIN operations USING (id) WHERE course = '' AND state <> 'running'")
                .fetch_all(&self.read)
                .await
                .map_err(failed)?;
        Ok(rows.iter().map(|row| row.get("id")).collect())
    }

    /// Those beyond the newest `kept`.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn old_builds(&self, kept: u32) -> Result<Vec<i64>> {
        let rows = sqlx::query("SELECT id FROM builds ORDER BY id DESC LIMIT -1 OFFSET ?")
            .bind(kept)
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(|row| row.get("id")).collect())
    }

    /// Takes a record away; its operation stays.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn remove_build(&self, id: i64) -> Result<()> {
        sqlx::query("DELETE FROM builds WHERE id = ?").bind(id).execute(&self.write).await.map_err(failed)?;
        Ok(())
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> BuildRow {
    BuildRow {
        operation: super::operations::read(row),
        source: row.get("source"),
        origin: row.get("origin"),
        dockerfile: row.get("dockerfile"),
        request: row.get("request"),
        course: row.get("course"),
        image: row.get("image"),
    }
}
