//! People: `users`.

use jiff::Timestamp;
use runtime::error::{Error, Result};
use sqlx::Row as _;

use super::{Db, failed};

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// One row.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its number.
    pub id: i64,
    /// Login name as first written.
    pub name: String,
    /// PHC string.
    pub password_hash: String,
    /// Everything is allowed.
    pub is_administrator: bool,
    /// Microseconds since 1970; the person is kept out.
    pub suspended_at: Option<i64>,
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

    /// Adds an administrator; with `only_first`, only while there is nobody.
    ///
    /// # Errors
    /// `Conflict` when the name is taken or somebody was first.
    pub async fn add_administrator(&self, name: &str, password_hash: &str, only_first: bool) -> Result<i64> {
        self.insert_user(name, password_hash, "administrator", only_first).await
    }

    /// Adds a member.
    ///
    /// # Errors
    /// `Conflict` when the name is taken.
    pub async fn add_member(&self, name: &str, password_hash: &str) -> Result<i64> {
        self.insert_user(name, password_hash, "member", false).await
    }

    async fn insert_user(&self, name: &str, password_hash: &str, role: &str, only_first: bool) -> Result<i64> {
        let now = Timestamp::now().as_microsecond();
        let done = sqlx::query(
            "INSERT INTO users (name, password_hash, role, created_at, password_changed_at)
             SELECT ?, ?, ?, ?, ? WHERE NOT ? OR NOT EXISTS (SELECT 1 FROM users)",
        )
        .bind(name)
        .bind(password_hash)
        .bind(role)
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

    /// Everybody, by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn users(&self) -> Result<Vec<UserRow>> {
        let rows = sqlx::query("SELECT * FROM users ORDER BY name COLLATE NOCASE")
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// Makes a person an administrator or a member, ends every session.
    ///
    /// # Errors
    /// `Conflict` when nobody would be left to administer.
    pub async fn set_role(&self, id: i64, is_administrator: bool) -> Result<()> {
        self.unless_last(id, is_administrator, "UPDATE users SET role = ? WHERE id = ?", |query| {
            query.bind(if is_administrator { "administrator" } else { "member" }).bind(id)
        })
        .await
    }

    /// Keeps a person out, or lets them in again; ends every session.
    ///
    /// # Errors
    /// `Conflict` when nobody would be left to administer.
    pub async fn set_suspended(&self, id: i64, at: Option<i64>) -> Result<()> {
        self.unless_last(id, at.is_none(), "UPDATE users SET suspended_at = ? WHERE id = ?", |query| {
            query.bind(at).bind(id)
        })
        .await
    }

    /// Removes a person with their sessions, tokens and places in teams. What they did stays on record.
    ///
    /// # Errors
    /// `Conflict` when nobody would be left to administer.
    pub async fn remove_user(&self, id: i64) -> Result<()> {
        self.unless_last(id, false, "DELETE FROM users WHERE id = ?", |query| query.bind(id)).await
    }

    /// Runs one change of a person and ends their sessions, unless it takes away the last administrator who can sign in.
    async fn unless_last<'q>(
        &self,
        id: i64,
        is_harmless: bool,
        change: &'static str,
        bind: impl FnOnce(Query<'q>) -> Query<'q>,
    ) -> Result<()> {
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let others: i64 =
            sqlx::query("SELECT count(*) FROM users WHERE role = 'administrator' AND suspended_at IS NULL AND id <> ?")
                .bind(id)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?
                .get(0);
        if others == 0 && !is_harmless {
            return Err(Error::conflict("this is the last administrator who can sign in: make another one first"));
        }
        bind(sqlx::query(change)).execute(&mut *transaction).await.map_err(failed)?;
        sqlx::query("DELETE FROM sessions WHERE user_id = ?")
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
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
        is_administrator: row.get::<&str, _>("role") == "administrator",
        suspended_at: row.get("suspended_at"),
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
