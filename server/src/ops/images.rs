//! Images: bring, look at, remove.

use std::io::Read;

use runtime::{
    error::Result,
    request::PullImage,
    view::{ImageRemoval, ImageSummary, ImageView, LoadedImage, PulledImage},
};
use serde_json::json;

use super::{
    Act, Subject, audited,
    operation::{self, Kind, Watch},
};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for PulledImage {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

impl Subject for Vec<LoadedImage> {
    fn object_id(&self) -> String {
        self.iter().map(|image| image.id.to_string()).collect::<Vec<_>>().join(" ")
    }
}

impl Subject for Vec<ImageRemoval> {}

/// All of them, newest first.
///
/// # Errors
/// Without the right to view.
pub fn list(app: &App, actor: &Actor) -> Result<Vec<ImageSummary>> {
    actor.require(Right::View)?;
    Ok(app.engine.images())
}

/// One, by reference, id or unique id prefix.
///
/// # Errors
/// `No such image: NAME`.
pub async fn get(app: &App, actor: &Actor, name: &str) -> Result<ImageView> {
    actor.require(Right::View)?;
    app.engine.image(name).await
}

/// Begins to fetch one. The work goes on when the caller leaves; the [`Watch`] shows it.
///
/// # Errors
/// When it can't even begin; what happens later is the operation's result.
pub async fn pull(app: &App, actor: &Actor, request: PullImage) -> Result<Watch<PulledImage>> {
    let thing = request.reference.clone();
    let act = Act { action: "image.pull", object: thing.clone(), detail: json!({ "platform": request.platform }) };
    let engine = app.engine.clone();
    operation::begin(app, actor, Kind::Pull, thing, act, Right::Operate, move |progress| async move {
        engine.pull(request, progress).await
    })
    .await
}

/// Begins to read an archive. As [`pull`]; the archive is read to its end or to the first error.
///
/// # Errors
/// As [`pull`].
pub async fn load(
    app: &App,
    actor: &Actor,
    file_name: &str,
    archive: impl Read + Send + 'static,
) -> Result<Watch<Vec<LoadedImage>>> {
    let act = Act::on("image.load", file_name);
    let engine = app.engine.clone();
    operation::begin(app, actor, Kind::Load, file_name.to_owned(), act, Right::Operate, move |progress| async move {
        engine.load(archive, progress).await
    })
    .await
}

/// Gives an image another name.
///
/// # Errors
/// No such image, or a wrong reference.
pub async fn tag(app: &App, actor: &Actor, name: &str, reference: &str) -> Result<()> {
    let (engine, asked, new) = (app.engine.clone(), name.to_owned(), reference.to_owned());
    let act = Act { action: "image.tag", object: name.to_owned(), detail: json!({ "reference": reference }) };
    audited(app, actor, Right::Operate, act, async move { engine.tag(&asked, &new).await }).await
}

/// Untags it, and removes it when nothing else holds it.
///
/// # Errors
/// `Conflict` when it is in use.
pub async fn remove(app: &App, actor: &Actor, name: &str, force: bool) -> Result<Vec<ImageRemoval>> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act { action: "image.remove", object: name.to_owned(), detail: json!({ "force": force }) };
    audited(app, actor, Right::Operate, act, async move { engine.remove_image(&asked, force).await }).await
}
