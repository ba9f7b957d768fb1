//! Images: bring, look at, remove.

use std::io::Read;

use runtime::{
    error::Result,
    reference::Reference,
    request::{PullImage, PushImage},
    view::{ImageRemoval, ImageSummary, ImageView, LoadedImage, PulledImage, Pushed},
};
use serde_json::json;

use super::{
    Act, Subject, audited,
    operation::{self, Kind, Watch},
    registries,
};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for Vec<PulledImage> {
    fn object_id(&self) -> String {
        self.iter().map(|image| image.id.to_string()).collect::<Vec<_>>().join(" ")
    }
}

impl Subject for Vec<Pushed> {
    fn object_id(&self) -> String {
        self.iter().map(|image| image.id.to_string()).collect::<Vec<_>>().join(" ")
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

/// Begins to fetch one, or all tags of its repository. The work goes on when the caller leaves; the [`Watch`] shows it.
/// Who comes by the pages uses the credentials that are kept.
///
/// # Errors
/// When it can't even begin; what happens later is the operation's result.
pub async fn pull(app: &App, actor: &Actor, request: PullImage, all_tags: bool) -> Result<Watch<Vec<PulledImage>>> {
    let thing = request.reference.clone();
    let detail = json!({ "platform": request.platform, "all_tags": all_tags });
    let act = Act { action: "image.pull", object: thing.clone(), detail };
    let auth = registries::kept(app, actor, &thing, request.auth).await?;
    let (engine, request) = (app.engine.clone(), PullImage { auth, ..request });
    operation::begin(app, actor, Kind::Pull, thing, act, Right::Operate, move |progress| async move {
        if all_tags {
            return engine.pull_all(request, progress).await;
        }
        engine.pull(request, progress).await.map(|image| vec![image])
    })
    .await
}

/// Begins to upload one, or all tags of its repository. As [`pull`]; it stops when it is cancelled.
///
/// # Errors
/// As [`pull`].
pub async fn push(app: &App, actor: &Actor, request: PushImage) -> Result<Watch<Vec<Pushed>>> {
    let thing = request.reference.clone();
    let detail = json!({ "platform": request.platform, "all_tags": request.all_tags });
    let act = Act { action: "image.push", object: thing.clone(), detail };
    let auth = registries::kept(app, actor, &thing, request.auth).await?;
    let (engine, request) = (app.engine.clone(), PushImage { auth, ..request });
    operation::begin(app, actor, Kind::Push, thing, act, Right::Operate, move |progress| async move {
        engine.push(request, progress).await
    })
    .await
}

/// Begins to upload one under a name, which it gets first if it doesn't have it.
///
/// # Errors
/// Not a name, or as [`push`].
pub async fn push_as(app: &App, actor: &Actor, image: &str, name: &str) -> Result<Watch<Vec<Pushed>>> {
    let reference = name.parse::<Reference>()?.or_latest().familiar();
    if !get(app, actor, image).await?.summary.tags.contains(&reference) {
        tag(app, actor, image, &reference).await?;
    }
    push(app, actor, PushImage { reference, ..PushImage::default() }).await
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
