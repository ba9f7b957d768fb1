//! One or several images as one archive.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::{
    download,
    error::Fault,
    images::name_of,
    page::{notify, see_other},
    request::{Fields, Signed},
};
use crate::{app::App, ops};

/// `GET /images/{id}/save`: with all its names.
///
/// # Errors
/// [`Fault`].
pub async fn one(State(app): State<App>, signed: Signed, Path(id): Path<String>) -> Result<Response, Fault> {
    let image = ops::images::get(&app, &signed.actor, &id).await?.summary;
    let names = if image.tags.is_empty() { vec![image.id.to_string()] } else { image.tags.clone() };
    let archive = ops::images::save(&app, &signed.actor, &names).await?;
    Ok(download::tar(&name_of(&image), archive))
}

/// `GET /images/save?id=…&id=…`.
///
/// # Errors
/// [`Fault`].
pub async fn several(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    let fields = Fields::parse(signed.uri.query().unwrap_or_default().as_bytes());
    let names: Vec<String> = fields.all("id").map(str::to_owned).collect();
    let Some(first) = names.first() else {
        notify(&signed, false, signed.t.get("images-none-chosen"));
        return Ok(see_other("/images"));
    };
    let name = if names.len() == 1 { first.clone() } else { format!("{}-images", names.len()) };
    Ok(download::tar(&name, ops::images::save(&app, &signed.actor, &names).await?))
}
