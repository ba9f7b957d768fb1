//! Registries: logging in, and the credentials that are kept for the pages. Clients of the Docker API bring their own.

use runtime::{
    error::{Error, Result},
    reference::Reference,
    request::RegistryAuth,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Act, audited};
pub use crate::db::registries::RegistryRow;
use crate::{
    app::App,
    auth::actor::{Actor, Right, Via},
};

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    password: String,
    identity_token: String,
}

fn about(host: &str, user: &str) -> String {
    format!("registry {host} {user}")
}

/// All registries credentials are kept for, by host.
///
/// # Errors
/// Without the right, or when the database can't be read.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<RegistryRow>> {
    actor.require(Right::Administer)?;
    app.db.registries().await
}

/// Asks a registry whether it lets somebody in; keeps nothing. Returns the identity token it gives for the password, if
/// it does that.
///
/// # Errors
/// `Unauthorized` in the registry's words, or why it can't be asked.
pub async fn log_in(app: &App, actor: &Actor, address: &str, auth: RegistryAuth) -> Result<String> {
    let host = host_of(address)?;
    let act = Act { action: "registry.login", object: host.clone(), detail: json!({ "user": auth.username }) };
    let (engine, token) = (app.engine.clone(), std::sync::Arc::new(std::sync::OnceLock::new()));
    let given = std::sync::Arc::clone(&token);
    audited(app, actor, Right::Operate, act, async move {
        let identity = engine.log_in_to_registry(&host, &auth).await?;
        // Written once, and not into the record.
        let _ = given.set(identity.unwrap_or_default());
        Ok(())
    })
    .await?;
    Ok(token.get().cloned().unwrap_or_default())
}

/// Keeps credentials, once the registry has let them in.
///
/// # Errors
/// As [`log_in`].
pub async fn add(app: &App, actor: &Actor, address: &str, user: &str, password: &str) -> Result<()> {
    let host = host_of(address)?;
    let user = user.to_owned();
    if user.is_empty() || password.is_empty() {
        return Err(Error::invalid("a registry's user name and password are needed"));
    }
    let act = Act { action: "registry.add", object: host.clone(), detail: json!({ "user": user }) };
    let auth = RegistryAuth { username: user, password: password.to_owned(), ..RegistryAuth::default() };
    let (app_in, by) = (app.clone(), actor.name());
    audited(app, actor, Right::Administer, act, async move {
        let identity = app_in.engine.log_in_to_registry(&host, &auth).await?;
        // What can be taken back at the registry is kept rather than the password.
        let kept = match identity {
            Some(identity_token) => Kept { password: String::new(), identity_token },
            None => Kept { password: auth.password.clone(), identity_token: String::new() },
        };
        let plain = serde_json::to_vec(&kept).map_err(|error| Error::internal("this can't be kept", error))?;
        let sealed = app_in.vault.seal(&about(&host, &auth.username), &plain);
        app_in.db.set_registry(&host, &auth.username, &sealed, &by).await
    })
    .await
}

/// Forgets credentials.
///
/// # Errors
/// `NotFound`.
pub async fn remove(app: &App, actor: &Actor, host: &str) -> Result<()> {
    let (db, host) = (app.db.clone(), host.to_owned());
    let act = Act::on("registry.remove", host.clone());
    audited(app, actor, Right::Administer, act, async move {
        let gone = db.remove_registry(&host).await?;
        if gone { Ok(()) } else { Err(Error::not_found(format!("nothing is kept for the registry {host}"))) }
    })
    .await
}

/// The credentials a request to an image's registry goes with: its own, or for the pages those that are kept.
pub(in crate::ops) async fn kept(
    app: &App,
    actor: &Actor,
    reference: &str,
    own: Option<RegistryAuth>,
) -> Result<Option<RegistryAuth>> {
    if own.is_some() || actor.via != Via::Web {
        return Ok(own);
    }
    // What is no name is refused further on, in better words.
    let Ok(reference) = reference.parse::<Reference>() else { return Ok(None) };
    let Some(row) = app.db.registry(reference.host()).await? else { return Ok(None) };
    let opened = app.vault.open_sealed(&about(&row.host, &row.user), &row.secret);
    let kept = opened.and_then(|plain| serde_json::from_slice::<Kept>(&plain).ok());
    let kept = kept.ok_or_else(|| {
        Error::conflict(format!(
            "the credentials kept for {} can't be read with this server's key; add them anew",
            row.host
        ))
    })?;
    Ok(Some(RegistryAuth { username: row.user, password: kept.password, identity_token: kept.identity_token }))
}

/// `https://reg.example:5000/v2/` is `reg.example:5000`; Docker Hub has several addresses and one name.
fn host_of(address: &str) -> Result<String> {
    let text = address.trim();
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let host = text.split('/').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(host.as_str(), "" | "index.docker.io" | "registry-1.docker.io" | "hub.docker.com" | "docker.io") {
        return Ok("docker.io".to_owned());
    }
    let wrong = || Error::invalid(format!("{address:?} is no registry; write its host, and its port if need be"));
    // As the first part of an image's name, where it must be told from a path.
    let reference = format!("{host}/x").parse::<Reference>().map_err(|_| wrong())?;
    if reference.host() == host { Ok(host) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_as_in_image_names() {
        for (address, host) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("", "docker.io"),
            ("https://reg.example:5000/v2/", "reg.example:5000"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("localhost", "localhost"),
            ("GHCR.io", "ghcr.io"),
        ] {
            assert_eq!(host_of(address).unwrap(), host, "{address}");
        }
        for wrong in ["ftp://x.example", "user@reg.example", "reg example", "registry", "../x"] {
            assert!(host_of(wrong).is_err(), "{wrong}");
        }
    }
}
