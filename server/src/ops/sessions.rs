//! Signing in and out, and what a session is allowed to live.
//!
//! A session ends 30 minutes after its last use and 12 hours after its beginning, checked here at every request. A new
//! secret is made at each sign-in and password change.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use runtime::error::{Error, ErrorKind, Result};

use super::users::{self, Preferences, Refusal, recorded};
pub use crate::db::sessions::SessionRow;
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal, Right},
        password,
        throttle::Key,
        token::Secret,
    },
};

/// Longest time without a request.
pub const IDLE: Duration = Duration::from_mins(30);
/// Longest life.
pub const LIFE: Duration = Duration::from_hours(12);
/// How stale "last seen" may be, to spare writes.
const STALE: Duration = Duration::from_mins(1);

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// Who.
    pub principal: Principal,
    /// Login name.
    pub name: String,
    /// How this person wants pages.
    pub preferences: Preferences,
}

/// Whether a session may still be used.
fn lives(session: &SessionRow, now: i64) -> bool {
    let age = |since: i64| Duration::from_micros(u64::try_from(now - since).unwrap_or(0));
    age(session.seen_at) < IDLE && age(session.created_at) < LIFE
}

/// The session behind a cookie. `active` says that a person did something; a page that refreshes itself does not count.
///
/// # Errors
/// When the database can't be read.
pub async fn resume(app: &App, secret: &Secret, active: bool) -> Result<Option<Session>> {
    resume_at(app, secret, active, Timestamp::now().as_microsecond()).await
}

async fn resume_at(app: &App, secret: &Secret, active: bool, now: i64) -> Result<Option<Session>> {
    let Some(row) = app.db.session(&secret.hash()).await? else { return Ok(None) };
    if !lives(&row, now) {
        app.db.end_session(row.id, row.user_id).await?;
        return Ok(None);
    }
    let Some(user) = app.db.user(row.user_id).await? else { return Ok(None) };
    let Some(principal) = users::principal(&app.db, &user).await? else { return Ok(None) };
    if active && now - row.seen_at > i64::try_from(STALE.as_micros()).unwrap_or(i64::MAX) {
        app.db.touch_session(row.id, now).await?;
    }
    Ok(Some(Session { id: row.id, principal, name: user.name, preferences: user.preferences }))
}

/// Whether nobody can sign in yet.
pub fn is_setting_up(app: &App) -> bool {
    app.gate.is_setting_up()
}

/// Opens the first-run page when there is nobody yet; answers the word to print.
///
/// # Errors
/// When the database can't be read.
pub async fn open_set_up(app: &App) -> Result<Option<String>> {
    if app.db.user_count().await? > 0 {
        return Ok(None);
    }
    let word = crate::auth::token::set_up_word();
    app.gate.set_up_with(Some(word.clone()));
    Ok(Some(word))
}

/// What a request to sign in says of itself.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The peer's address.
    pub address: String,
    /// The browser, as it calls itself.
    pub agent: String,
}

/// Makes the first administrator and signs them in. Closes the first-run page for ever.
///
/// # Errors
/// [`Refusal`].
pub async fn set_up(
    app: &App,
    actor: &Actor,
    visitor: &Visitor,
    word: &str,
    name: &str,
    password: String,
) -> Result<Secret, Refusal> {
    let keys = [Key::Address(visitor.address.clone())];
    begin_attempt(app, &keys)?;
    if !app.gate.is_set_up_word(word) {
        let refused = recorded(&app.db, actor, "setup", name, async {
            Err::<(), _>(Error::new(ErrorKind::Forbidden, "wrong set-up word"))
        });
        return match refused.await {
            Err(error) if error.kind() != ErrorKind::Forbidden => Err(Refusal::Failed(error)),
            _ => Err(Refusal::SetUpWord),
        };
    }
    app.gate.throttle.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&keys);
    if !users::is_name(name) {
        return Err(Refusal::Name);
    }
    password::check(&password, name).map_err(Refusal::Weak)?;
    let hash = password::hash(&app.gate.hashing, password).await?;
    let id =
        recorded(&app.db, actor, "setup", name, async { app.db.add_administrator(name, &hash, true).await }).await?;
    app.gate.set_up_with(None);
    Ok(begin(app, id, visitor).await?)
}

/// Signs in. A wrong name and a wrong password look and take the same.
///
/// # Errors
/// [`Refusal::WrongPassword`], [`Refusal::Wait`], or a failure.
pub async fn sign_in(
    app: &App,
    actor: &Actor,
    visitor: &Visitor,
    name: &str,
    password: String,
) -> Result<Secret, Refusal> {
    let keys = [Key::Account(name.to_lowercase()), Key::Address(visitor.address.clone())];
    if let Err(refusal) = begin_attempt(app, &keys) {
        recorded_refusal(app, actor, name, "too many attempts").await?;
        return Err(refusal);
    }
    let user = app.db.user_by_name(name).await?;
    let right = password.len() <= 1024
        && password::verify(&app.gate.hashing, password, user.as_ref().map(|user| user.password_hash.clone())).await?;
    let Some(user) = user.filter(|_| right) else {
        recorded_refusal(app, actor, name, "wrong name or password").await?;
        return Err(Refusal::WrongPassword);
    };
    // Who is kept out learns it only with the right password.
    let Some(principal) = users::principal(&app.db, &user).await? else {
        recorded_refusal(app, actor, name, "suspended").await?;
        return Err(Refusal::Suspended);
    };
    app.gate.throttle.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&keys);
    let actor = Actor { principal, ..actor.clone() };
    Ok(recorded(&app.db, &actor, "session.begin", &user.name, async { begin(app, user.id, visitor).await }).await?)
}

async fn recorded_refusal(app: &App, actor: &Actor, name: &str, why: &str) -> Result<()> {
    let refusal = async { Err::<(), _>(Error::new(ErrorKind::Forbidden, why)) };
    match recorded(&app.db, actor, "session.begin", name, refusal).await {
        Err(error) if error.kind() != ErrorKind::Forbidden => Err(error),
        _ => Ok(()),
    }
}

pub(in crate::ops) fn begin_attempt(app: &App, keys: &[Key]) -> Result<(), Refusal> {
    let mut throttle = app.gate.throttle.lock().unwrap_or_else(PoisonError::into_inner);
    throttle.attempt(Instant::now(), keys).map_err(|wait| Refusal::Wait(wait.as_secs() + 1))
}

async fn begin(app: &App, user_id: i64, visitor: &Visitor) -> Result<Secret> {
    let secret = Secret::random();
    let now = Timestamp::now().as_microsecond();
    let before = |age: Duration| now - i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    app.db.expire_sessions(before(IDLE), before(LIFE)).await?;
    let agent: String = visitor.agent.chars().take(300).collect();
    app.db.add_session(&secret.hash(), user_id, &visitor.address, &agent, now).await?;
    Ok(secret)
}

/// Signs out.
///
/// # Errors
/// When the database can't be written.
pub async fn sign_out(app: &App, actor: &Actor, session: i64) -> Result<()> {
    let user = users::own(app, actor).await?;
    recorded(&app.db, actor, "session.end", &user.name, async { app.db.end_session(session, user.id).await }).await?;
    Ok(())
}

/// The acting person's sessions that can still be used, the last used first.
///
/// # Errors
/// When the database can't be read.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<SessionRow>> {
    actor.require(Right::Account)?;
    let user = users::own(app, actor).await?;
    let now = Timestamp::now().as_microsecond();
    Ok(app.db.sessions_of(user.id).await?.into_iter().filter(|session| lives(session, now)).collect())
}

/// Ends another of the acting person's sessions.
///
/// # Errors
/// `NotFound`.
pub async fn end(app: &App, actor: &Actor, session: i64) -> Result<()> {
    let user = users::own(app, actor).await?;
    let object = format!("{} #{session}", user.name);
    recorded(&app.db, actor, "session.end", &object, async {
        if app.db.end_session(session, user.id).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("No such session: {session}")))
        }
    })
    .await
}

/// Changes the acting person's password; every session ends and a new one begins.
///
/// # Errors
/// [`Refusal`].
pub async fn change_password(
    app: &App,
    actor: &Actor,
    visitor: &Visitor,
    present: String,
    new: String,
) -> Result<Secret, Refusal> {
    let user = users::own(app, actor).await?;
    let keys = [Key::Account(user.name.to_lowercase())];
    begin_attempt(app, &keys)?;
    if !password::verify(&app.gate.hashing, present, Some(user.password_hash)).await? {
        let refusal = async { Err::<(), _>(Error::new(ErrorKind::Forbidden, "wrong present password")) };
        return match recorded(&app.db, actor, "user.password.change", &user.name, refusal).await {
            Err(error) if error.kind() != ErrorKind::Forbidden => Err(Refusal::Failed(error)),
            _ => Err(Refusal::WrongPassword),
        };
    }
    app.gate.throttle.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&keys);
    password::check(&new, &user.name).map_err(Refusal::Weak)?;
    let hash = password::hash(&app.gate.hashing, new).await?;
    recorded(&app.db, actor, "user.password.change", &user.name, async { app.db.set_password(user.id, &hash).await })
        .await?;
    Ok(begin(app, user.id, visitor).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_idleness_and_by_age() {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).expect("fits");
        let session = SessionRow {
            id: 1,
            user_id: 1,
            address: String::new(),
            agent: String::new(),
            created_at: 0,
            seen_at: micros(LIFE) - micros(IDLE),
        };
        assert!(lives(&session, session.seen_at));
        assert!(lives(&session, micros(LIFE) - 1));
        assert!(!lives(&session, micros(LIFE)), "12 hours after its beginning, in use or not");
        let idle = SessionRow { seen_at: 0, ..session };
        assert!(lives(&idle, micros(IDLE) - 1));
        assert!(!lives(&idle, micros(IDLE)));
    }
}
