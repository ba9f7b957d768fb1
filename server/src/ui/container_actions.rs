//! What is done to one container, and the questions before it.

use axum::{
    extract::{Path, State},
    response::Response,
};
use runtime::error::ErrorKind;

use super::{
    confirm::{Confirm, Line},
    container_mounts,
    containers::Standing,
    error::Fault,
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, ops};

/// `GET /containers/{name}/{stop,kill,remove}`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(
    State(app): State<App>,
    signed: Signed,
    Path((name, act)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let t = signed.t;
    let view = ops::containers::get(&app, &signed.actor, &name)?;
    let name = view.name.clone();
    let state = Standing::new(&view.state, t);
    let (title, note, icon) = match act.as_str() {
        "stop" => (t.one("stop-one", "name", &name), t.get("container-stop-effect"), "stop"),
        "kill" => (t.one("kill-one", "name", &name), t.get("container-kill-effect"), "x"),
        "remove" if view.state.is_running() => {
            (t.one("stop-and-remove-one", "name", &name), t.get("container-remove-effect"), "trash")
        }
        "remove" => (t.one("remove-one", "name", &name), t.get("container-remove-effect"), "trash"),
        _ => return Err(Fault::NoPage),
    };
    let mut lines = vec![Line {
        name: name.clone(),
        address: format!("/containers/{name}"),
        detail: format!("{} · {}", state.word, view.request.image),
        field: None,
    }];
    if act == "remove"
        && let Ok(size) = ops::containers::size(&app, &signed.actor, &name).await
    {
        lines[0].detail =
            format!("{} · {}", lines[0].detail, t.one("container-layer-size", "size", t.size(size.writable_bytes)));
    }
    if act == "remove"
        && let Some(asked) = container_mounts::ask(&app, &signed, &view, &lines[0].detail, &title).await?
    {
        return Ok(asked);
    }
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &title), "containers").await?,
        t,
        crumb: ("/containers", t.get("nav-containers")),
        action: format!("/containers/{name}/{act}"),
        note,
        lines,
        hidden: Vec::new(),
        button: title,
        icon,
        danger: act != "stop",
        back: format!("/containers/{name}"),
    };
    confirm.answer()
}

/// `POST /containers/{name}/{start,stop,restart,kill,pause,unpause,remove}`.
///
/// # Errors
/// [`Fault`].
pub async fn act(
    State(app): State<App>,
    Path((name, act)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Fault> {
    let volumes = posted.fields.is_on("volumes");
    let signed = posted.signed;
    let (actor, t) = (&signed.actor, signed.t);
    let result = match act.as_str() {
        "start" => ops::containers::start(&app, actor, &name).await,
        "stop" => ops::containers::stop(&app, actor, &name, None, None).await,
        "restart" => ops::containers::restart(&app, actor, &name, None, None).await,
        "kill" => ops::containers::kill(&app, actor, &name, "KILL").await,
        "pause" => ops::container_life::pause(&app, actor, &name).await,
        "unpause" => ops::container_life::unpause(&app, actor, &name).await,
        "remove" => ops::containers::remove(&app, actor, &name, true, volumes).await,
        _ => return Err(Fault::NoPage),
    };
    match result {
        Ok(view) => {
            let text = match act.as_str() {
                "start" => t.one("container-started", "name", &view.name),
                "stop" => t.one("container-stopped", "name", &view.name),
                "restart" => t.one("container-restarted", "name", &view.name),
                "kill" => t.one("container-killed", "name", &view.name),
                "pause" => t.one("container-paused", "name", &view.name),
                "unpause" => t.one("container-unpaused", "name", &view.name),
                _ => t.one("container-removed", "name", &view.name),
            };
            notify(&signed, true, text);
            let to = if act == "remove" { "/containers".to_owned() } else { format!("/containers/{}", view.name) };
            Ok(see_other(&to))
        }
        Err(error) if error.kind() == ErrorKind::NotModified => {
            notify(&signed, true, error.message().to_owned());
            Ok(see_other(&format!("/containers/{name}")))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Internal | ErrorKind::Forbidden) => {
            Err(error.into())
        }
        Err(error) => {
            notify(&signed, false, t.two("container-act-failed", "name", &name, "why", error.message()));
            Ok(see_other(&format!("/containers/{name}")))
        }
    }
}
