//! Files of a volume, as a person sees and changes them. Contents are for who may operate; reading them out is recorded.

use std::io::Read;

use runtime::{
    Outflow,
    error::Result,
    view::{FileEntry, FileKind, FolderView, TextFile},
};
use serde_json::json;

use super::{Act, audited};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

fn act(action: &'static str, volume: &str, path: &str) -> Act {
    Act { action, object: volume.to_owned(), detail: json!({ "path": path }) }
}

/// What a folder has.
///
/// # Errors
/// No such volume or folder.
pub async fn list(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<FolderView> {
    actor.require(Right::View)?;
    app.engine.volume_folder(volume, path).await
}

/// What a path is.
///
/// # Errors
/// No such volume or file.
pub async fn entry(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<FileEntry> {
    actor.require(Right::View)?;
    app.engine.volume_entry(volume, path).await
}

/// A file with its text, when it is a short one.
///
/// # Errors
/// No such volume or file.
pub async fn text(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<TextFile> {
    actor.require(Right::Operate)?;
    app.engine.volume_text(volume, path).await
}

/// The bytes of a file, or a tar of a folder; and which of them it is.
///
/// # Errors
/// No such volume or file.
pub async fn download(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<(FileKind, Outflow)> {
    let kind = entry(app, actor, volume, path).await?.kind;
    let (engine, name, asked) = (app.engine.clone(), volume.to_owned(), path.to_owned());
    let read = audited(app, actor, Right::Operate, act("volume.download", volume, path), async move {
        if kind == FileKind::Folder {
            engine.volume_archive(&name, &asked).await
        } else {
            engine.volume_file(&name, &asked).await
        }
    });
    Ok((kind, read.await?))
}

/// Writes a file: a new one, or, with the version that was seen, an old one.
///
/// # Errors
/// `Conflict` when it is there, or changed meanwhile.
pub async fn write(
    app: &App,
    actor: &Actor,
    volume: &str,
    path: &str,
    known: Option<String>,
    content: impl Read + Send + 'static,
) -> Result<()> {
    let (engine, name, asked) = (app.engine.clone(), volume.to_owned(), path.to_owned());
    audited(app, actor, Right::Operate, act("volume.write", volume, path), async move {
        engine.write_volume_file(&name, &asked, known, content).await
    })
    .await
}

/// Makes a folder.
///
/// # Errors
/// `Conflict` when something of that name is there.
pub async fn make_folder(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<()> {
    let (engine, name, asked) = (app.engine.clone(), volume.to_owned(), path.to_owned());
    audited(app, actor, Right::Operate, act("volume.folder", volume, path), async move {
        engine.make_volume_folder(&name, &asked).await
    })
    .await
}

/// Gives something another name.
///
/// # Errors
/// `Conflict` when something has the new name.
pub async fn rename(app: &App, actor: &Actor, volume: &str, from: &str, to: &str) -> Result<()> {
    let (engine, name, old, new) = (app.engine.clone(), volume.to_owned(), from.to_owned(), to.to_owned());
    let act = Act { action: "volume.rename", object: volume.to_owned(), detail: json!({ "from": from, "to": to }) };
    audited(app, actor, Right::Operate, act, async move { engine.rename_in_volume(&name, &old, &new).await }).await
}

/// Removes a file, or a folder with all in it.
///
/// # Errors
/// Nothing is there.
pub async fn remove(app: &App, actor: &Actor, volume: &str, path: &str) -> Result<()> {
    let (engine, name, asked) = (app.engine.clone(), volume.to_owned(), path.to_owned());
    audited(app, actor, Right::Operate, act("volume.unlink", volume, path), async move {
        engine.remove_in_volume(&name, &asked).await
    })
    .await
}
