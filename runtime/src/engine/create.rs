//! `create`: a record and a folder, and nothing else of the host.
//!
//! The folder is filled beside the others, its record synced, and renamed into place: that makes the container. One that
//! was not renamed is swept by the next start.

use std::{collections::BTreeSet, fs, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Engine, Leave, blocking, isolation, table::Container};
use crate::{
    container::{
        name,
        record::{Record, Status, VERSION},
        resolve::{HostBounds, resolve},
    },
    durable,
    error::{Error, Result},
    fault,
    id::ContainerId,
    paths::Paths,
    request::{CreateContainer, UserNamespace},
    snapshot::inherit_root,
    undo::Undo,
    view::{Created, ImageView},
};

/// Ids a container's range holds.
pub(in crate::engine) const IDS_EACH: u32 = 65_536;

/// The first range begins here: above what useradd(8), subuid(5) and systemd hand out.
const FIRST_ID: u32 = 1_879_048_192;

/// Ranges between [`FIRST_ID`] and the end of ids that fit a signed number.
const RANGES: u32 = (i32::MAX as u32 - FIRST_ID) / IDS_EACH;

impl Engine {
    /// Makes a container, without starting it.
    ///
    /// # Errors
    /// No such image, a name in use, or a wrong value, in Docker's words where it has some.
    pub fn create(&self, request: CreateContainer, leave: Leave) -> BoxFuture<'_, Result<Created>> {
        async move {
            if let Some(wanted) = &request.name {
                name::validate(wanted)?;
            }
            let image = self.image(&request.image).await?;
            let hold = self.inner.images.hold(image.summary.id)?;
            platform_fits(&request, &image)?;
            let mut request = self.with_networks(request)?;
            let id = ContainerId::random();
            let mut resolved = resolve(&id, &request, &image.defaults, HostBounds { cpus: self.inner.host.cpus })?;
            isolation::check(&request, resolved.capabilities)?;
            if request.isolation.host_uts
                && let Ok(name) = nix::unistd::gethostname()
            {
                resolved.hostname = name.to_string_lossy().into_owned();
            }
            let mut warnings = self.discard(&mut request.limits);
            let name = self.inner.table.reserve_name(request.name.as_deref(), &id)?;
            let mut undo = Undo::new();
            let (engine, reserved) = (self.clone(), name.clone());
            undo.push("name", move || {
                engine.inner.table.free_name(&reserved);
                Ok(())
            });
            let engine = self.clone();
            let (record, undo) = blocking(move || {
                let id_base = engine.id_range(&request, &id);
                let (ranges, of) = (engine.clone(), id.clone());
                undo.push("id range", move || {
                    super::lock(&ranges.inner.id_ranges).remove(&of);
                    Ok(())
                });
                let mounts = engine.mount_points(&request, &image.defaults.volumes)?;
                let record = Record {
                    id,
                    name,
                    created_at: Timestamp::now(),
                    request,
                    image_id: image.summary.id,
                    resolved,
                    id_base,
                    mounts,
                };
                engine.stage(&record, &mut undo)?;
                Ok((record, undo))
            })
            .await?;
            leave.take().await?;
            let engine = self.clone();
            let made = blocking(move || {
                let mut undo = undo;
                engine.make_volumes(&record, &mut undo)?;
                engine.publish_record(&record, &mut undo)?;
                undo.disarm();
                // Left behind it says the same as the record.
                let _ = engine.inner.volumes.intended(&record.id);
                let container = Arc::new(Container::new(record, Status::created()));
                engine.inner.table.insert(Arc::clone(&container));
                drop(hold);
                Ok(container)
            })
            .await?;
            self.tell("create", &made, []);
            let request = &made.record.request;
            if request.userns == UserNamespace::Mapped && !request.isolation.privileged && made.record.id_base.is_none()
            {
                warnings.push("This host can't map users: root in the container is root on the host.".to_owned());
            }
            Ok(Created { id: made.id().clone(), name: made.name(), warnings })
        }
        .boxed()
    }

    /// Fills the folder, unseen.
    fn stage(&self, record: &Record, undo: &mut Undo) -> Result<()> {
        let folder = self.inner.paths.staged_container(&record.id);
        let (folders, place) = Paths::parts_of_container(&folder);
        undo.push("staged folder", move || gone(fs::remove_dir_all(folder)));
        for folder in &folders {
            fs::create_dir(folder).map_err(failed)?;
        }
        // The upper folder is the container's `/`.
        let [_, _, upper, _, _] = &folders;
        inherit_root(upper, &self.inner.images.lowers(record.image_id)?).map_err(failed)?;
        fault::point("create.folder").map_err(failed)?;
        Ok(durable::write_staged_json(&place, VERSION, record)?)
    }

    fn publish_record(&self, record: &Record, undo: &mut Undo) -> Result<()> {
        let paths = &self.inner.paths;
        let folder = paths.container(&record.id);
        fs::rename(paths.staged_container(&record.id), &folder).map_err(failed)?;
        undo.push("folder", move || fs::remove_dir_all(folder));
        if !record.request.auto_remove {
            durable::sync_dir(&paths.containers())?;
        }
        fault::point("create.record").map_err(failed)
    }

    /// The lowest free range. Ranges may be used again at once: ids on disk are the container's own (idmapped layers).
    pub(in crate::engine) fn id_range(&self, request: &CreateContainer, id: &ContainerId) -> Option<u32> {
        if request.userns == UserNamespace::Host || request.isolation.privileged || !self.inner.host.mapped_users {
            return None;
        }
        let mut ranges = super::lock(&self.inner.id_ranges);
        let taken: BTreeSet<u32> = ranges.values().copied().collect();
        let base = (0..RANGES).map(|slot| FIRST_ID + slot * IDS_EACH).find(|base| !taken.contains(base))?;
        ranges.insert(id.clone(), base);
        Some(base)
    }
}

/// Moved to its place meanwhile is as good as removed.
fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(error: std::io::Error) -> Error {
    durable::io_error("the container's folder can't be written", error.kind(), error)
}

fn platform_fits(request: &CreateContainer, image: &ImageView) -> Result<()> {
    let Some(platform) = request.platform.as_deref().filter(|platform| !platform.is_empty()) else { return Ok(()) };
    let mut parts = platform.split('/');
    let (os, arch) = match (parts.next(), parts.next()) {
        (Some(os), Some(arch)) => (os, arch),
        (Some("linux"), None) => ("linux", image.architecture.as_str()),
        (Some(arch), None) => ("linux", arch),
        (None, _) => return Ok(()),
    };
    if os == image.os && arch == image.architecture {
        return Ok(());
    }
    Err(Error::not_found(format!(
        "image with reference {} was found but its platform ({}/{}) does not match the specified platform ({platform})",
        request.image, image.os, image.architecture
    )))
}
