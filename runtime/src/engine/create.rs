//! `create`: a record and a folder, and nothing else of the host.
//!
//! The record is written last and synced: a folder without one was never a container, and the next start sweeps it.

use std::{collections::BTreeSet, fs, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;

use super::{Engine, blocking, table::Container};
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
    request::{CreateContainer, UserNamespace},
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
    pub fn create(&self, request: CreateContainer) -> BoxFuture<'_, Result<Created>> {
        async move {
            if let Some(wanted) = &request.name {
                name::validate(wanted)?;
            }
            let image = self.image(&request.image).await?;
            let hold = self.inner.images.hold(image.summary.id)?;
            platform_fits(&request, &image)?;
            let id = ContainerId::random();
            let resolved = resolve(&id, &request, &image.defaults, HostBounds { cpus: self.inner.host.cpus })?;
            let name = self.inner.table.reserve_name(request.name.as_deref(), &id)?;
            let engine = self.clone();
            let made = blocking(move || {
                let id_base = engine.id_range(&request, &id);
                let record = Record {
                    id,
                    name: name.clone(),
                    created_at: Timestamp::now(),
                    request,
                    image_id: image.summary.id,
                    resolved,
                    id_base,
                };
                let written = engine.write_record(&record);
                if let Err(error) = written {
                    engine.inner.table.free_name(&name);
                    super::lock(&engine.inner.id_ranges).remove(&record.id);
                    let _ = fs::remove_dir_all(engine.inner.paths.container(&record.id));
                    return Err(error);
                }
                let container = Arc::new(Container::new(record, Status::created()));
                engine.inner.table.insert(Arc::clone(&container));
                drop(hold);
                Ok(container)
            })
            .await?;
            self.tell("create", &made, []);
            let mut warnings = Vec::new();
            if made.record.request.userns == UserNamespace::Mapped && made.record.id_base.is_none() {
                warnings.push("This host can't map users: root in the container is root on the host.".to_owned());
            }
            Ok(Created { id: made.id().clone(), name: made.record.name.clone(), warnings })
        }
        .boxed()
    }

    fn write_record(&self, record: &Record) -> Result<()> {
        let paths = &self.inner.paths;
        let rootfs = paths.rootfs(&record.id);
        let failed =
            |error: std::io::Error| durable::io_error("the container's folder can't be written", error.kind(), error);
        for folder in [
            paths.container(&record.id),
            rootfs.clone(),
            rootfs.join("upper"),
            rootfs.join("work"),
            paths.log(&record.id),
        ] {
            fs::create_dir(folder).map_err(failed)?;
        }
        // The upper folder is the container's `/`: everyone inside must be able to look.
        fs::set_permissions(rootfs.join("upper"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(failed)?;
        fault::point("create.folder").map_err(failed)?;
        durable::write_json(&paths.container_record(&record.id), VERSION, record)?;
        if !record.request.auto_remove {
            durable::sync_dir(&paths.containers())?;
        }
        fault::point("create.record").map_err(failed)
    }

    /// The lowest free range. Ranges may be used again at once: ids on disk are the container's own (idmapped layers).
    pub(in crate::engine) fn id_range(&self, request: &CreateContainer, id: &ContainerId) -> Option<u32> {
        if request.userns == UserNamespace::Host || !self.inner.host.mapped_users {
            return None;
        }
        let mut ranges = super::lock(&self.inner.id_ranges);
        let taken: BTreeSet<u32> = ranges.values().copied().collect();
        let base = (0..RANGES).map(|slot| FIRST_ID + slot * IDS_EACH).find(|base| !taken.contains(base))?;
        ranges.insert(id.clone(), base);
        Some(base)
    }
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
