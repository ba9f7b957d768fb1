//! A root file system as an image: uploaded, or fetched from an address.

use std::fmt::Write as _;

use askama::Template;
use axum::{
    extract::{Multipart, State, multipart::MultipartError},
    http::StatusCode,
    response::Response,
};
use runtime::{
    digest::ImageId,
    error::{Error, ErrorKind},
    request::ImportImage,
};

use super::{
    error::{Fault, status},
    page::{Page, html, notify, see_other},
    request::{Fields, Signed},
    upload,
};
use crate::{app::App, i18n::Texts, ops};

/// Longest field of the form that is not the file.
const FIELD_BYTES: usize = 64 << 10;

/// The form as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportForm {
    name: String,
    message: String,
    changes: String,
    platform: String,
    address: String,
}

impl ImportForm {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.text("name"),
            message: fields.text("message"),
            changes: fields.get("changes").unwrap_or_default().replace("\r\n", "\n"),
            platform: fields.text("platform"),
            address: fields.text("address"),
        }
    }

    fn request(&self, source: &str, t: Texts) -> ImportImage {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ImportImage {
            reference: some(&self.name),
            message: some(&self.message).unwrap_or_else(|| t.one("image-import-from", "source", source)),
            changes: lines(&self.changes),
            platform: some(&self.platform),
        }
    }
}

/// Instructions, one a line; a backslash at the end goes on in the next.
pub(in crate::ui) fn lines(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines().map(str::trim) {
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part.trim_end(), true));
        match all.last_mut().filter(|_| open) {
            Some(last) => drop(write!(last, " {part}")),
            None if part.is_empty() => {}
            None => all.push(part.to_owned()),
        }
        open = goes_on && !all.is_empty();
    }
    all
}

/// The page.
#[derive(Template)]
#[template(path = "images/import.html")]
pub struct ImportPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// As typed.
    pub form: ImportForm,
    /// What needs a change.
    pub wrong: String,
}

async fn draw(
    app: &App,
    signed: &Signed,
    form: ImportForm,
    wrong: String,
    code: StatusCode,
) -> Result<Response, Fault> {
    let page = Page::new(app, signed, signed.t.get("image-import-title"), "images").await?;
    let mut response = html(ImportPage { page, t: signed.t, form, wrong }.render()?);
    *response.status_mut() = code;
    Ok(response)
}

/// `GET /images/import`.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    draw(&app, &signed, ImportForm::default(), String::new(), StatusCode::OK).await
}

fn broken(error: MultipartError) -> Fault {
    Fault::Failed(Error::with_source(ErrorKind::Invalid, "the upload broke off", error))
}

/// `POST /images/import`: the form with its file, which comes last and is read as it comes.
///
/// # Errors
/// [`Fault`].
pub async fn import(State(app): State<App>, signed: Signed, mut parts: Multipart) -> Result<Response, Fault> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut sent = None;
    while let Some(mut field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "archive" {
            let mut bytes = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(broken)? {
                if bytes.len() + chunk.len() > FIELD_BYTES || pairs.len() > 16 {
                    return Err(Error::invalid("this form is too long").into());
                }
                bytes.extend_from_slice(&chunk);
            }
            pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            continue;
        }
        let fields = Fields::from(pairs.clone());
        if !signed.secret.is_form_token(fields.get("csrf").unwrap_or_default()) {
            return Err(Fault::StaleForm);
        }
        let file_name: String = field.file_name().unwrap_or_default().chars().take(200).collect();
        if file_name.is_empty() || sent.is_some() {
            continue;
        }
        let request = ImportForm::read(&fields).request(&file_name, signed.t);
        let (sender, reader) = upload::bridge();
        let (imported, passed) =
            tokio::join!(ops::images::import(&app, &signed.actor, request, reader), upload::pass(field, sender));
        passed.map_err(broken)?;
        sent = Some(imported);
    }
    let fields = Fields::from(pairs);
    if !signed.secret.is_form_token(fields.get("csrf").unwrap_or_default()) {
        return Err(Fault::StaleForm);
    }
    let form = ImportForm::read(&fields);
    let imported = match sent {
        Some(imported) => imported,
        None => fetch(&app, &signed, &form).await,
    };
    answer(&app, &signed, form, imported).await
}

async fn fetch(app: &App, signed: &Signed, form: &ImportForm) -> Result<ImageId, Error> {
    if !["http://", "https://"].iter().any(|scheme| form.address.starts_with(scheme)) {
        return Err(Error::invalid(signed.t.get("image-import-what")));
    }
    let request = form.request(&form.address, signed.t);
    ops::images::import_from(app, &signed.actor, request, &form.address).await
}

async fn answer(
    app: &App,
    signed: &Signed,
    form: ImportForm,
    imported: Result<ImageId, Error>,
) -> Result<Response, Fault> {
    match imported {
        Ok(id) => {
            let name = if form.name.is_empty() { id.short() } else { form.name };
            notify(signed, true, signed.t.one("image-imported", "name", name));
            Ok(see_other(&format!("/images/{id}")))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => Err(error.into()),
        Err(error) => draw(app, signed, form, error.message().to_owned(), status(error.kind())).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_lines_and_may_go_on() {
        assert_eq!(lines("CMD [\"sh\"]\n\n  ENV A=b \\\n  C=d\nUSER 1"), ["CMD [\"sh\"]", "ENV A=b C=d", "USER 1"]);
        assert!(lines("\n \\\n").is_empty(), "nothing is no instruction");
    }
}
