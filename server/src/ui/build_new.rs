//! New build: the form in its three ways, the check of a pasted Dockerfile, and what becomes of it.

use askama::Template;
use axum::{
    extract::{Multipart, Query, State},
    http::StatusCode,
    response::Response,
};
use runtime::error::{Error, ErrorKind};

use super::{
    build_form::{BuildForm, Way},
    builds::Finding,
    error::{Fault, status},
    launch_form::{PairRow, Wrong},
    page::{Page, html, see_other},
    request::{Fields, Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{
        self,
        builds::{Building, Source},
    },
};

/// Longest field of the upload form that is not the file.
const FIELD_BYTES: usize = 64 << 10;

/// The page.
#[derive(Template)]
#[template(path = "builds/new.html", blocks = ["findings"])]
pub struct NewPage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// As typed.
    pub form: BuildForm,
    /// What needs a change.
    pub wrong: Vec<Wrong>,
    /// What the check of a Dockerfile says; `None` when it was not asked.
    pub findings: Option<Vec<Finding>>,
}

impl NewPage {
    fn why(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.why.as_str())
    }

    fn why_at(&self, field: &str, at: &usize) -> Option<&str> {
        self.why(&format!("{field}{at}"))
    }

    fn is_open(&self) -> bool {
        let typed = |rows: &[PairRow]| rows.len() > 1 || rows.iter().any(|row| *row != PairRow::default());
        typed(&self.form.args)
            || typed(&self.form.labels)
            || !self.form.target.is_empty()
            || !self.form.path.is_empty()
            || self.wrong.iter().any(|wrong| ["an", "av", "ln"].iter().any(|field| wrong.field.starts_with(field)))
    }

    fn ways(&self) -> Vec<(&'static str, String, bool)> {
        [(Way::Paste, "build-way-paste"), (Way::Upload, "build-way-upload"), (Way::Address, "build-way-address")]
            .into_iter()
            .map(|(way, key)| (way.word(), self.t.get(key), way == self.form.way))
            .collect()
    }

    fn action(&self) -> &'static str {
        if self.form.way == Way::Upload { "/builds/upload" } else { "/builds" }
    }

    fn is_upload(&self) -> bool {
        self.form.way == Way::Upload
    }

    fn is_paste(&self) -> bool {
        self.form.way == Way::Paste
    }
}

async fn draw(app: &App, signed: &Signed, form: BuildForm, wrong: Vec<Wrong>) -> Result<NewPage, Fault> {
    let page = Page::new(app, signed, signed.t.get("builds-new"), "builds").await?;
    Ok(NewPage { page, t: signed.t, form: form.with_rows(), wrong, findings: None })
}

async fn refuse(
    app: &App,
    signed: &Signed,
    form: BuildForm,
    wrong: Vec<Wrong>,
    code: StatusCode,
) -> Result<Response, Fault> {
    let mut response = html(draw(app, signed, form, wrong).await?.render()?);
    *response.status_mut() = code;
    Ok(response)
}

/// What the form starts with.
#[derive(serde::Deserialize)]
pub struct Start {
    #[serde(default)]
    way: String,
    #[serde(default)]
    name: String,
    from: Option<i64>,
}

/// `GET /builds/new`; `?from=` is like an earlier build.
///
/// # Errors
/// [`Fault`].
pub async fn show(State(app): State<App>, signed: Signed, Query(start): Query<Start>) -> Result<Response, Fault> {
    let form = match start.from {
        Some(id) => BuildForm::like(&ops::builds::get(&app, &signed.actor, id).await?),
        None => BuildForm { way: Way::parse(&start.way), names: start.name, ..BuildForm::default() },
    };
    Ok(html(draw(&app, &signed, form, Vec::new()).await?.render()?))
}

/// `POST /builds/new`: the page again with another row, or with one less.
///
/// # Errors
/// [`Fault`].
pub async fn again(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let form = BuildForm::read(&posted.fields);
    Ok(html(draw(&app, &posted.signed, form, Vec::new()).await?.render()?))
}

/// `POST /builds/check`: looks a pasted Dockerfile over.
///
/// # Errors
/// [`Fault`].
pub async fn check(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let form = BuildForm::read(&posted.fields);
    let findings = ops::builds::check(&posted.signed.actor, &form.text)?;
    let mut whole = draw(&app, &posted.signed, form, Vec::new()).await?;
    whole.findings =
        Some(findings.into_iter().map(|one| Finding { check: one.check, line: one.line, text: one.text }).collect());
    Ok(html(if posted.signed.fragment { whole.as_findings().render()? } else { whole.render()? }))
}

/// `POST /builds`: from a pasted Dockerfile or an address.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, form) = (posted.signed, BuildForm::read(&posted.fields));
    let request = match form.request(signed.t) {
        Ok(request) => request,
        Err(wrong) => return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    let source = match form.way {
        Way::Paste => Source::Dockerfile(form.text.clone()),
        Way::Address => Source::Remote(form.address.clone()),
        Way::Upload => return Err(Fault::StaleForm),
    };
    let begun = ops::builds::begin(&app, &signed.actor, request, source).await;
    answer(&app, &signed, form, begun).await
}

async fn answer(
    app: &App,
    signed: &Signed,
    form: BuildForm,
    begun: Result<Building, Error>,
) -> Result<Response, Fault> {
    match begun {
        // Nobody follows it here: the page reads its log.
        Ok(building) => Ok(see_other(&format!("/builds/{}", building.id))),
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => Err(error.into()),
        Err(error) => {
            let why = error.message().to_owned();
            let wrong = vec![Wrong { field: "main".into(), label: signed.t.get("builds-new"), why }];
            refuse(app, signed, form, wrong, status(error.kind())).await
        }
    }
}

/// `POST /builds/upload`: the form with its file, which comes last and is written down as it comes.
///
/// # Errors
/// [`Fault`].
pub async fn upload(State(app): State<App>, signed: Signed, mut parts: Multipart) -> Result<Response, Fault> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Fault::Failed(Error::with_source(ErrorKind::Invalid, "the upload broke off", error))
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut sent = None;
    while let Some(mut field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name != "archive" {
            let mut bytes = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(broken)? {
                if bytes.len() + chunk.len() > FIELD_BYTES || pairs.len() > 64 {
                    return Err(Error::invalid("this form is too long").into());
                }
                bytes.extend_from_slice(&chunk);
            }
            pairs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            continue;
        }
        let token = pairs.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.as_str()).unwrap_or_default();
        if !signed.secret.is_form_token(token) {
            return Err(Fault::StaleForm);
        }
        let file_name: String = field.file_name().unwrap_or_default().chars().take(200).collect();
        let mut upload = ops::builds::upload(&app, &signed.actor).await?;
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            upload.write(&chunk).await?;
        }
        if upload.size_bytes > 0 {
            sent = Some(Source::Upload { upload, file_name });
        }
    }
    let fields = Fields::from(pairs);
    if !signed.secret.is_form_token(fields.get("csrf").unwrap_or_default()) {
        return Err(Fault::StaleForm);
    }
    let form = BuildForm { way: Way::Upload, ..BuildForm::read(&fields) };
    let request = match form.request(signed.t) {
        Ok(request) => request,
        Err(wrong) => return refuse(&app, &signed, form, wrong, StatusCode::UNPROCESSABLE_ENTITY).await,
    };
    let source = match (sent, form.from) {
        (Some(source), _) => Ok(source),
        (None, Some(id)) => {
            let view = ops::builds::get(&app, &signed.actor, id).await?;
            ops::builds::again(&app, &signed.actor, &view).await
        }
        (None, None) => Err(Error::invalid(signed.t.get("build-file-missing"))),
    };
    let begun = match source {
        Ok(source) => ops::builds::begin(&app, &signed.actor, request, source).await,
        Err(error) => Err(error),
    };
    answer(&app, &signed, form, begun).await
}
