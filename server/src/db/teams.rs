//! Teams and who is in them: `teams`, `team_members`.

use jiff::Timestamp;
use runtime::error::{Error, Result};
use sqlx::Row as _;

use super::{Db, failed};
use crate::auth::actor::{Memberships, TeamRole};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamRow {
    /// Its number.
    pub id: i64,
    /// As repositories write it.
    pub name: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// People in it.
    pub members: usize,
}

/// Somebody in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Login name.
    pub user: String,
    /// What the person is there.
    pub role: TeamRole,
}

impl Db {
    /// Adds a team; answers its number.
    ///
    /// # Errors
    /// `Conflict` when there is one of this name.
    pub async fn add_team(&self, name: &str) -> Result<i64> {
        let done = sqlx::query("INSERT INTO teams (name, created_at) VALUES (?, ?)")
            .bind(name)
            .bind(Timestamp::now().as_microsecond())
            .execute(&self.write)
            .await
            .map_err(|error| match &error {
                sqlx::Error::Database(database) if database.is_unique_violation() => {
                    Error::conflict(format!("there is a team named {name} already"))
                }
                _ => failed(error),
            })?;
        Ok(done.last_insert_rowid())
    }

    /// All teams by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn teams(&self) -> Result<Vec<TeamRow>> {
        let rows = sqlx::query(
            "SELECT *, (SELECT count(*) FROM team_members WHERE team_id = id) AS members FROM teams ORDER BY name",
        )
        .fetch_all(&self.read)
        .await
        .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// One team.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn team(&self, name: &str) -> Result<Option<TeamRow>> {
        let row = sqlx::query(
            "SELECT *, (SELECT count(*) FROM team_members WHERE team_id = id) AS members FROM teams WHERE name = ?",
        )
        .bind(name)
        .fetch_optional(&self.read)
        .await
        .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// Removes a team; says whether there was one.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn remove_team(&self, id: i64) -> Result<bool> {
        let done = sqlx::query("DELETE FROM teams WHERE id = ?").bind(id).execute(&self.write).await.map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }

    /// Who is in a team, by name.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn members_of(&self, team_id: i64) -> Result<Vec<MemberRow>> {
        let rows = sqlx::query(
            "SELECT users.name AS user, team_members.role AS role FROM team_members
             JOIN users ON users.id = user_id WHERE team_id = ? ORDER BY users.name COLLATE NOCASE",
        )
        .bind(team_id)
        .fetch_all(&self.read)
        .await
        .map_err(failed)?;
        Ok(rows.iter().map(|row| MemberRow { user: row.get("user"), role: role(row) }).collect())
    }

    /// A person's teams.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn memberships(&self, user_id: i64) -> Result<Memberships> {
        let rows = sqlx::query(
            "SELECT teams.name AS team, team_members.role AS role FROM team_members
             JOIN teams ON teams.id = team_id WHERE user_id = ?",
        )
        .bind(user_id)
        .fetch_all(&self.read)
        .await
        .map_err(failed)?;
        Ok(rows.iter().map(|row| (row.get("team"), role(row))).collect())
    }

    /// Puts a person into a team, or changes what the person is there.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn set_member(&self, team_id: i64, user_id: i64, role: TeamRole) -> Result<()> {
        sqlx::query(
            "INSERT INTO team_members (team_id, user_id, role) VALUES (?, ?, ?)
             ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role",
        )
        .bind(team_id)
        .bind(user_id)
        .bind(role.word())
        .execute(&self.write)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// Takes a person out of a team; says whether they were in it.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn remove_member(&self, team_id: i64, user_id: i64) -> Result<bool> {
        let done = sqlx::query("DELETE FROM team_members WHERE team_id = ? AND user_id = ?")
            .bind(team_id)
            .bind(user_id)
            .execute(&self.write)
            .await
            .map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> TeamRow {
    TeamRow {
        id: row.get("id"),
        name: row.get("name"),
        created_at: row.get("created_at"),
        members: usize::try_from(row.get::<i64, _>("members")).unwrap_or(0),
    }
}

/// The table allows no other words.
fn role(row: &sqlx::sqlite::SqliteRow) -> TeamRole {
    TeamRole::parse(row.get("role")).unwrap_or(TeamRole::Viewer)
}
