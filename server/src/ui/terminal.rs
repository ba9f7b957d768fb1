//! The terminal tab of a container.

use askama::Template;
use axum::{
    extract::{OriginalUri, Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::view::{ContainerView, ExecView};

use super::{
    container::{Head, find},
    error::Fault,
    page::{Page, When, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, terminal::SHELLS},
};

/// A shell that is open.
pub struct Open {
    id: String,
    user: String,
    since: When,
}

/// The tab.
#[derive(Template)]
#[template(path = "containers/terminal.html")]
pub struct TerminalPage {
    page: Page,
    t: Texts,
    head: Head,
    shells: Vec<(&'static str, String)>,
    user: String,
    open: Vec<Open>,
}

impl TerminalPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, view: &ContainerView, open: &[ExecView], now: Timestamp) -> Self {
        let user = if view.user.is_empty() { "root" } else { view.user.as_str() };
        let text = |shell: &'static str| {
            if shell == "auto" { t.get("terminal-auto") } else { shell.to_owned() }
        };
        Self {
            head: Head::new(view, t, now, "terminal"),
            page,
            t,
            shells: SHELLS.into_iter().map(|shell| (shell, text(shell))).collect(),
            open: open
                .iter()
                .map(|exec| Open {
                    id: exec.id.to_string(),
                    user: exec.request.user.clone().unwrap_or_else(|| user.to_owned()),
                    since: When::ago(t, exec.created_at, now),
                })
                .collect(),
            user: user.to_owned(),
        }
    }
}

/// `GET /containers/{name}/terminal`.
///
/// # Errors
/// [`Fault`].
pub async fn show(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    uri: OriginalUri,
) -> Result<Response, Fault> {
    let view = match find(&app, &signed, &name, &uri)? {
        Ok(view) => view,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let open = ops::terminal::list(&app, &signed.actor, &view.name)?;
    let page = Page::new(&app, &signed, view.name.clone(), "containers").await?;
    let page = page.with_scripts(&["xterm.js", "xterm-fit.js", "terminal.js"]);
    let whole = TerminalPage::new(page, signed.t, &view, &open, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// `POST /containers/{name}/terminal`: ends one.
///
/// # Errors
/// [`Fault`].
pub async fn end(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, id) = (posted.signed, posted.fields.text("id"));
    ops::terminal::end(&app, &signed.actor, &name, &id).await?;
    Ok(see_other(&format!("/containers/{name}/terminal")))
}
