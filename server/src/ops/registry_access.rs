//! Who may use the served registry: passwords and API tokens become bearer tokens, bearer tokens become actors.
//!
//! A password is checked as the sign-in page checks it, with the same throttle. A right one is remembered for a short
//! while, sealed, so that clients that send it with each request don't cost a hash each.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use runtime::{
    error::{Error, ErrorKind, Result},
    serving::ServedAs,
};

use super::{
    api_tokens, sessions,
    users::{self, Refusal, recorded},
};
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal},
        bearer::{Grant, Key, LIFE},
        password,
        throttle::Key as Throttled,
    },
    db::{Db, users::UserRow},
};

/// The setting the signing key is kept under.
const SETTING: &str = "registry_key";
/// How long a right password is remembered.
const REMEMBERED: Duration = Duration::from_mins(2);
/// Right passwords remembered at most.
const MOST_REMEMBERED: usize = 1000;

/// What serving the registry needs in memory.
pub struct Desk {
    key: Key,
    /// Names images may have here, the first where nothing else is known.
    hosts: Vec<String>,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
    /// Passwords are checked one after the other.
    checking: tokio::sync::Mutex<()>,
}

struct Remembered {
    user: i64,
    hash: String,
    since: Instant,
}

impl Desk {
    /// Reads the signing key, or makes it. `host` is what was configured; `names` are further names of this server.
    ///
    /// # Errors
    /// When the database can't be read or written.
    pub async fn open(db: &Db, host: Option<&str>, address: SocketAddr, names: &[String]) -> Result<Self> {
        let kept = db.setting(SETTING).await?.as_deref().and_then(Key::parse);
        let key = if let Some(key) = kept {
            key
        } else {
            let key = Key::random();
            db.set_setting(SETTING, &key.text()).await?;
            key
        };
        Ok(Self {
            key,
            hosts: hosts(host, address, names),
            remembered: Mutex::default(),
            checking: tokio::sync::Mutex::default(),
        })
    }

    /// The registry's names, for a request sent to this host.
    pub fn served_as(&self, host: Option<&str>) -> ServedAs {
        let asked = host.map(str::to_ascii_lowercase).filter(|host| self.hosts.contains(host) || is_loopback(host));
        ServedAs { host: asked.unwrap_or_else(|| self.hosts[0].clone()), others: self.hosts.clone() }
    }

    fn recall(&self, seal: &[u8; 32]) -> Option<(i64, String)> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|_, one| one.since.elapsed() < REMEMBERED);
        remembered.get(seal).map(|one| (one.user, one.hash.clone()))
    }

    fn remember(&self, seal: [u8; 32], user: i64, hash: String) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(seal, Remembered { user, hash, since: Instant::now() });
        }
    }
}

fn hosts(host: Option<&str>, address: SocketAddr, names: &[String]) -> Vec<String> {
    let port = address.port();
    let mut hosts: Vec<String> = host.map(str::to_owned).into_iter().collect();
    if !address.ip().is_unspecified() {
        hosts.push(address.to_string());
    }
    hosts.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
    hosts.extend(names.iter().flat_map(|name| {
        let plain = name.strip_prefix("https://").unwrap_or(name).to_ascii_lowercase();
        [plain.clone(), format!("{plain}:{port}")]
    }));
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    hosts
}

/// `127.0.0.1:8080`, `localhost`: another port that leads here.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let port_is_right = host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
    port_is_right && matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Who sent this name with this password or API token.
///
/// # Errors
/// [`Refusal::WrongPassword`], [`Refusal::Wait`], or a failure.
pub async fn sign_in(
    app: &App,
    actor: &Actor,
    name: &str,
    secret: String,
) -> std::result::Result<(Principal, Option<i64>), Refusal> {
    let address = Throttled::Address(actor.address.clone());
    if api_tokens::is_token(&secret) {
        // Its own length protects it, so right ones never wait; who tries wrong ones does.
        if let Some((id, principal)) = api_tokens::verify(app, name, &secret).await? {
            return Ok((principal, Some(id)));
        }
        attempt(app, actor, name, &[address]).await?;
    } else {
        let seal = app.registry.key.seal(format!("{}\0{secret}", name.to_lowercase()).as_bytes());
        if let Some(principal) = remembered(app, &seal).await? {
            return Ok((principal, None));
        }
        // Clients ask several times at once: the others wait for the first and find its result.
        let _turn = app.registry.checking.lock().await;
        if let Some(principal) = remembered(app, &seal).await? {
            return Ok((principal, None));
        }
        let keys = [address, Throttled::Account(name.to_lowercase())];
        attempt(app, actor, name, &keys).await?;
        let user = app.db.user_by_name(name).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = secret.len() <= 1024 && password::verify(&app.gate.hashing, secret, hash).await?;
        if let Some(user) = user.filter(|_| right) {
            let Some(principal) = users::principal(&app.db, &user).await? else {
                refuse(app, actor, name, "suspended").await?;
                return Err(Refusal::Suspended);
            };
            app.gate.throttle.lock().unwrap_or_else(PoisonError::into_inner).succeeded(&keys);
            let signed_in = Actor { principal: principal.clone(), ..actor.clone() };
            recorded(&app.db, &signed_in, "registry.sign_in", &user.name, async { Ok(()) }).await?;
            app.registry.remember(seal, user.id, user.password_hash);
            return Ok((principal, None));
        }
    }
    refuse(app, actor, name, "wrong name, password or token").await?;
    Err(Refusal::WrongPassword)
}

/// Begins an attempt, or says how long to wait.
async fn attempt(app: &App, actor: &Actor, name: &str, keys: &[Throttled]) -> std::result::Result<(), Refusal> {
    if let Err(refusal) = sessions::begin_attempt(app, keys) {
        refuse(app, actor, name, "too many attempts").await?;
        return Err(refusal);
    }
    Ok(())
}

/// Who signed in with this a little while ago; nobody when the password was changed since.
async fn remembered(app: &App, seal: &[u8; 32]) -> Result<Option<Principal>> {
    let Some((id, hash)) = app.registry.recall(seal) else { return Ok(None) };
    person(app, id, |user| user.password_hash == hash).await
}

/// Who this is, if they may sign in and are as they should be.
async fn person(app: &App, id: i64, is_right: impl FnOnce(&UserRow) -> bool) -> Result<Option<Principal>> {
    match app.db.user(id).await?.filter(is_right) {
        Some(user) => users::principal(&app.db, &user).await,
        None => Ok(None),
    }
}

async fn refuse(app: &App, actor: &Actor, name: &str, why: &str) -> Result<()> {
    let refusal = async { Err::<(), _>(Error::new(ErrorKind::Forbidden, why)) };
    match recorded(&app.db, actor, "registry.sign_in", name, refusal).await {
        Err(error) if error.kind() != ErrorKind::Forbidden => Err(error),
        _ => Ok(()),
    }
}

/// A bearer token with these scopes. What its person may not do it doesn't let do: that is asked when it is used.
pub fn grant(app: &App, principal: &Principal, token: Option<i64>, scopes: &[String]) -> Option<(String, i64)> {
    let (Principal::User { id: user, .. } | Principal::Token { user, .. }) = principal else { return None };
    let now = Timestamp::now().as_second();
    let mut grant = Grant { user: *user, token, until: now + LIFE, access: Vec::new(), catalog: false };
    for scope in scopes {
        grant.add(scope);
    }
    Some((app.registry.key.sign(&grant), LIFE))
}

/// Who bears this token, and for what.
///
/// # Errors
/// When the database can't be read.
pub async fn bearer(app: &App, token: &str) -> Result<Option<(Principal, Grant)>> {
    let Some(grant) = app.registry.key.open(token, Timestamp::now().as_second()) else { return Ok(None) };
    let principal = match grant.token {
        Some(id) => api_tokens::again(app, id).await?,
        None => person(app, grant.user, |_| true).await?,
    };
    Ok(principal.map(|principal| (principal, grant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_whatever_host_is_asked() {
        let address = "10.0.4.2:8080".parse().expect("an address");
        let hosts = hosts(None, address, &["https://Muelle.example".into()]);
        let desk =
            Desk { key: Key::random(), hosts, remembered: Mutex::default(), checking: tokio::sync::Mutex::default() };
        let host = |asked: Option<&str>| desk.served_as(asked).host;
        assert_eq!(host(None), "10.0.4.2:8080");
        assert_eq!(host(Some("evil.example")), "10.0.4.2:8080");
        assert_eq!(host(Some("localhost:evil")), "10.0.4.2:8080");
        for known in ["localhost:8080", "127.0.0.1:8080", "127.0.0.1:9999", "muelle.example", "muelle.example:8080"] {
            assert_eq!(host(Some(known)), known);
        }
        assert_eq!(host(Some("MUELLE.example")), "muelle.example");
        let configured = super::hosts(Some("reg.example"), "0.0.0.0:80".parse().expect("an address"), &[]);
        assert_eq!(configured[..2], ["reg.example", "localhost:80"]);
    }
}
