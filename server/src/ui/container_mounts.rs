//! What is mounted into a container, on its page; and what becomes of its own volumes when it is removed.

use askama::Template;
use axum::response::Response;
use runtime::{
    request::{ContainerMount, CreateContainer, MountFrom},
    view::ContainerView,
};

use super::{
    error::Fault,
    page::{Page, html},
    request::Signed,
};
use crate::{app::App, i18n::Texts, ops};

/// One line.
pub struct MountLine {
    /// Where inside.
    pub target: String,
    /// What.
    pub source: String,
    /// The source's page, if it has one.
    pub address: String,
    /// A word for the kind.
    pub kind: String,
    /// It can't be written to.
    pub read_only: bool,
}

/// All of a container's, memory by `--tmpfs` too.
pub fn lines(view: &ContainerView, t: Texts) -> Vec<MountLine> {
    let line = |mount: &ContainerMount| {
        let (source, address, kind) = match &mount.source {
            MountFrom::Bind(bind) => (bind.path.clone(), String::new(), "mount-bind"),
            MountFrom::Volume(volume) => {
                let name = volume.name.clone().unwrap_or_default();
                let short = if volume.anonymous { name.chars().take(12).collect() } else { name.clone() };
                let shown = if volume.subpath.is_empty() { short } else { format!("{short}/{}", volume.subpath) };
                let kind = if volume.anonymous { "mount-anonymous" } else { "mount-volume" };
                (shown, format!("/volumes/{name}"), kind)
            }
            MountFrom::Tmpfs(memory) => {
                (memory.size_bytes.map_or_else(String::new, |bytes| t.memory(bytes)), String::new(), "mount-tmpfs")
            }
        };
        MountLine { target: mount.target.clone(), source, address, kind: t.get(kind), read_only: mount.read_only }
    };
    let memory = view.request.tmpfs.iter().map(|(target, options)| MountLine {
        target: target.clone(),
        source: options.clone(),
        address: String::new(),
        kind: t.get("mount-tmpfs"),
        read_only: false,
    });
    view.mounts.iter().map(line).chain(memory).collect()
}

/// The question before a container with volumes of its own is removed.
#[derive(Template)]
#[template(path = "containers/remove.html")]
pub struct RemovePage {
    page: Page,
    t: Texts,
    name: String,
    detail: String,
    button: String,
    volumes: Vec<MountLine>,
}

impl RemovePage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, view: &ContainerView, detail: String, button: String) -> Self {
        let own = |mount: &&ContainerMount| mount.volume().is_some_and(|volume| volume.anonymous);
        let mounts = view.mounts.iter().filter(own).cloned().collect();
        let request = CreateContainer::default();
        let volumes = lines(&ContainerView { mounts, request, ..view.clone() }, t);
        Self { page, t, name: view.name.clone(), detail, button, volumes }
    }
}

/// Asks, when the container has volumes of its own.
///
/// # Errors
/// [`Fault`].
pub async fn ask(
    app: &App,
    signed: &Signed,
    view: &ContainerView,
    detail: &str,
    button: &str,
) -> Result<Option<Response>, Fault> {
    let t = signed.t;
    if !view.mounts.iter().any(|mount| mount.volume().is_some_and(|volume| volume.anonymous)) {
        return Ok(None);
    }
    ops::containers::get(app, &signed.actor, view.id.as_str())?;
    let page = Page::new(app, signed, t.one("question", "title", button), "containers").await?;
    Ok(Some(html(RemovePage::new(page, t, view, detail.to_owned(), button.to_owned()).render()?)))
}
