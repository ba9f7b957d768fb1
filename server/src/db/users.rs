//! People: `users`.

use jiff::Timestamp;
use runtime::error::{Error, Result};
use sqlx::Row as _;

use super::{Db, failed};

/// One row.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its number.
    pub id: i64,
    /// Login name as first written.
    pub name: String,
    /// PHC string.
    pub password_hash: String,
    /// How this person wants pages.
    pub preferences: Preferences,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub password_changed_at: i64,
}

/// How a person wants pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// `en`, `es`, or empty to follow the browser.
    pub language: String,
    /// `dense` or `roomy`.
    pub density: String,
    /// Single keys act.
    pub keys: bool,
}

impl Db {
    /// How many people there are.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn user_count(&self) -> Result<i64> {
        let row = sqlx::query("SELECT count(*) FROM users").fetch_one(&self.read).await.map_err(failed)?;
        Ok(row.get(0))
    }

    /// Adds a person; with `only_first`, only while there is nobody.
    ///
    /// # Errors
    /// `Conflict` when the name is taken or somebody was first.
    pub async fn add_user(&self, name: &str, password_hash: &str, only_first: bool) -> Result<i64> {
        let now = Timestamp::now().as_microsecond();
        let done = sqlx::query(
            "INSERT INTO users (name, password_hash, role, created_at, password_changed_at)
             SELECT ?, ?, 'administrator', ?, ? WHERE NOT ? OR NOT EXISTS (SELECT 1 FROM users)",
        )
        .bind(name)
        .bind(password_hash)
        .bind(now)
        .bind(now)
        .bind(only_first)
        .execute(&self.write)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                Error::conflict(format!("there is a user named {name} already"))
            }
            _ => failed(error),
        })?;
        if done.rows_affected() == 0 {
            return Err(Error::conflict("the first administrator exists already"));
        }
        Ok(done.last_insert_rowid())
    }

    /// One person by login name, in any case.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<UserRow>> {
        let row = sqlx::query("SELECT * FROM users WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// One person by number.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn user(&self, id: i64) -> Result<Option<UserRow>> {
        let row = sqlx::query("SELECT * FROM users WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// Sets a password and ends every session of this person.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_password(&self, id: i64, password_hash: &str) -> Result<()> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        sqlx::query("UPDATE users SET password_hash = ?, password_changed_at = ? WHERE id = ?")
            .bind(password_hash)
            .bind(Timestamp::now().as_microsecond())
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        sqlx::query("DELETE FROM sessions WHERE user_id = ?")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Sets how this person wants pages.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_preferences(&self, id: i64, preferences: &Preferences) -> Result<()> {
        sqlx::query("UPDATE users SET theme = ?, language = ?, density = ?, keys = ? WHERE id = ?")
            .bind(&preferences.theme)
            .bind(&preferences.language)
            .bind(&preferences.density)
            .bind(preferences.keys)
            .bind(id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> UserRow {
    UserRow {
        id: row.get("id"),
        name: row.get("name"),
        password_hash: row.get("password_hash"),
        preferences: Preferences {
            theme: row.get("theme"),
            language: row.get("language"),
            density: row.get("density"),
            keys: row.get("keys"),
        },
        created_at: row.get("created_at"),
        password_changed_at: row.get("password_changed_at"),
    }
}
