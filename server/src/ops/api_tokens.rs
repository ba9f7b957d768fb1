//! API tokens: what a person's programs sign in with. Shown once, kept as a hash, never worth more than their person.

use std::time::Duration;

use jiff::Timestamp;
use runtime::error::{Error, Result};
use subtle::ConstantTimeEq as _;

use super::users::{self, recorded};
pub use crate::db::api_tokens::ApiTokenRow;
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal, Right},
        token::Secret,
    },
};

/// Most tokens of one person.
const MOST: usize = 50;
/// How stale "last used" may be, to spare writes.
const STALE: Duration = Duration::from_mins(1);
/// What every token begins with, so that it is known for one where it should not be.
const PREFIX: &str = "darsena_";

/// Makes a token for the acting person; answers its text, which can't be had again.
///
/// # Errors
/// `Invalid` for a name it can't have, `Conflict` for one that is taken.
pub async fn create(app: &App, actor: &Actor, name: &str, right: Right, days: Option<u16>) -> Result<String> {
    let user = users::own(app, actor).await?;
    if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Error::invalid("a token's name has 1 to 64 characters"));
    }
    if app.db.api_tokens_of(user.id).await?.len() >= MOST {
        return Err(Error::conflict(format!("{MOST} tokens are enough; revoke one first")));
    }
    let rights = match right {
        Right::View => "view",
        Right::Operate => "operate",
        Right::Account | Right::Administer => return Err(Error::invalid("a token can view or operate")),
    };
    let secret = Secret::random();
    let now = Timestamp::now().as_microsecond();
    let expires_at = days.map(|days| now + i64::from(days) * 86_400_000_000);
    let row = ApiTokenRow {
        id: 0,
        user_id: user.id,
        name: name.trim().to_owned(),
        hash: secret.hash(),
        rights: rights.to_owned(),
        created_at: now,
        used_at: None,
        expires_at,
    };
    let object = format!("{} {}", user.name, row.name);
    let id = recorded(&app.db, actor, "token.create", &object, async { app.db.add_api_token(&row).await }).await?;
    Ok(format!("{PREFIX}{id}_{}", secret.expose()))
}

/// The acting person's tokens, the newest first.
///
/// # Errors
/// When the database can't be read.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<ApiTokenRow>> {
    actor.require(Right::Account)?;
    app.db.api_tokens_of(users::own(app, actor).await?.id).await
}

/// Ends one of the acting person's tokens.
///
/// # Errors
/// `NotFound`.
pub async fn revoke(app: &App, actor: &Actor, id: i64) -> Result<()> {
    let user = users::own(app, actor).await?;
    let name = app.db.api_token(id).await?.filter(|row| row.user_id == user.id).map(|row| row.name);
    let object = format!("{} {}", user.name, name.as_deref().unwrap_or("?"));
    recorded(&app.db, actor, "token.revoke", &object, async {
        if app.db.remove_api_token(id, user.id).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("No such token: {id}")))
        }
    })
    .await
}

/// Whether a text is meant as a token.
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

fn parse(text: &str) -> Option<(i64, Secret)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    Some((id.parse().ok()?, Secret::parse(secret)?))
}

/// Who a token is, if `name` is its person.
pub(in crate::ops) async fn verify(app: &App, name: &str, text: &str) -> Result<Option<(i64, Principal)>> {
    let Some((id, secret)) = parse(text) else { return Ok(None) };
    let Some(row) = app.db.api_token(id).await? else { return Ok(None) };
    if !bool::from(row.hash.as_slice().ct_eq(&secret.hash())) {
        return Ok(None);
    }
    let principal = alive(app, &row).await?;
    Ok(principal.filter(|(user, _)| user.eq_ignore_ascii_case(name)).map(|(_, principal)| (id, principal)))
}

/// Who a token is that was verified a little while ago.
pub(in crate::ops) async fn again(app: &App, id: i64) -> Result<Option<Principal>> {
    let Some(row) = app.db.api_token(id).await? else { return Ok(None) };
    Ok(alive(app, &row).await?.map(|(_, principal)| principal))
}

async fn alive(app: &App, row: &ApiTokenRow) -> Result<Option<(String, Principal)>> {
    let now = Timestamp::now().as_microsecond();
    if row.expires_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    let Some(user) = app.db.user(row.user_id).await? else { return Ok(None) };
    let Some(role) = users::role_of(&app.db, &user).await? else { return Ok(None) };
    let stale = i64::try_from(STALE.as_micros()).unwrap_or(i64::MAX);
    if row.used_at.is_none_or(|used| now - used > stale) {
        app.db.touch_api_token(row.id, now).await?;
    }
    let right = if row.rights == "operate" { Right::Operate } else { Right::View };
    let principal = Principal::Token { user: user.id, name: user.name.clone(), role, token: row.name.clone(), right };
    Ok(Some((user.name, principal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_text_names_its_row_and_its_secret() {
        let secret = Secret::random();
        let text = format!("{PREFIX}12_{}", secret.expose());
        assert!(is_token(&text));
        assert_eq!(parse(&text), Some((12, secret)));
        for wrong in ["", "darsena_", "darsena_12_", "darsena_12_xyz", "12_aa", "darsena_x_00"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
