//! The on-disk layout. Nobody else joins state paths.
//!
//! ```text
//! <data root>/                0700, durable, one owner at a time
//!   lock                      held by the owner (flock)
//!   engine.json               engine id, layout version
//!   content/sha256/<hex>      blobs; content/ingest/<name> while they come
//!   snapshots/<hex>/fs        unpacked layers, named by chain id; snapshots/tmp-*, snapshots/trash/*
//!   content/uploads/<id>      blobs that come to the served registry
//!   registry/repositories/<hex>.json  the served registry's repositories; registry/loose/* blobs before their manifest
//!   images/<hex>.json         image records, named by image id
//!   references.json           names to images
//!   containers/.tmp-<id>/     being filled by `create`
//!   containers/<id>/          record.json, status.json, networks.json, hostname, hosts, resolv.conf
//!     rootfs/upper, rootfs/work      writable layer
//!     log/                    segments and index
//!     exit                    written by the monitor when the process ended
//!   scratch/<name>/           upper, work: folders being written for a build; swept at start
//!   network/                  addresses of the default network; network/<id>/ a folder for each other one
//!   volumes/<name>/           volume.json; data/ its files; filling while an image's files are copied there
//!   volumes/.tmp-*, .new-<container id>.json   being made; volumes that go should their container not be there
//!   builds/cache/<hex>.json   results of build steps; builds/mounts/<hex>/ cache mounts; builds/work/* running builds
//!   trash/                    what was removed and is still being unlinked
//! <run root>/                 0700, tmpfs on most hosts, gone after a reboot
//!   c/<first 16 of id>/       sock (the monitor's), state, resolver of one running container
//!   names/<network id>        who is called what there
//! ```

use std::path::{Path, PathBuf};

use crate::{
    digest::{ChainId, Digest, ImageId},
    id::ContainerId,
};

/// What the names of files begin with that are no volumes but say what becomes of some.
pub const VOLUME_INTENT: &str = ".new-";

/// The engine's two roots and every path below them.
#[derive(Clone, Debug)]
pub struct Paths {
    data: PathBuf,
    run: PathBuf,
}

impl Paths {
    /// Both roots must be absolute.
    pub fn new(data: PathBuf, run: PathBuf) -> Self {
        debug_assert!(data.is_absolute() && run.is_absolute());
        Self { data, run }
    }

    /// The durable root.
    pub fn data_root(&self) -> &Path {
        &self.data
    }

    /// The alive-only root.
    pub fn run_root(&self) -> &Path {
        &self.run
    }

    /// The file whose lock owns the data root.
    pub fn lock(&self) -> PathBuf {
        self.data.join("lock")
    }

    /// Engine id and layout version.
    pub fn engine(&self) -> PathBuf {
        self.data.join("engine.json")
    }

    /// All blobs.
    pub fn content(&self) -> PathBuf {
        self.data.join("content")
    }

    /// One blob.
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.content().join("sha256").join(digest.hex())
    }

    /// Blobs that are still coming.
    pub fn ingests(&self) -> PathBuf {
        self.content().join("ingest")
    }

    /// Blobs that come without their digest.
    pub fn uploads(&self) -> PathBuf {
        self.content().join("uploads")
    }

    /// What the served registry's repositories have: a record each.
    pub fn repositories(&self) -> PathBuf {
        self.data.join("registry").join("repositories")
    }

    /// One repository's record. Its name may be longer than a file's.
    pub fn repository(&self, name: &str) -> PathBuf {
        self.repositories().join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }

    /// Blobs that came to a repository and that no manifest there names yet.
    pub fn loose_blobs(&self) -> PathBuf {
        self.data.join("registry").join("loose")
    }

    /// The note that one of them is one repository's.
    pub fn loose_blob(&self, repository: &str, blob: Digest) -> PathBuf {
        self.loose_blobs().join(format!("{}-{}", Digest::of(repository.as_bytes()).short(), blob.hex()))
    }

    /// All unpacked layers.
    pub fn snapshots(&self) -> PathBuf {
        self.data.join("snapshots")
    }

    /// One unpacked layer's folder; its files are in `fs` below.
    pub fn snapshot(&self, chain: ChainId) -> PathBuf {
        self.snapshots().join(chain.0.hex())
    }

    /// All image records.
    pub fn images(&self) -> PathBuf {
        self.data.join("images")
    }

    /// One image's record.
    pub fn image(&self, id: ImageId) -> PathBuf {
        self.images().join(format!("{}.json", id.hex()))
    }

    /// Names to images.
    pub fn references(&self) -> PathBuf {
        self.data.join("references.json")
    }

    /// All containers.
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// One container's folder.
    pub fn container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(id.as_str())
    }

    /// One container's folder while it is being filled.
    pub fn staged_container(&self, id: &ContainerId) -> PathBuf {
        self.containers().join(format!(".tmp-{id}"))
    }

    /// What a container's folder holds from its beginning: folders, outermost first, then the record.
    pub fn parts_of_container(folder: &Path) -> ([PathBuf; 5], PathBuf) {
        let rootfs = folder.join("rootfs");
        let (upper, work) = (rootfs.join("upper"), rootfs.join("work"));
        ([folder.to_owned(), rootfs, upper, work, folder.join("log")], folder.join("record.json"))
    }

    /// One container's record.
    pub fn container_record(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("record.json")
    }

    /// One container's status.
    pub fn container_status(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("status.json")
    }

    /// What was removed and is still being unlinked.
    pub fn trash(&self) -> PathBuf {
        self.data.join("trash")
    }

    /// Folders being written for builds.
    pub fn scratch(&self) -> PathBuf {
        self.data.join("scratch")
    }

    /// Folder of one container's writable layer: `upper` and `work` below.
    pub fn rootfs(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("rootfs")
    }

    /// Folder of one container's log.
    pub fn log(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("log")
    }

    /// What the monitor writes when the process has ended.
    pub fn exit(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("exit")
    }

    /// Builds: contexts and half-made layers, all swept at start but for the cache.
    pub fn builds(&self) -> PathBuf {
        self.data.join("builds")
    }

    /// Results of build steps.
    pub fn build_cache(&self) -> PathBuf {
        self.builds().join("cache")
    }

    /// One step's result.
    pub fn build_cache_entry(&self, key: Digest) -> PathBuf {
        self.build_cache().join(format!("{}.json", key.hex()))
    }

    /// Folders of cache mounts.
    pub fn cache_mounts(&self) -> PathBuf {
        self.builds().join("mounts")
    }

    /// One cache mount.
    pub fn cache_mount(&self, key: Digest) -> PathBuf {
        self.cache_mounts().join(key.hex())
    }

    /// What running builds work on.
    pub fn build_work(&self) -> PathBuf {
        self.builds().join("work")
    }

    /// All volumes.
    pub fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }

    /// One volume. The name must have passed `volume::name::validate`.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// The volumes that go with a container: made for it while it was not there, or removed with it.
    pub fn volume_intent(&self, id: &ContainerId) -> PathBuf {
        self.volumes().join(format!("{VOLUME_INTENT}{id}.json"))
    }

    /// The network's own state.
    pub fn network(&self) -> PathBuf {
        self.data.join("network")
    }

    /// The networks a container was connected to and disconnected from since it was made.
    pub fn container_networks(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("networks.json")
    }

    /// What is being put in a container's place, while that is under way.
    pub fn container_replacing(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("replacing.json")
    }

    /// What took a container's place, where it is kept beside that.
    pub fn container_replaced(&self, id: &ContainerId) -> PathBuf {
        self.container(id).join("replaced.json")
    }

    /// Who is called what, a file for each network.
    pub fn names(&self) -> PathBuf {
        self.run.join("names")
    }

    /// Run folders of all containers.
    pub fn run_containers(&self) -> PathBuf {
        self.run.join("c")
    }

    /// Run folder of one container. Short: a socket's path may have 107 bytes (unix(7)).
    pub fn run_container(&self, id: &ContainerId) -> PathBuf {
        self.run_containers().join(&id.as_str()[..16])
    }

    /// What one container's name server serves.
    pub fn resolver(&self, id: &ContainerId) -> PathBuf {
        self.run_container(id).join("resolver")
    }

    /// The monitor's control socket of one container.
    pub fn monitor_socket(&self, id: &ContainerId) -> PathBuf {
        self.run_container(id).join("sock")
    }
}
