//! What is mounted into a container: decided and its volumes made when it is created, sources looked up at each start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::{Engine, volume_fill};
use crate::{
    container::record::Record,
    durable,
    error::{Error, ErrorKind, Result},
    fault,
    id::ContainerId,
    request::{BindMount, ContainerMount, CreateContainer, CreateVolume, MountFrom, VolumeMount},
    spec,
    sys::open,
    undo::Undo,
    volume,
};

impl Engine {
    /// Which mounts a container has, sorted so that what is mounted on a folder comes before what is mounted inside it.
    /// Volumes without a name have got one.
    pub(in crate::engine) fn mount_points(
        &self,
        request: &CreateContainer,
        image_volumes: &[String],
    ) -> Result<Vec<ContainerMount>> {
        let mut points = BTreeMap::new();
        for from in &request.volumes_from {
            // Not 404, which clients take for a missing image.
            let other = self.inner.table.find(&from.container).map_err(|error| Error::invalid(error.message()))?;
            for mount in &other.record.mounts {
                let mut mount = ContainerMount { spelled: None, ..mount.clone() };
                mount.read_only |= from.read_only;
                if let MountFrom::Volume(volume) = &mut mount.source {
                    volume.copy = false;
                }
                points.insert(mount.target.clone(), mount);
            }
        }
        let mut taken: BTreeSet<String> = request.tmpfs.keys().filter_map(|path| clean(path)).collect();
        for mount in &request.mounts {
            let mount = checked(mount)?;
            if !taken.insert(mount.target.clone()) {
                return Err(Error::invalid(format!("Duplicate mount point: {}", mount.target)));
            }
            points.insert(mount.target.clone(), mount);
        }
        for path in request.volumes.iter().chain(image_volumes) {
            let target = clean(path).ok_or_else(|| wrong_target(path))?;
            if taken.contains(&target) || points.contains_key(&target) {
                continue;
            }
            let source = MountFrom::Volume(VolumeMount { copy: true, ..VolumeMount::default() });
            points.insert(target.clone(), ContainerMount { target, source, read_only: false, spelled: None });
        }
        let mut points: Vec<_> = points.into_values().collect();
        for point in &mut points {
            if let MountFrom::Volume(volume) = &mut point.source
                && volume.name.as_deref().is_none_or(str::is_empty)
            {
                (volume.name, volume.anonymous) = (Some(volume::name::random()), true);
            }
        }
        points.sort_by_key(|point| depth(&point.target));
        Ok(points)
    }

    /// Makes the volumes that are missing, fills what is empty from the image, and keeps all of them from being removed.
    pub(in crate::engine) fn make_volumes(&self, record: &Record, undo: &mut Undo) -> Result<()> {
        for mount in &record.mounts {
            if let Some(bind) = mount.bind() {
                found(bind)?;
            }
        }
        let volumes = || record.mounts.iter().filter_map(ContainerMount::volume);
        let names: Vec<String> = volumes().filter_map(|volume| volume.name.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let missing = self.inner.volumes.hold(&record.id, &names);
        let (engine, id, made) = (self.clone(), record.id.clone(), missing.clone());
        undo.push("volumes", move || {
            engine.inner.volumes.release(&id);
            for name in made {
                // Another container names it, or it never came to be.
                let _ = engine.remove_volume_now(&name);
            }
            engine.inner.volumes.intended(&id)
        });
        if !missing.is_empty() {
            self.inner.volumes.intend(&record.id, missing)?;
            fault::point("mounts.intended").map_err(failed)?;
        }
        let lowers = self.inner.images.lowers(record.image_id)?;
        for mount in &record.mounts {
            let Some(volume) = mount.volume() else { continue };
            let Some(name) = volume.name.clone() else { continue };
            let mut labels = volume.labels.clone();
            if volume.anonymous {
                labels.insert(crate::view::ANONYMOUS_LABEL.to_owned(), String::new());
            }
            let wanted = CreateVolume { name: Some(name.clone()), labels, options: volume.options.clone() };
            let (_, new) = self.inner.volumes.create(wanted)?;
            if new {
                self.tell_volume("create", &name, []);
            }
            fault::point("mounts.made").map_err(failed)?;
            if volume.copy && volume.subpath.is_empty() {
                volume_fill::fill(&self.inner.volumes, &self.inner.paths, &name, &lowers, &mount.target)?;
            }
        }
        Ok(())
    }

    /// For the launch specification; volumes with driver options are mounted, until the undo or [`Engine::unmount`].
    pub(in crate::engine) fn launch_mounts(&self, record: &Record, undo: &mut Undo) -> Result<Vec<spec::Mount>> {
        let (engine, id) = (self.clone(), record.id.clone());
        if record.mounts.iter().any(|mount| mount.volume().is_some()) {
            undo.push("volumes' mounts", move || engine.inner.volumes.unmount(&id));
        }
        let mapped = record.id_base.is_some();
        let mut mounts = Vec::new();
        for mount in &record.mounts {
            let (source, subpath) = match &mount.source {
                MountFrom::Bind(bind) => {
                    found(bind)?;
                    let (path, subpath) = bind.parts();
                    let (recursive, follows_host) = (bind.recursive, bind.follows_host);
                    (spec::MountSource::Bind { path: path.into(), mapped, recursive, follows_host }, subpath)
                }
                MountFrom::Volume(volume) => {
                    let name = volume.name.as_deref().unwrap_or_default();
                    let path = self.inner.volumes.mount(&record.id, name)?;
                    let source = spec::MountSource::Bind { path, mapped, recursive: false, follows_host: false };
                    (source, volume.subpath.clone())
                }
                MountFrom::Tmpfs(memory) => {
                    let size = memory.size_bytes.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
                    let exec = if memory.exec { ",exec" } else { "" };
                    let options = format!("mode={:o}{size}{exec}", memory.mode.unwrap_or(0o1777));
                    (spec::MountSource::Tmpfs { options }, String::new())
                }
            };
            mounts.push(spec::Mount {
                source,
                subpath,
                target: mount.target.clone(),
                read_only: mount.read_only,
                no_suid: false,
                no_exec: false,
            });
        }
        mounts.extend(record.request.tmpfs.iter().map(|(target, options)| spec::Mount {
            source: spec::MountSource::Tmpfs { options: options.clone() },
            subpath: String::new(),
            target: target.clone(),
            read_only: false,
            no_suid: false,
            no_exec: false,
        }));
        mounts.sort_by_key(|mount| depth(&mount.target));
        Ok(mounts)
    }

    /// It runs: tells which volumes it mounts.
    pub(in crate::engine) fn tell_mounts(&self, record: &Record) {
        for mount in &record.mounts {
            if let Some(name) = mount.volume().and_then(|volume| volume.name.as_deref()) {
                let more = [
                    ("container", record.id.to_string()),
                    ("destination", mount.target.clone()),
                    ("propagation", String::new()),
                    ("read/write", (!mount.read_only).to_string()),
                ];
                self.tell_volume("mount", name, more);
            }
        }
    }

    /// It is gone: so do these volumes, unless another container names them.
    pub(in crate::engine) fn free_volumes(&self, id: &ContainerId, with_it: &[String]) {
        self.inner.volumes.release(id);
        let mut done = true;
        for name in with_it {
            if let Err(error) = self.remove_volume_now(name)
                && !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
            {
                done = false;
                tracing::warn!(volume = name, "it is removed at the next start: {}", error.chain());
            }
        }
        if done && !with_it.is_empty() {
            let _ = self.inner.volumes.intended(id);
        }
    }

    /// It ended: lets go of its volumes.
    pub(in crate::engine) fn unmount(&self, record: &Record) {
        if let Err(error) = self.inner.volumes.unmount(&record.id) {
            tracing::warn!(container = record.name, %error, "a volume of it stays mounted until the next start");
        }
        for mount in &record.mounts {
            if let Some(name) = mount.volume().and_then(|volume| volume.name.as_deref()) {
                self.tell_volume("unmount", name, [("container", record.id.to_string())]);
            }
        }
    }
}

impl Record {
    /// Names of the volumes it mounts.
    pub(in crate::engine) fn volume_names(&self) -> Vec<String> {
        self.mounts.iter().filter_map(|mount| mount.volume()?.name.clone()).collect()
    }

    /// Names of those that go with it.
    pub(in crate::engine) fn anonymous_volumes(&self) -> Vec<String> {
        let volumes = self.mounts.iter().filter_map(ContainerMount::volume).filter(|volume| volume.anonymous);
        volumes.filter_map(|volume| volume.name.clone()).collect()
    }
}

impl BindMount {
    /// The folder that is opened by its path, and the way from there, which can't leave it.
    fn parts(&self) -> (&str, String) {
        match &self.within {
            None => (&self.path, String::new()),
            Some(root) => {
                let below = Path::new(&self.path).strip_prefix(root).unwrap_or(Path::new(""));
                (root, below.to_string_lossy().into_owned())
            }
        }
    }
}

/// Makes the source where that is wanted.
fn found(bind: &BindMount) -> Result<()> {
    let absent = || {
        let text = format!("invalid mount config for type \"bind\": bind source path does not exist: {}", bind.path);
        Error::invalid(text)
    };
    let (path, below) = bind.parts();
    let path = Path::new(path);
    let there = if bind.within.is_some() {
        fs::File::open(path).and_then(|root| open::inside(&root, &below, 0).map(drop))
    } else {
        fs::metadata(path).map(drop)
    };
    match there {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && bind.create => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
        Err(error) => return Err(Error::invalid(format!("the bind source {} can't be used: {error}", bind.path))),
    }
    let made = if bind.within.is_some() {
        fs::File::open(path).and_then(|root| open::make_dirs(&root, &below, 0o755).map(drop))
    } else {
        fs::create_dir_all(path)
    };
    made.map_err(|error| {
        Error::invalid(format!("error while creating mount source path '{}': mkdir: {error}", bind.path))
    })
}

fn checked(mount: &ContainerMount) -> Result<ContainerMount> {
    let mut mount = mount.clone();
    mount.target = clean(&mount.target).ok_or_else(|| wrong_target(&mount.target))?;
    match &mut mount.source {
        MountFrom::Bind(bind) => {
            let path = clean(&bind.path).or_else(|| (bind.path == "/").then(|| "/".to_owned()));
            bind.path = path.ok_or_else(|| {
                Error::invalid(format!(
                    "invalid mount config for type \"bind\": invalid mount path: '{}' mount path must be absolute",
                    bind.path
                ))
            })?;
        }
        MountFrom::Volume(volume) => {
            if let Some(name) = volume.name.as_deref().filter(|name| !name.is_empty()) {
                volume::name::validate(name)?;
            }
            let leads_out = Path::new(&volume.subpath).is_absolute()
                || volume.subpath.contains('\0')
                || volume.subpath.split('/').any(|part| part == "..");
            if leads_out {
                return Err(Error::invalid(format!(
                    "invalid mount config for type \"volume\": subpath must be a relative path within the volume: {:?}",
                    volume.subpath
                )));
            }
            volume::local::validate(volume.name.as_deref().unwrap_or_default(), &volume.options)?;
        }
        MountFrom::Tmpfs(_) => {}
    }
    Ok(mount)
}

fn wrong_target(path: &str) -> Error {
    let root = path.starts_with('/') && !path.contains('\0');
    Error::invalid(if root {
        "invalid specification: destination can't be '/'".to_owned()
    } else {
        format!("invalid mount path: '{path}' mount path must be absolute")
    })
}

/// An absolute path without `.`, `..` and doubled slashes; `None` when it is not absolute or is the root.
fn clean(path: &str) -> Option<String> {
    if !path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| format!("/{}", parts.join("/")))
}

fn depth(target: &str) -> usize {
    target.split('/').filter(|part| !part.is_empty()).count()
}

fn failed(error: io::Error) -> Error {
    durable::io_error("the container's volumes can't be made", error.kind(), error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_cleaned_and_never_the_root() {
        for (path, cleaned) in [
            ("/a//b/./c/", Some("/a/b/c")),
            ("/a/../b", Some("/b")),
            ("/", None),
            ("/a/..", None),
            ("a", None),
            ("/a\0", None),
        ] {
            assert_eq!(clean(path).as_deref(), cleaned, "{path:?}");
        }
        assert!(
            wrong_target("/").message().contains("can't be '/'") && wrong_target("x").message().contains("absolute")
        );
        assert!(depth("/a") < depth("/a/b/"));
    }

    #[test]
    fn a_bind_within_a_folder_is_opened_from_there() {
        let bind = |path: &str, within: Option<&str>| BindMount {
            path: path.into(),
            within: within.map(str::to_owned),
            ..BindMount::default()
        };
        assert_eq!(bind("/srv/x/y", Some("/srv")).parts(), ("/srv", "x/y".to_owned()));
        assert_eq!(bind("/srv", Some("/srv")).parts(), ("/srv", String::new()));
        assert_eq!(bind("/etc", None).parts(), ("/etc", String::new()));
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("link")).unwrap();
        let root = root.path().to_str().unwrap();
        assert!(found(&bind(&format!("{root}/link/passwd"), None)).is_ok());
        let error = found(&bind(&format!("{root}/link/passwd"), Some(root))).unwrap_err();
        assert!(error.message().contains("bind source path does not exist"), "{error}");
        let wanted = BindMount { create: true, ..bind(&format!("{root}/new/deep"), Some(root)) };
        assert!(found(&wanted).is_ok() && Path::new(root).join("new/deep").is_dir());
    }

    #[test]
    fn subpaths_stay_below_their_volume() {
        let with = |subpath: &str| ContainerMount {
            target: "/x".into(),
            source: MountFrom::Volume(VolumeMount { subpath: subpath.into(), ..VolumeMount::default() }),
            read_only: false,
            spelled: None,
        };
        assert!(checked(&with("a/b")).is_ok());
        for wrong in ["/a", "../a", "a/../../b"] {
            assert!(checked(&with(wrong)).unwrap_err().message().contains("subpath"), "{wrong}");
        }
    }
}
