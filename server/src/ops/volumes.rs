//! Volumes: what a person can do with them, and what of the host a person may mount.

use std::path::{Component, Path};

use runtime::{
    error::Result,
    request::{CreateContainer, CreateVolume, MountFrom, PruneVolumes, only_memory},
    view::{PrunedVolumes, VolumeView},
};
use serde_json::{Value, json};

use super::{Act, Subject, audited};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for VolumeView {
    fn object_id(&self) -> String {
        self.name.clone()
    }
}

impl Subject for PrunedVolumes {}

/// All of them, by name.
///
/// # Errors
/// Without the right to view.
pub fn list(app: &App, actor: &Actor) -> Result<Vec<VolumeView>> {
    actor.require(Right::View)?;
    Ok(app.engine.volumes())
}

/// One.
///
/// # Errors
/// `get NAME: no such volume`.
pub fn get(app: &App, actor: &Actor, name: &str) -> Result<VolumeView> {
    actor.require(Right::View)?;
    app.engine.volume(name)
}

/// Counts the bytes one takes; `None` when they are somebody else's. Slow.
///
/// # Errors
/// As [`get`].
pub async fn size(app: &App, actor: &Actor, name: &str) -> Result<Option<u64>> {
    actor.require(Right::View)?;
    app.engine.volume_size(name).await
}

/// Makes one. One that mounts something of the host needs the right to administer.
///
/// # Errors
/// A wrong name or option.
pub async fn create(app: &App, actor: &Actor, request: CreateVolume) -> Result<VolumeView> {
    let object = request.name.clone().unwrap_or_default();
    let act = Act { action: "volume.create", object, detail: json!({ "options": without_secrets(&request.options) }) };
    let need = if reaches_host(&request.options) { Right::Administer } else { Right::Operate };
    let engine = app.engine.clone();
    audited(app, actor, need, act, async move { engine.create_volume(request).await }).await
}

/// Removes one that no container names.
///
/// # Errors
/// In use, or not there and not `force`.
pub async fn remove(app: &App, actor: &Actor, name: &str, force: bool) -> Result<()> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    let act = Act { action: "volume.remove", object: name.to_owned(), detail: json!({ "force": force }) };
    audited(app, actor, Right::Operate, act, async move { engine.remove_volume(&asked, force).await }).await
}

/// Removes those that no container names.
///
/// # Errors
/// The disk.
pub async fn prune(app: &App, actor: &Actor, request: PruneVolumes) -> Result<PrunedVolumes> {
    let act = Act { action: "volume.prune", object: String::new(), detail: json!({ "named": request.named }) };
    let engine = app.engine.clone();
    audited(app, actor, Right::Operate, act, async move { engine.prune_volumes(request).await }).await
}

/// Options that mount something else than memory.
fn reaches_host(options: &std::collections::BTreeMap<String, String>) -> bool {
    !options.is_empty() && !only_memory(options)
}

fn without_secrets(options: &std::collections::BTreeMap<String, String>) -> Value {
    let bare = |(key, value): (&String, &String)| {
        let words = value.split(',').map(|word| match word.split_once('=') {
            Some((name @ ("password" | "pass" | "username" | "user"), _)) => format!("{name}=…"),
            _ => word.to_owned(),
        });
        (key.clone(), Value::from(words.collect::<Vec<_>>().join(",")))
    };
    options.iter().map(bare).collect::<serde_json::Map<_, _>>().into()
}

/// What a container's mounts ask of the one who makes it. Host folders are for administrators; for others there are the
/// folders that the configuration lists, and what they name there can't lead out of them.
pub(in crate::ops) fn need(app: &App, actor: &Actor, request: &mut CreateContainer) -> Right {
    let mut need = Right::Operate;
    for from in &request.volumes_from {
        let other = app.engine.container(&from.container);
        let binds = |other: &runtime::view::ContainerView| other.mounts.iter().any(|mount| mount.bind().is_some());
        if other.is_ok_and(|other| binds(&other)) {
            need = Right::Administer;
        }
    }
    let administers = actor.may(Right::Administer);
    for mount in &mut request.mounts {
        match &mut mount.source {
            MountFrom::Bind(bind) if !administers => {
                let root = app.bind_roots.iter().find(|root| is_below(Path::new(&bind.path), root));
                match root {
                    Some(root) => bind.within = Some(root.to_string_lossy().into_owned()),
                    None => need = Right::Administer,
                }
            }
            MountFrom::Volume(volume) if reaches_host(&volume.options) => need = Right::Administer,
            MountFrom::Bind(_) | MountFrom::Volume(_) | MountFrom::Tmpfs(_) => {}
        }
    }
    need
}

fn is_below(path: &Path, root: &Path) -> bool {
    path.starts_with(root) && !path.components().any(|part| part == Component::ParentDir)
}

/// What is mounted, for the record.
pub(in crate::ops) fn told(request: &CreateContainer) -> Value {
    let mounts = request.mounts.iter().map(|mount| {
        let from = match &mount.source {
            MountFrom::Bind(bind) => bind.path.clone(),
            MountFrom::Volume(volume) => volume.name.clone().unwrap_or_default(),
            MountFrom::Tmpfs(_) => "tmpfs".to_owned(),
        };
        format!("{from}:{}{}", mount.target, if mount.read_only { ":ro" } else { "" })
    });
    let others = request.volumes_from.iter().map(|from| format!("volumes of {}", from.container));
    mounts.chain(others).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_folders_do_not_lead_out() {
        let root = Path::new("/srv/shared");
        assert!(is_below(Path::new("/srv/shared"), root) && is_below(Path::new("/srv/shared/a/b"), root));
        for path in ["/srv", "/srv/shared2", "/srv/shared/../etc", "/etc", "srv/shared"] {
            assert!(!is_below(Path::new(path), root), "{path}");
        }
    }

    #[test]
    fn passwords_of_mounts_are_not_recorded() {
        let options = [("o".to_owned(), "username=ana,password=secret,ro".to_owned())].into();
        assert_eq!(without_secrets(&options), json!({ "o": "username=…,password=…,ro" }));
    }
}
