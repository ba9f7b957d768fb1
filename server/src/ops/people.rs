//! The people with an account, as administrators see and change them.

use jiff::Timestamp;
use runtime::error::{Error, ErrorKind, Result};
use serde_json::json;

use super::{
    Act, audited,
    users::{Refusal, is_name},
};
pub use crate::db::users::UserRow;
use crate::{
    app::App,
    auth::{
        actor::{Actor, Memberships, Right},
        password,
    },
};

/// A person and where they work.
pub struct Person {
    /// The account.
    pub row: UserRow,
    /// The teams.
    pub teams: Memberships,
    /// Microseconds since 1970 of the last request of a session that still lives.
    pub seen_at: Option<i64>,
}

async fn known(app: &App, name: &str) -> Result<UserRow> {
    app.db.user_by_name(name).await?.ok_or_else(|| Error::not_found(format!("there is no user named {name}")))
}

async fn with_teams(app: &App, row: UserRow) -> Result<Person> {
    let seen_at = app.db.sessions_of(row.id).await?.iter().map(|session| session.seen_at).max();
    Ok(Person { teams: app.db.memberships(row.id).await?, row, seen_at })
}

/// Everybody, by name.
///
/// # Errors
/// Without the right to administer.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<Person>> {
    actor.require(Right::Administer)?;
    let mut all = Vec::new();
    for row in app.db.users().await? {
        all.push(with_teams(app, row).await?);
    }
    Ok(all)
}

/// One person.
///
/// # Errors
/// Without the right to administer, or `NotFound`.
pub async fn get(app: &App, actor: &Actor, name: &str) -> Result<Person> {
    actor.require(Right::Administer)?;
    with_teams(app, known(app, name).await?).await
}

/// Makes an account; the person changes the password when signed in.
///
/// # Errors
/// [`Refusal`].
pub async fn create(app: &App, actor: &Actor, name: &str, new: String, is_administrator: bool) -> Result<(), Refusal> {
    let act = Act {
        action: "user.create",
        object: name.chars().take(64).collect(),
        detail: json!({ "administrator": is_administrator }),
    };
    // Weighed before the record is opened: what is refused here was never more than a form.
    if actor.may(Right::Administer) {
        if !is_name(name) {
            return Err(Refusal::Name);
        }
        password::check(&new, name).map_err(Refusal::Weak)?;
    }
    let (inner, name) = (app.clone(), name.to_owned());
    audited(app, actor, Right::Administer, act, async move {
        let hash = password::hash(&inner.gate.hashing, new).await?;
        if is_administrator {
            inner.db.add_administrator(&name, &hash, false).await?;
        } else {
            inner.db.add_member(&name, &hash).await?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

/// Sets a person's password and ends their sessions.
///
/// # Errors
/// [`Refusal`].
pub async fn set_password(app: &App, actor: &Actor, name: &str, new: String) -> Result<(), Refusal> {
    if actor.may(Right::Administer) {
        password::check(&new, name).map_err(Refusal::Weak)?;
    }
    let (inner, name) = (app.clone(), name.to_owned());
    audited(app, actor, Right::Administer, Act::on("user.password.reset", name.clone()), async move {
        let row = known(&inner, &name).await?;
        let hash = password::hash(&inner.gate.hashing, new).await?;
        inner.db.set_password(row.id, &hash).await
    })
    .await?;
    Ok(())
}

/// One change of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything is allowed.
    Promote,
    /// Only what the teams allow.
    Demote,
    /// Kept out; tokens and sessions end at once.
    Suspend,
    /// Let in again.
    Resume,
    /// The account goes; what the person did stays on record.
    Remove,
}

impl Change {
    /// From an address.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "promote" => Self::Promote,
            "demote" => Self::Demote,
            "suspend" => Self::Suspend,
            "resume" => Self::Resume,
            "remove" => Self::Remove,
            _ => return None,
        })
    }

    fn action(self) -> &'static str {
        match self {
            Self::Promote => "user.promote",
            Self::Demote => "user.demote",
            Self::Suspend => "user.suspend",
            Self::Resume => "user.resume",
            Self::Remove => "user.remove",
        }
    }
}

/// Changes a person's account. Nobody does it to themselves, and one administrator always stays.
///
/// # Errors
/// Without the right to administer, `NotFound`, or `Conflict`.
pub async fn change(app: &App, actor: &Actor, name: &str, change: Change) -> Result<()> {
    let (inner, own, name) = (app.clone(), actor.name(), name.to_owned());
    audited(app, actor, Right::Administer, Act::on(change.action(), name.clone()), async move {
        let row = known(&inner, &name).await?;
        if row.name == own && change != Change::Resume {
            return Err(Error::new(
                ErrorKind::Conflict,
                "nobody does this to their own account: ask another administrator",
            ));
        }
        let db = &inner.db;
        match change {
            Change::Promote => db.set_role(row.id, true).await,
            Change::Demote => db.set_role(row.id, false).await,
            Change::Suspend => db.set_suspended(row.id, Some(Timestamp::now().as_microsecond())).await,
            Change::Resume => db.set_suspended(row.id, None).await,
            Change::Remove => db.remove_user(row.id).await,
        }
    })
    .await
}
