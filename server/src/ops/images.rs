//! Images: bring, look at, remove.

use std::io::Read;

use runtime::{
    Outflow,
    digest::ImageId,
    error::{Error, Result},
    reference::Reference,
    request::{ImportImage, PruneImages, PullImage, PushImage},
    view::{ImageSummary, ImageView, LoadedImage, PrunedImages, PulledImage, Pushed},
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

impl Subject for PrunedImages {}

impl Subject for Outflow {}

impl Subject for ImageId {
    fn object_id(&self) -> String {
        self.to_string()
    }
}

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

/// Begins an archive of these.
///
/// # Errors
/// `No such image: NAME`.
pub async fn save(app: &App, actor: &Actor, names: &[String]) -> Result<Outflow> {
    let (engine, asked) = (app.engine.clone(), names.to_vec());
    let act = Act::on("image.save", names.join(" "));
    audited(app, actor, Right::View, act, async move { engine.save(&asked).await }).await
}

/// Reads a file system as an image.
///
/// # Errors
/// A wrong name or instruction, or what is wrong with the stream.
pub async fn import(
    app: &App,
    actor: &Actor,
    request: ImportImage,
    from: impl Read + Send + 'static,
) -> Result<ImageId> {
    let act = importing(&request, "-");
    let engine = app.engine.clone();
    audited(app, actor, Right::Operate, act, async move { engine.import(from, request).await }).await
}

/// As [`import`], from an address that the server fetches.
///
/// # Errors
/// As [`import`], or when the address can't be fetched.
pub async fn import_from(app: &App, actor: &Actor, request: ImportImage, address: &str) -> Result<ImageId> {
    let act = importing(&request, address);
    let (engine, address) = (app.engine.clone(), address.to_owned());
    // What is only to be reached from the host is for those who see the host.
    let private = actor.require(Right::Administer).is_ok();
    audited(app, actor, Right::Operate, act, async move { engine.import_from(&address, private, request).await }).await
}

fn importing(request: &ImportImage, source: &str) -> Act {
    let object = request.reference.clone().unwrap_or_default();
    // An address may carry a password.
    let source = source.rsplit_once('@').map_or(source, |(_, host)| host);
    Act { action: "image.import", object, detail: json!({ "from": source, "changes": request.changes }) }
}

/// Removes those that no container uses.
///
/// # Errors
/// When the disk fails.
pub async fn prune(app: &App, actor: &Actor, request: PruneImages) -> Result<PrunedImages> {
    let engine = app.engine.clone();
    let detail = json!({
        "named": request.named, "until": request.until.map(|at| at.to_string()),
        "labels": request.labels, "labels_not": request.labels_not,
    });
    let act = Act { action: "image.prune", object: String::new(), detail };
    audited(app, actor, Right::Operate, act, async move { engine.prune_images(request).await }).await
}

/// Looks for images by words: says why it can't. Registries can't be searched, and Darsena uses no index beside them.
pub fn search(actor: &Actor) -> Error {
    let text = "no index of images can be reached: registries can be pulled from but not searched; look in the \
                registry's own pages, then pull by name";
    actor.require(Right::View).err().unwrap_or_else(|| Error::unsupported(text))
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
pub async fn remove(app: &App, actor: &Actor, name: &str, force: bool) -> Result<PrunedImages> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act { action: "image.remove", object: name.to_owned(), detail: json!({ "force": force }) };
    audited(app, actor, Right::Operate, act, async move { engine.remove_image(&asked, force).await }).await
}
