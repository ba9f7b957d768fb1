//! Images that come: pulled from a registry, loaded from an archive.

use axum::{
    extract::{Multipart, State},
    response::Response,
};
use runtime::{
    error::{Error, ErrorKind},
    request::PullImage,
};

use super::{
    error::Fault,
    page::{notify, see_other},
    request::{Posted, Signed},
    upload,
};
use crate::{app::App, ops};

/// `POST /images/pull`.
///
/// # Errors
/// [`Fault`].
pub async fn pull(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    let reference = posted.fields.text("image");
    if reference.is_empty() {
        notify(&signed, false, signed.t.get("images-pull-what"));
        return Ok(see_other("/images"));
    }
    let platform = Some(posted.fields.text("platform")).filter(|platform| !platform.is_empty());
    let request = PullImage { reference, platform, ..PullImage::default() };
    match ops::images::pull(&app, &signed.actor, request, posted.fields.is_on("all")).await {
        Ok(watch) => Ok(see_other(&format!("/operations/{}", watch.id))),
        Err(error) if error.kind() == ErrorKind::Invalid => {
            notify(&signed, false, error.message().to_owned());
            Ok(see_other("/images"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /images/load`: an archive, passed on as it comes in.
///
/// # Errors
/// [`Fault`].
pub async fn load(State(app): State<App>, signed: Signed, mut parts: Multipart) -> Result<Response, Fault> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Fault::Failed(Error::with_source(ErrorKind::Invalid, "the upload broke off", error))
    };
    let mut trusted = false;
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name() {
            Some("csrf") => {
                let token = field.text().await.map_err(broken)?;
                trusted = signed.secret.is_form_token(&token);
            }
            Some("archive") if trusted => {
                let file_name: String = field.file_name().unwrap_or("archive").chars().take(200).collect();
                if file_name.is_empty() {
                    break;
                }
                let (sender, reader) = upload::bridge();
                let watch = ops::images::load(&app, &signed.actor, &file_name, reader).await?;
                let id = watch.id;
                upload::pass(field, sender).await.map_err(broken)?;
                // The file is here; reading and storing it goes on as an operation.
                return Ok(see_other(&format!("/operations/{id}")));
            }
            _ => return Err(Fault::StaleForm),
        }
    }
    if !trusted {
        return Err(Fault::StaleForm);
    }
    notify(&signed, false, signed.t.get("images-load-what"));
    Ok(see_other("/images"))
}
