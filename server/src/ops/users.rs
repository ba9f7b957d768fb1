//! People: the first administrator, passwords, and how each wants pages.

use std::sync::Arc;

use runtime::error::{Error, ErrorKind, Result};
use serde_json::json;

pub use crate::db::users::Preferences;
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal, Right, Role},
        password::{self, Weakness},
    },
    db::{Db, audit::Outcome, users::UserRow},
};

/// Why a new password or name was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The password is weak.
    Weak(Weakness),
    /// The name has letters it may not have.
    Name,
    /// The word from the log is another.
    SetUpWord,
    /// The present password is another.
    WrongPassword,
    /// The account is suspended.
    Suspended,
    /// Too many attempts: wait so many seconds.
    Wait(u64),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Login names: 2 to 32 letters, digits, dot, dash and underscore, beginning with a letter.
pub fn is_name(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Runs one change of accounts between its audit lines; used by the pages and by the command line, which has no engine.
pub(in crate::ops) async fn recorded<T>(
    db: &Db,
    actor: &Actor,
    action: &str,
    object: &str,
    change: impl Future<Output = Result<T>>,
) -> Result<T> {
    let seq = db.open_audit(actor, action, object, &json!({})).await?;
    let result = change.await;
    let (outcome, message) = match &result {
        Ok(_) => (Outcome::Done, ""),
        Err(error) if error.kind() == ErrorKind::Forbidden => (Outcome::Refused, error.message()),
        Err(error) => (Outcome::Failed, error.message()),
    };
    db.close_audit(seq, outcome, message, "").await?;
    result
}

/// Adds an administrator from the command line.
///
/// # Errors
/// [`Refusal`].
pub async fn create_at_command_line(db: &Db, name: &str, password: String) -> Result<(), Refusal> {
    if !is_name(name) {
        return Err(Refusal::Name);
    }
    password::check(&password, name).map_err(Refusal::Weak)?;
    let hash = password::hash(&tokio::sync::Semaphore::new(1), password).await?;
    recorded(db, &Actor::host(), "user.create", name, async { db.add_administrator(name, &hash, false).await }).await?;
    Ok(())
}

/// Sets a password from the command line and ends this person's sessions.
///
/// # Errors
/// [`Refusal`].
pub async fn reset_at_command_line(db: &Db, name: &str, password: String) -> Result<(), Refusal> {
    password::check(&password, name).map_err(Refusal::Weak)?;
    let user =
        db.user_by_name(name).await?.ok_or_else(|| Error::not_found(format!("there is no user named {name}")))?;
    let hash = password::hash(&tokio::sync::Semaphore::new(1), password).await?;
    recorded(db, &Actor::host(), "user.password.reset", name, async { db.set_password(user.id, &hash).await }).await?;
    Ok(())
}

/// The person behind this actor.
pub(in crate::ops) async fn own(app: &App, actor: &Actor) -> Result<UserRow> {
    let Principal::User { id, .. } = actor.principal else {
        return Err(Error::new(ErrorKind::Forbidden, "only a person has an account"));
    };
    app.db.user(id).await?.ok_or_else(|| Error::new(ErrorKind::Forbidden, "this account is gone"))
}

/// What a person may do; nobody when they are kept out.
pub(in crate::ops) async fn role_of(db: &Db, user: &UserRow) -> Result<Option<Role>> {
    if user.suspended_at.is_some() {
        return Ok(None);
    }
    if user.is_administrator {
        return Ok(Some(Role::Administrator));
    }
    Ok(Some(Role::Member(Arc::new(db.memberships(user.id).await?))))
}

/// The one a person is when signed in; nobody when they are kept out.
pub(in crate::ops) async fn principal(db: &Db, user: &UserRow) -> Result<Option<Principal>> {
    let role = role_of(db, user).await?;
    Ok(role.map(|role| Principal::User { id: user.id, name: user.name.clone(), role }))
}

/// Sets how the acting person wants pages.
///
/// # Errors
/// When a value is none of those known.
pub async fn set_preferences(app: &App, actor: &Actor, preferences: &Preferences) -> Result<()> {
    actor.require(Right::Account)?;
    let known = ["system", "light", "dark"].contains(&preferences.theme.as_str())
        && ["", "en", "es"].contains(&preferences.language.as_str())
        && ["dense", "roomy"].contains(&preferences.density.as_str());
    if !known {
        return Err(Error::invalid("this preference has no such value"));
    }
    let user = own(app, actor).await?;
    app.db.set_preferences(user.id, preferences).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for right in ["ana", "ana.ruiz", "a-b_c.9"] {
            assert!(is_name(right), "{right}");
        }
        for wrong in ["", "a", "9a", ".a", "ana ruiz", "ana/ruiz", "aná", &"a".repeat(33), "<b>"] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_command_line_makes_an_administrator_and_resets_the_password() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("darsena.db")).await.expect("a database");
        create_at_command_line(&db, "ana", "harbour light 7".into()).await.expect("created");
        let again = create_at_command_line(&db, "ANA", "harbour light 7".into()).await;
        assert!(matches!(again, Err(Refusal::Failed(error)) if error.kind() == ErrorKind::Conflict));
        let before = db.user_by_name("Ana").await.expect("read").expect("a user");
        db.add_session(b"hash", before.id, "", "", 1).await.expect("a session");
        reset_at_command_line(&db, "ana", "harbour light 8".into()).await.expect("reset");
        let after = db.user_by_name("ana").await.expect("read").expect("a user");
        assert_ne!(before.password_hash, after.password_hash);
        assert_eq!(db.session(b"hash").await.expect("read"), None, "a reset ends all sessions");
        assert!(db.add_administrator("eva", "x", true).await.is_err(), "nobody can be first any more");
    }
}
