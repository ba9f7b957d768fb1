//! `POST /auth`: asks a registry whether it lets somebody in. The client keeps what it was told; nothing is kept here.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
};
use hyper::StatusCode;
use runtime::{error::ErrorKind, request::RegistryAuth};
use serde::Deserialize;
use serde_json::json;

use super::error::{Failure, Result};
use crate::{app::App, auth::actor::Actor, ops};

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthConfig {
    username: Option<String>,
    password: Option<String>,
    serveraddress: Option<String>,
    identitytoken: Option<String>,
}

pub(super) async fn log_in(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> Result<Response> {
    let config: AuthConfig = serde_json::from_slice(&body)
        .map_err(|error| Failure::invalid(format!("the credentials can't be read: {error}")))?;
    let auth = RegistryAuth {
        username: config.username.unwrap_or_default(),
        password: config.password.unwrap_or_default(),
        identity_token: config.identitytoken.unwrap_or_default(),
    };
    let address = config.serveraddress.unwrap_or_default();
    match ops::registries::log_in(&app, &actor, &address, auth).await {
        Ok(identity) => Ok(Json(json!({ "Status": "Login Succeeded", "IdentityToken": identity })).into_response()),
        // Here the client is to know that the password is what is wrong.
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            Ok((StatusCode::UNAUTHORIZED, Json(json!({ "message": error.message() }))).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
