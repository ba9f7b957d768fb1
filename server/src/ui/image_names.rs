//! An image's names: another one, and pushing it under one.

use axum::{
    extract::{Path, State},
    response::Response,
};
use runtime::error::ErrorKind;

use super::{
    error::Fault,
    page::{notify, see_other},
    request::Posted,
};
use crate::{app::App, ops};

/// `POST /images/{id}/tag`.
///
/// # Errors
/// [`Fault`].
pub async fn tag(State(app): State<App>, Path(id): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, name) = (posted.signed, posted.fields.text("name"));
    match ops::images::tag(&app, &signed.actor, &id, &name).await {
        Ok(()) => notify(&signed, true, signed.t.one("image-tagged", "name", &name)),
        Err(error) if error.kind() == ErrorKind::Invalid => notify(&signed, false, error.message().to_owned()),
        Err(error) => return Err(error.into()),
    }
    Ok(see_other(&format!("/images/{id}")))
}

/// `POST /images/{id}/push`: uploads it under a name, which it gets if it doesn't have it.
///
/// # Errors
/// [`Fault`].
pub async fn push(State(app): State<App>, Path(id): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    match ops::images::push_as(&app, &signed.actor, &id, &posted.fields.text("name")).await {
        Ok(watch) => Ok(see_other(&format!("/operations/{}", watch.id))),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
            notify(&signed, false, error.message().to_owned());
            Ok(see_other(&format!("/images/{id}")))
        }
        Err(error) => Err(error.into()),
    }
}
