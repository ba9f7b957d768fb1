//! The served registry: what its clients and its page do.
//!
//! A repository belongs to the team its name begins with: `team/app` to `team`. To pull takes a viewer of it; to push, to
//! mount and to remove an operator. What belongs to no team belongs to the administrators, and another team's repositories
//! are not there.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use runtime::{
    digest::Digest,
    error::Result,
    serving::{Blob, Landed, Manifest, PutManifest, Referrer, Removed, RepositoryView, ServedAs, UploadId},
};
use serde_json::{Value, json};

use super::{Act, Subject, audited, users::recorded};
use crate::{
    app::App,
    auth::actor::{Actor, Need, Principal, Right, TeamRole},
};

impl Subject for Landed {
    fn object_id(&self) -> String {
        self.digest.to_string()
    }
}

impl Subject for Removed {
    fn object_id(&self) -> String {
        self.digest.to_string()
    }
}

impl Subject for bool {}

/// More for the record: which token was used.
fn detail(actor: &Actor, mut more: Value) -> Value {
    if let Principal::Token { token, .. } = &actor.principal {
        more["token"] = json!(token);
    }
    more
}

fn pull(repository: &str) -> Need {
    Need::Repository(repository.to_owned(), TeamRole::Viewer)
}

fn push_to(repository: &str) -> Need {
    Need::Repository(repository.to_owned(), TeamRole::Operator)
}

/// Whether this actor may push to a repository and remove from it.
pub fn may_change(actor: &Actor, repository: &str) -> bool {
    actor.may(push_to(repository))
}

fn full(repository: &str, reference: &str) -> String {
    let sign = if reference.parse::<Digest>().is_ok() { '@' } else { ':' };
    format!("{repository}{sign}{reference}")
}

/// The names of all repositories this actor may see, sorted.
///
/// # Errors
/// Without an account.
pub fn repositories(app: &App, actor: &Actor, served: &ServedAs) -> Result<Vec<String>> {
    actor.require(Right::Account)?;
    let mut all = app.engine.serving().repositories(served);
    all.retain(|name| actor.may(pull(name)));
    Ok(all)
}

/// A repository with its tags.
///
/// # Errors
/// Without a viewer's place in its team, or `NotFound`.
pub fn repository(app: &App, actor: &Actor, served: &ServedAs, name: &str) -> Result<RepositoryView> {
    actor.require(pull(name))?;
    app.engine.serving().repository(served, name)
}

/// What is about a manifest.
///
/// # Errors
/// Without a viewer's place in its team.
pub fn referrers(
    app: &App,
    actor: &Actor,
    repository: &str,
    digest: Digest,
    kind: Option<&str>,
) -> Result<Vec<Referrer>> {
    actor.require(pull(repository))?;
    Ok(app.engine.serving().referrers(repository, digest, kind))
}

/// A manifest by tag or digest. Reading it is a pull, which is on record; looking whether it is there is not.
///
/// # Errors
/// Without a viewer's place in its team, or `NotFound`.
pub async fn manifest(
    app: &App,
    actor: &Actor,
    served: &ServedAs,
    repository: &str,
    reference: &str,
    only_look: bool,
) -> Result<Manifest> {
    actor.require(pull(repository))?;
    let serving = app.engine.serving();
    let manifest = serving.manifest(served, repository, reference).await?;
    if !only_look {
        recorded(&app.db, actor, "registry.pull", &full(repository, reference), async { Ok(()) }).await?;
    }
    Ok(manifest)
}

/// Opens a blob.
///
/// # Errors
/// Without a viewer's place in its team, or `NotFound`.
pub async fn blob(app: &App, actor: &Actor, repository: &str, digest: Digest) -> Result<Blob> {
    actor.require(pull(repository))?;
    app.engine.serving().blob(repository, digest).await
}

/// Begins an upload.
///
/// # Errors
/// Without an operator's place in its team, or for a name that can't be.
pub async fn begin_upload(app: &App, actor: &Actor, repository: &str) -> Result<UploadId> {
    actor.require(push_to(repository))?;
    app.engine.serving().begin_upload(repository).await
}

/// Bytes of an upload that have come.
///
/// # Errors
/// Without an operator's place in its team, or `NotFound`.
pub async fn upload_size(app: &App, actor: &Actor, repository: &str, id: &UploadId) -> Result<u64> {
    actor.require(push_to(repository))?;
    app.engine.serving().upload_size(repository, id).await
}

/// Takes the next part of an upload.
///
/// # Errors
/// Without an operator's place in its team, or why the part doesn't fit.
pub async fn append(
    app: &App,
    actor: &Actor,
    repository: &str,
    id: &UploadId,
    from: Option<u64>,
    body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
) -> Result<u64> {
    actor.require(push_to(repository))?;
    app.engine.serving().append(repository, id, from, body).await
}

/// Takes the last part of an upload, and the blob into the repository.
///
/// # Errors
/// Without an operator's place in its team, or when the digest is another.
pub async fn finish_upload(
    app: &App,
    actor: &Actor,
    repository: &str,
    id: &UploadId,
    from: Option<u64>,
    digest: Digest,
    body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
) -> Result<()> {
    actor.require(push_to(repository))?;
    app.engine.serving().finish_upload(repository, id, from, digest, body).await
}

/// Throws an upload away.
///
/// # Errors
/// Without an operator's place in its team, or `NotFound`.
pub async fn cancel_upload(app: &App, actor: &Actor, repository: &str, id: &UploadId) -> Result<()> {
    actor.require(push_to(repository))?;
    app.engine.serving().cancel_upload(repository, id).await
}

/// Takes over a blob from another repository; says whether that one has it.
///
/// # Errors
/// Without an operator's place in its team.
pub async fn mount(app: &App, actor: &Actor, repository: &str, digest: Digest, from: &str) -> Result<bool> {
    let act = Act {
        action: "registry.mount",
        object: format!("{repository}@{digest}"),
        detail: detail(actor, json!({ "from": from })),
    };
    let need = push_to(repository);
    // What can't be pulled from is not there to be mounted from.
    let is_open = actor.may(pull(from));
    let (serving, repository, from) = (app.engine.serving(), repository.to_owned(), from.to_owned());
    let effect = async move { Ok(is_open && serving.mount(&repository, digest, &from).await?) };
    audited(app, actor, need, act, effect).await
}

/// Takes a manifest, and lands it as an image where it can run here.
///
/// # Errors
/// Without an operator's place in its team, or what is wrong with it.
pub async fn push(app: &App, actor: &Actor, served: &ServedAs, put: PutManifest) -> Result<Landed> {
    let act = Act {
        action: "registry.push",
        object: full(&put.repository, &put.reference),
        detail: detail(actor, json!({ "host": served.host })),
    };
    let need = push_to(&put.repository);
    let (engine, served) = (app.engine.clone(), served.clone());
    audited(app, actor, need, act, async move { engine.push_here(&served, put).await }).await
}

/// Removes a tag, or by digest a manifest with its tags; with `all`, also what nothing leads to any more.
///
/// # Errors
/// Without an operator's place in its team, or `NotFound`.
pub async fn remove(
    app: &App,
    actor: &Actor,
    served: &ServedAs,
    repository: &str,
    reference: &str,
    all: bool,
) -> Result<Removed> {
    let act = Act {
        action: "registry.remove",
        object: full(repository, reference),
        detail: detail(actor, json!({ "all": all })),
    };
    let need = push_to(repository);
    let (engine, served) = (app.engine.clone(), served.clone());
    let (repository, reference) = (repository.to_owned(), reference.to_owned());
    let effect = async move { engine.remove_here(&served, &repository, &reference, all).await };
    audited(app, actor, need, act, effect).await
}

/// Takes a blob from a repository.
///
/// # Errors
/// Without the right to operate, `NotFound`, or while a manifest names it.
pub async fn remove_blob(app: &App, actor: &Actor, repository: &str, digest: Digest) -> Result<()> {
    let act = Act {
        action: "registry.remove_blob",
        object: format!("{repository}@{digest}"),
        detail: detail(actor, json!({})),
    };
    let need = push_to(repository);
    let (serving, repository) = (app.engine.serving(), repository.to_owned());
    audited(app, actor, need, act, async move { serving.remove_blob(&repository, digest).await }).await
}
