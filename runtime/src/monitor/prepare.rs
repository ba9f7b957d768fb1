//! What only the host's root can make for a container: its id map, the overlay over mapped layers, its /dev.
//!
//! It happens in a mount namespace of the monitor's own, which then holds the overlay: when the container ends, the
//! last reference to it is here, so that writing back dirty data delays the monitor's end but not the report.

use std::{
    ffi::CStr,
    fs,
    io::{self, Write},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open as open_path},
    mount::{MsFlags, mount as classic_mount},
    sched::{CloneFlags, unshare},
    sys::{
        stat::Mode,
        statvfs::{FsFlags, fstatvfs},
    },
};

use super::{devices, join::Joint, source};
use crate::{
    init::{
        failure::{Result, Stage, refuse},
        rootfs::bind_source,
    },
    spec::{IdMap, LaunchSpec, Network, Rootfs, Shared},
    sys::{
        mount::{self, Change, NODEV, NOEXEC, NOSUID, NewFs, RDONLY, attach, open_tree},
        privilege::{no_setuid_fixup, set_fs_ids},
    },
};

/// Maps the ids of a process in a new user namespace and returns that namespace.
pub fn map_ids(pid: i32, map: IdMap) -> Result<OwnedFd> {
    let line = format!("0 {} {}\n", map.base, map.size);
    for file in ["uid_map", "gid_map"] {
        fs::OpenOptions::new()
            .write(true)
            .open(format!("/proc/{pid}/{file}"))
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .stage(format!("write {file}"))?;
    }
    namespace(pid, "user").stage("open user namespace")
}

/// A namespace of a process, held.
pub fn namespace(pid: i32, kind: &str) -> io::Result<OwnedFd> {
    Ok(fs::File::open(format!("/proc/{pid}/ns/{kind}"))?.into())
}

/// Makes the root file system, /dev, what is shown of the host or shared, and the file binds; in the order init expects
/// them.
pub fn mounts(spec: &LaunchSpec, userns: Option<&OwnedFd>, joined: Joint) -> Result<Vec<OwnedFd>> {
    own_mounts()?;
    let base = spec.id_map.map_or(0, |map| map.base);
    let opened = &spec.opened;
    let root = overlay(&spec.run_dir, &spec.rootfs, userns, base)?;
    let mut all = vec![root, devices::make(base, spec).stage("make /dev")?];
    let strict = NOSUID | NODEV | NOEXEC;
    let system = if opened.writable_system { strict } else { strict | RDONLY };
    match spec.network {
        Network::Own => {}
        Network::Host => all.push(of_host(c"/sys", system, false).stage("bind /sys")?),
        // Of the network namespace this process has joined.
        Network::Joined { .. } => {
            all.push(NewFs::open(c"sysfs").and_then(|fs| fs.mount(system)).stage("mount sysfs")?);
        }
    }
    if opened.pid == Shared::Host {
        all.push(of_host(c"/proc", strict, false).stage("bind /proc")?);
    }
    if opened.ipc == Shared::Host {
        all.push(of_host(c"/dev/shm", strict, false).stage("bind /dev/shm")?);
        // Of the namespace this process is in, whether or not the host has it mounted.
        all.push(NewFs::open(c"mqueue").and_then(|fs| fs.mount(strict)).stage("mount mqueue")?);
    }
    all.extend(joined.shm);
    if opened.host_cgroups {
        all.push(of_host(c"/sys/fs/cgroup", system, true).stage("bind /sys/fs/cgroup")?);
    }
    for file in &spec.files {
        all.push(bind_source(&file.source, userns).stage(format!("bind {}", file.source.display()))?);
    }
    for (number, mount) in spec.mounts.iter().enumerate().filter(|(_, mount)| mount.is_host_made()) {
        all.push(source::make(mount, number, userns, base)?);
    }
    Ok(all)
}

/// A copy of a mount of the host's.
fn of_host(path: &CStr, attributes: u64, recursive: bool) -> io::Result<OwnedFd> {
    let copy = open_tree(nix::fcntl::AT_FDCWD, path, recursive)?;
    mount::change(&copy, Change { attributes, recursive, ..Change::default() })?;
    Ok(copy)
}

/// Leaves the host's mount namespace.
pub fn own_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).stage("make a mount namespace")?;
    // Unmounts on the host still reach this namespace, so that nothing is kept busy by it.
    let nothing = None::<&str>;
    classic_mount(nothing, "/", nothing, MsFlags::MS_SLAVE | MsFlags::MS_REC, nothing).stage("detach mount events")
}

/// Places a copy of a folder's mount at `name` below the present folder, with ids mapped.
fn place(path: &Path, name: &str, userns: Option<&OwnedFd>) -> Result<()> {
    let stage = format!("open {}", path.display());
    let dir = open_path(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).stage(&stage)?;
    let copy = open_tree(&dir, c"", false).stage(&stage)?;
    if let Some(userns) = userns {
        mount::idmap(&copy, userns).stage(format!("map ids of {}", path.display()))?;
    }
    fs::create_dir(name).stage("make a mount point")?;
    let target = open_path(name, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    attach(copy, target.stage("open a mount point")?).stage("attach a layer")
}

/// The overlay as a detached mount. Layers are named `0`, `1`, … in a tmpfs, so that even hundreds fit the one page
/// that mount options may take; as attached mounts, because kernels before 6.15 refuse detached ones.
pub fn overlay(run_dir: &Path, rootfs: &Rootfs, userns: Option<&OwnedFd>, base: u32) -> Result<OwnedFd> {
    let point = run_dir.join("mnt");
    fs::create_dir_all(&point).stage("make a mount point")?;
    let size = Some("size=1m,mode=0700");
    classic_mount(Some("tmpfs"), &point, Some("tmpfs"), MsFlags::MS_NOSUID, size).stage("mount scratch")?;
    std::env::set_current_dir(&point).stage("enter scratch")?;
    let layers = Layers { lowers: &rootfs.lowers, writable: Some(&rootfs.writable), volatile: rootfs.volatile };
    let root = open_tree(layers.mount("", userns, base)?, c"", false).stage("open overlay")?;
    if fstatvfs(&root).stage("look at overlay")?.flags().contains(FsFlags::ST_RDONLY) {
        return Err(refuse("mount overlay", "the kernel mounted the root file system read-only"));
    }
    Ok(root)
}

/// What an overlay is made of.
pub(super) struct Layers<'a> {
    /// Read-only folders, topmost first.
    pub lowers: &'a [PathBuf],
    /// A folder that holds, or will, `upper` and `work`.
    pub writable: Option<&'a Path>,
    /// Without any sync.
    pub volatile: bool,
}

impl Layers<'_> {
    /// Mounts them in the present folder, all names there beginning with `prefix`. Returns a handle of the mount.
    pub fn mount(&self, prefix: &str, userns: Option<&OwnedFd>, base: u32) -> Result<OwnedFd> {
        let mut names = Vec::new();
        for (number, lower) in self.lowers.iter().enumerate() {
            let name = format!("{prefix}{number}");
            place(lower, &name, userns)?;
            names.push(name);
        }
        // Overlay wants one below a writable folder and two without one.
        while names.len() < if self.writable.is_some() { 1 } else { 2 } {
            let name = format!("{prefix}e{}", names.len());
            fs::create_dir(&name)
                .and_then(|()| fs::set_permissions(&name, fs::Permissions::from_mode(0o755)))
                .stage("make an empty layer")?;
            names.push(name);
        }
        let mut options = format!("lowerdir={},redirect_dir=off,index=off,metacopy=off", names.join(":"));
        let mut flags = MsFlags::MS_RDONLY;
        if let Some(writable) = self.writable {
            for name in ["upper", "work"] {
                match fs::create_dir(writable.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error).stage("make upper");
                    }
                    _ => {}
                }
            }
            place(writable, &format!("{prefix}w"), userns)?;
            for (option, name) in [("upperdir", "upper"), ("workdir", "work")] {
                options.extend([",", option, "=", prefix, "w/", name]);
            }
            if self.volatile {
                options.push_str(",volatile");
            }
            flags = MsFlags::empty();
        }
        let point = format!("{prefix}root");
        fs::create_dir(&point).stage("make a mount point")?;
        // The host's root has no id in a mapped folder: without these ids the kernel can't make its work folder and
        // silently mounts read-only.
        let mounted = as_ids(base, || {
            Ok(classic_mount(Some("overlay"), point.as_str(), Some("overlay"), flags, Some(options.as_str()))?)
        });
        mounted.stage("mount overlay")?;
        open_path(point.as_str(), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .stage("open overlay")
    }
}

/// Runs something with other file-system ids and all capabilities.
pub fn as_ids<T>(base: u32, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if base == 0 {
        return work();
    }
    no_setuid_fixup()?;
    set_fs_ids(base, base);
    let done = work();
    set_fs_ids(0, 0);
    done
}
