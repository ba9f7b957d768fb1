//! The file explorer of a volume: folders, uploads, downloads, new names. Paths travel in the query, so that no file's
//! name can be taken for a page.

use askama::Template;
use axum::{
    body::Body,
    extract::{Multipart, Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use runtime::{
    error::{Error, ErrorKind},
    view::{FileEntry, FileKind, FolderView},
};

use super::{
    confirm::{Confirm, Line},
    download, encode,
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
    upload,
};
use crate::{app::App, i18n::Texts, ops};

/// Which path of the volume is meant.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct At {
    /// Without `/` in front.
    pub p: String,
    /// A new file is meant.
    pub new: String,
}

/// The page of a folder.
pub(in crate::ui) fn address(volume: &str, path: &str) -> String {
    if path.is_empty() {
        format!("/volumes/{volume}/files")
    } else {
        format!("/volumes/{volume}/files?p={}", encode(path))
    }
}

/// A path below another.
pub(in crate::ui) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder a path is in.
pub(in crate::ui) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The way from the volume to a path: names and addresses.
pub(in crate::ui) fn crumbs(volume: &str, path: &str) -> Vec<(String, String)> {
    let mut way = vec![(volume.to_owned(), address(volume, ""))];
    let mut walked = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        walked = join(&walked, part);
        way.push((part.to_owned(), address(volume, &walked)));
    }
    way
}

/// One row.
pub struct Row {
    name: String,
    path: String,
    icon: &'static str,
    open: String,
    detail: String,
    size: String,
    owner: String,
    mode: String,
    since: When,
    acts: bool,
    is_file: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "volumes/files.html")]
pub struct FilesPage {
    page: Page,
    t: Texts,
    volume: String,
    path: String,
    way: Vec<(String, String)>,
    here: String,
    rows: Vec<Row>,
    more: usize,
}

impl FilesPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, volume: &str, path: &str, folder: &FolderView, now: Timestamp) -> Self {
        let mut way = crumbs(volume, path);
        let here = way.pop().map(|(name, _)| name).unwrap_or_default();
        Self {
            page,
            t,
            volume: volume.to_owned(),
            path: path.to_owned(),
            way,
            here,
            rows: folder.entries.iter().map(|entry| Row::new(entry, volume, path, t, now)).collect(),
            more: folder.more,
        }
    }
}

impl Row {
    fn new(entry: &FileEntry, volume: &str, folder: &str, t: Texts, now: Timestamp) -> Self {
        let path = join(folder, &entry.name);
        let edit = format!("/volumes/{volume}/files/edit?p={}", encode(&path));
        let (icon, open) = match entry.kind {
            FileKind::Folder => ("folder", address(volume, &path)),
            FileKind::File => ("file", edit),
            FileKind::Link => ("link", String::new()),
            FileKind::Other => ("info", String::new()),
        };
        Self {
            icon,
            open: if entry.is_named { open } else { String::new() },
            detail: match entry.kind {
                FileKind::Link => format!("→ {}", entry.target),
                FileKind::Other => t.get("files-special"),
                _ => String::new(),
            },
            size: if entry.kind == FileKind::File { t.size(entry.size_bytes) } else { "–".to_owned() },
            owner: format!("{}:{}", entry.uid, entry.gid),
            mode: format!("{:04o}", entry.mode),
            since: When::ago(t, entry.modified_at, now),
            acts: entry.is_named,
            is_file: matches!(entry.kind, FileKind::File | FileKind::Folder),
            name: entry.name.clone(),
            path,
        }
    }
}

/// `GET /volumes/{name}/files`.
///
/// # Errors
/// [`Fault`].
pub async fn list(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Fault> {
    let path = at.p.trim_matches('/');
    let folder = match ops::volume_files::list(&app, &signed.actor, &name, path).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {
            notify(&signed, false, error.message().to_owned());
            return Ok(see_other(&format!("/volumes/{name}")));
        }
        folder => folder?,
    };
    let title = if path.is_empty() { name.as_str() } else { last(path) };
    let page = Page::new(&app, &signed, title.to_owned(), "volumes").await?;
    let whole = FilesPage::new(page, signed.t, &name, path, &folder, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// `GET /volumes/{name}/files/download`: a file as it is, a folder as a tar.
///
/// # Errors
/// [`Fault`].
pub async fn download(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Fault> {
    let path = at.p.trim_matches('/');
    let (kind, bytes) = ops::volume_files::download(&app, &signed.actor, &name, path).await?;
    let title = if path.is_empty() { name.as_str() } else { last(path) };
    if kind == FileKind::Folder {
        return Ok(download::tar(title, bytes));
    }
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", download::file_name(title))),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// What was done, or why not, on the next page; what the person can't help goes on as a fault.
fn told(signed: &Signed, result: Result<(), Error>, done: String) -> Result<(), Fault> {
    match result {
        Ok(()) => notify(signed, true, done),
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Exhausted) => {
            notify(signed, false, error.message().to_owned());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// `POST /volumes/{name}/files/upload`: files, passed on as they come in.
///
/// # Errors
/// [`Fault`].
pub async fn take(
    State(app): State<App>,
    signed: Signed,
    Path(name): Path<String>,
    mut parts: Multipart,
) -> Result<Response, Fault> {
    let t = signed.t;
    let broken = |error: axum::extract::multipart::MultipartError| {
        Fault::Failed(Error::with_source(ErrorKind::Invalid, "the upload broke off", error))
    };
    let (mut trusted, mut replace, mut folder, mut count) = (false, false, String::new(), 0);
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name() {
            Some("csrf") => {
                let token = field.text().await.map_err(broken)?;
                trusted = signed.secret.is_form_token(&token);
            }
            Some("p") if trusted => {
                field.text().await.map_err(broken)?.trim_matches('/').clone_into(&mut folder);
            }
            Some("replace") if trusted => replace = true,
            Some("file") if trusted => {
                let file = last(field.file_name().unwrap_or_default()).to_owned();
                if file.is_empty() {
                    continue;
                }
                let path = join(&folder, &file);
                let seen = ops::volume_files::entry(&app, &signed.actor, &name, &path).await;
                let known = if replace { seen.ok().map(|entry| entry.version) } else { None };
                let (sender, reader) = upload::bridge();
                let (to, actor) = (app.clone(), signed.actor.clone());
                let volume = name.clone();
                let writing =
                    tokio::spawn(
                        async move { ops::volume_files::write(&to, &actor, &volume, &path, known, reader).await },
                    );
                upload::pass(field, sender).await.map_err(broken)?;
                let written = writing
                    .await
                    .map_err(|panic| Fault::Failed(Error::internal("this failed inside; see the log", panic)))?;
                count += 1;
                told(&signed, written, t.one("files-uploaded", "name", &file))?;
            }
            _ => return Err(Fault::StaleForm),
        }
    }
    if !trusted {
        return Err(Fault::StaleForm);
    }
    if count == 0 {
        notify(&signed, false, t.get("files-upload-what"));
    }
    Ok(see_other(&address(&name, &folder)))
}

/// A name of one file, not a path.
pub(in crate::ui) fn plain(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains('/') && name != "." && name != "..").then_some(name)
}

/// `POST /volumes/{name}/files/folder`.
///
/// # Errors
/// [`Fault`].
pub async fn make_folder(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let (at, new) = (posted.fields.text("p"), posted.fields.text("name"));
    match plain(&new) {
        None => notify(signed, false, t.get("files-name-wrong")),
        Some(new) => {
            let made = ops::volume_files::make_folder(&app, &signed.actor, &name, &join(&at, new)).await;
            told(signed, made, t.one("files-folder-made", "name", new))?;
        }
    }
    Ok(see_other(&address(&name, &at)))
}

/// The page that asks for a new name.
#[derive(Template)]
#[template(path = "volumes/rename.html")]
pub struct RenamePage {
    /// The frame.
    pub page: Page,
    /// The texts.
    pub t: Texts,
    /// The volume.
    pub volume: String,
    /// The path as it is.
    pub path: String,
    /// Its last part.
    pub name: String,
    /// The way out.
    pub back: String,
}

/// `GET /volumes/{name}/files/rename`.
///
/// # Errors
/// [`Fault`].
pub async fn ask_name(
    State(app): State<App>,
    signed: Signed,
    Path(volume): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Fault> {
    let t = signed.t;
    let name = last(&at.p).to_owned();
    let title = t.one("files-rename-one", "name", &name);
    let page = Page::new(&app, &signed, title, "volumes").await?;
    let back = address(&volume, parent(&at.p));
    let whole = RenamePage { page, t, volume, path: at.p, name, back };
    signed.answer(&whole, &whole)
}

/// `POST /volumes/{name}/files/rename`.
///
/// # Errors
/// [`Fault`].
pub async fn rename(State(app): State<App>, Path(volume): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let (from, new) = (posted.fields.text("p"), posted.fields.text("name"));
    let folder = parent(&from).to_owned();
    match plain(&new) {
        None => notify(signed, false, t.get("files-name-wrong")),
        Some(new) => {
            let to = join(&folder, new);
            let renamed = ops::volume_files::rename(&app, &signed.actor, &volume, &from, &to).await;
            told(signed, renamed, t.two("files-renamed", "old", last(&from), "new", new))?;
        }
    }
    Ok(see_other(&address(&volume, &folder)))
}

/// `GET /volumes/{name}/files/remove`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask_remove(
    State(app): State<App>,
    signed: Signed,
    Path(volume): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Fault> {
    let t = signed.t;
    ops::volumes::get(&app, &signed.actor, &volume)?;
    let title = t.one("remove-one", "name", last(&at.p));
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &title), "volumes").await?,
        t,
        crumb: ("/volumes", t.get("nav-volumes")),
        action: format!("/volumes/{volume}/files/remove"),
        note: t.get("files-remove-effect"),
        lines: vec![Line {
            name: at.p.clone(),
            address: address(&volume, parent(&at.p)),
            detail: volume.clone(),
            field: None,
        }],
        hidden: vec![("p", at.p.clone())],
        button: title,
        icon: "trash",
        danger: true,
        back: address(&volume, parent(&at.p)),
    };
    confirm.answer()
}

/// `POST /volumes/{name}/files/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(volume): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let path = posted.fields.text("p");
    let removed = ops::volume_files::remove(&app, &signed.actor, &volume, &path).await;
    told(signed, removed, t.one("files-removed", "name", last(&path)))?;
    Ok(see_other(&address(&volume, parent(&path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_walked_by_their_parts() {
        assert_eq!((join("", "a"), join("a/b", "c")), ("a".into(), "a/b/c".into()));
        assert_eq!((parent("a/b/c"), parent("a"), last("a/b"), last("")), ("a/b", "", "b", ""));
        let way = crumbs("shop", "a b/c");
        assert_eq!(way[2], ("c".to_owned(), "/volumes/shop/files?p=a%20b/c".to_owned()));
        assert_eq!(address("shop", ""), "/volumes/shop/files");
        assert!(plain("a b").is_some() && ["", ".", "..", "a/b"].iter().all(|name| plain(name).is_none()));
    }
}
