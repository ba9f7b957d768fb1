//! Who asks, and what they may: `Authorization: Basic` or `Bearer`. Nothing is open to nobody.

use std::fmt::Write as _;

use axum::http::{StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Ask, error::Failure, path::Place};
use crate::{
    app::App,
    auth::{
        actor::{Actor, Principal},
        bearer::{Action, Grant},
    },
    ops::{registry_access, users::Refusal},
};

/// Who asks.
pub(super) struct Caller {
    pub(super) actor: Actor,
    /// What the bearer token is for; none for who signs in with each request.
    pub(super) grant: Option<Grant>,
}

impl Caller {
    /// Who sent this request.
    pub(super) async fn of(app: &App, ask: &Ask, place: &Place) -> Result<Self, Failure> {
        let header = ask.header(&header::AUTHORIZATION).unwrap_or_default();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let known = registry_access::bearer(app, rest.trim()).await?;
            let (principal, grant) = known.ok_or_else(|| challenge(ask, place, None, Some("invalid_token")))?;
            return Ok(Self { actor: ask.actor(principal), grant: Some(grant) });
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let (principal, _) = basic(app, ask, rest, || challenge(ask, place, None, None)).await?;
            return Ok(Self { actor: ask.actor(principal), grant: None });
        }
        Err(challenge(ask, place, None, None))
    }

    /// Whether the token is for this. What the person may do is asked by `ops`.
    pub(super) fn may(&self, ask: &Ask, place: &Place, action: Action) -> Result<(), Failure> {
        let name = place.repository().unwrap_or_default();
        match &self.grant {
            Some(grant) if !grant.allows(name, action) => {
                Err(challenge(ask, place, Some(action), Some("insufficient_scope")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is also for reading another repository.
    pub(super) fn may_read(&self, name: &str) -> bool {
        self.grant.as_ref().is_none_or(|grant| grant.allows(name, Action::Pull))
    }
}

/// Signs in with what stands after `Basic`.
pub(super) async fn basic(
    app: &App,
    ask: &Ask,
    text: &str,
    refused: impl FnOnce() -> Failure,
) -> Result<(Principal, Option<i64>), Failure> {
    let decoded = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, secret)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(refused());
    };
    sign_in(app, ask, name, secret, refused).await
}

/// Signs in with a password or an API token.
pub(super) async fn sign_in(
    app: &App,
    ask: &Ask,
    name: &str,
    secret: &str,
    refused: impl FnOnce() -> Failure,
) -> Result<(Principal, Option<i64>), Failure> {
    let nobody = ask.actor(Principal::Nobody { tried: name.chars().take(64).collect() });
    registry_access::sign_in(app, &nobody, name, secret.to_owned()).await.map_err(|refusal| match refusal {
        Refusal::Wait(seconds) => {
            let message = format!("too many attempts; wait {seconds} s");
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
                .with(header::RETRY_AFTER, seconds.to_string())
        }
        Refusal::Failed(error) => error.into(),
        _ => refused(),
    })
}

/// `401`: where to get a token, and for what.
pub(super) fn challenge(ask: &Ask, place: &Place, action: Option<Action>, error: Option<&str>) -> Failure {
    let scheme = if ask.meta.https { "https" } else { "http" };
    let host = ask.host();
    let mut value = format!("Bearer realm=\"{scheme}://{host}/v2/token\",service=\"{host}\"");
    let actions = match (action, ask.parts.method.as_str()) {
        (Some(Action::Delete), _) | (None, "DELETE") => "delete",
        (Some(Action::Push), _) | (None, "POST" | "PUT" | "PATCH") => "pull,push",
        _ => "pull",
    };
    match place {
        Place::Catalog => value.push_str(",scope=\"registry:catalog:*\""),
        place => {
            if let Some(name) = place.repository().filter(|name| runtime::serving::is_repository(name)) {
                let _ = write!(value, ",scope=\"repository:{name}:{actions}\"");
            }
        }
    }
    if let Some(error) = error {
        let _ = write!(value, ",error=\"{error}\"");
    }
    Failure::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
        .with(header::WWW_AUTHENTICATE, value)
}
