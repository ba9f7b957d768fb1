//! Teams: who is in them, and as what. A team owns what its name begins: the repository `shop/api` is the team `shop`'s.
//!
//! Administrators make and remove teams; who leads one says who is in it.

use runtime::{error::Error, error::Result, serving};
use serde_json::json;

pub use crate::db::teams::{MemberRow, TeamRow};
use crate::{
    app::App,
    auth::actor::{Actor, Need, Right, TeamRole},
    db::users::UserRow,
    ops::{Act, Subject, audited},
};

/// Longest name.
const LONGEST: usize = 32;

impl Subject for TeamRow {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

/// Whether a team can be called this: what a repository's name can begin with, 2 to 32 characters.
fn is_name(name: &str) -> bool {
    (2..=LONGEST).contains(&name.len()) && !name.contains('/') && serving::is_repository(name)
}

/// The teams this actor is in; all for administrators.
///
/// # Errors
/// Without an account.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<TeamRow>> {
    actor.require(Right::Account)?;
    let mut teams = app.db.teams().await?;
    teams.retain(|team| actor.may(Need::Team(team.name.clone(), TeamRole::Viewer)));
    Ok(teams)
}

/// A team and who is in it.
///
/// # Errors
/// `NotFound`, also for a team the actor is not in.
pub async fn get(app: &App, actor: &Actor, name: &str) -> Result<(TeamRow, Vec<MemberRow>)> {
    actor.require(Need::Team(name.to_owned(), TeamRole::Viewer))?;
    let team = known(app, name).await?;
    let members = app.db.members_of(team.id).await?;
    Ok((team, members))
}

/// Whether this actor says who is in a team.
pub fn may_lead(actor: &Actor, name: &str) -> bool {
    actor.may(Need::Team(name.to_owned(), TeamRole::Lead))
}

async fn known(app: &App, name: &str) -> Result<TeamRow> {
    app.db.team(name).await?.ok_or_else(|| Error::not_found(format!("No such team: {name}")))
}

async fn person(app: &App, name: &str) -> Result<UserRow> {
    app.db.user_by_name(name).await?.ok_or_else(|| Error::not_found(format!("there is no user named {name}")))
}

/// Makes a team.
///
/// # Errors
/// Without the right to administer, `Invalid` for a name it can't have, `Conflict` for one that is taken.
pub async fn create(app: &App, actor: &Actor, name: &str) -> Result<TeamRow> {
    let (inner, name) = (app.clone(), name.to_owned());
    audited(app, actor, Right::Administer, Act::on("team.create", name.clone()), async move {
        if !is_name(&name) {
            return Err(Error::invalid(
                "a team's name has 2 to 32 lower case letters and digits, with single dots, dashes or underscores between",
            ));
        }
        inner.db.add_team(&name).await?;
        known(&inner, &name).await
    })
    .await
}

/// Removes a team. Its repositories stay, for administrators.
///
/// # Errors
/// Without the right to administer, or `NotFound`.
pub async fn remove(app: &App, actor: &Actor, name: &str) -> Result<()> {
    let (inner, name) = (app.clone(), name.to_owned());
    audited(app, actor, Right::Administer, Act::on("team.remove", name.clone()), async move {
        let team = known(&inner, &name).await?;
        inner.db.remove_team(team.id).await?;
        Ok(())
    })
    .await
}

/// Puts a person into a team, or changes what the person is there.
///
/// # Errors
/// Unless the actor leads the team, or `NotFound`.
pub async fn set_member(app: &App, actor: &Actor, name: &str, user: &str, role: TeamRole) -> Result<()> {
    let act =
        Act { action: "team.member.set", object: format!("{name} {user}"), detail: json!({ "role": role.word() }) };
    let need = Need::Team(name.to_owned(), TeamRole::Lead);
    let (inner, name, user) = (app.clone(), name.to_owned(), user.to_owned());
    audited(app, actor, need, act, async move {
        let (team, user) = (known(&inner, &name).await?, person(&inner, &user).await?);
        inner.db.set_member(team.id, user.id, role).await
    })
    .await
}

/// Takes a person out of a team.
///
/// # Errors
/// Unless the actor leads the team, or `NotFound`.
pub async fn remove_member(app: &App, actor: &Actor, name: &str, user: &str) -> Result<()> {
    let need = Need::Team(name.to_owned(), TeamRole::Lead);
    let act = Act::on("team.member.remove", format!("{name} {user}"));
    let (inner, name, user) = (app.clone(), name.to_owned(), user.to_owned());
    audited(app, actor, need, act, async move {
        let (team, row) = (known(&inner, &name).await?, person(&inner, &user).await?);
        if inner.db.remove_member(team.id, row.id).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("{user} is not in the team {name}")))
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn team_names_begin_repositories() {
        for right in ["shop", "data-lab", "a1", "team.one", "a_b"] {
            assert!(is_name(right), "{right}");
        }
        for wrong in ["", "a", "Shop", "shop/api", "-shop", "shop-", "sh op", "ñandú", &"a".repeat(33)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
