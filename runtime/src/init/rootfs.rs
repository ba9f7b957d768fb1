//! The container's view of the file system, put together by descriptors.
//!
//! Every mount point is opened by openat2(2) below the held root, so links of the image lead nowhere outside; `/proc`,
//! `/sys` and `/dev` themselves must be real folders. Mask sources are the engine's own: its null node and empty tmpfs.

use std::{
    ffi::{CStr, CString},
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    fcntl::{OFlag, open as open_path},
    mount::{MntFlags, umount2},
    sys::stat::{Mode, SFlag, fstat, mkdirat},
    unistd::{fchdir, pivot_root},
};

use super::{
    Handed,
    failure::{Result, Stage, refuse},
    mounts,
};
use crate::{
    monitor::protocol::Made,
    spec::{LaunchSpec, Network, Shared},
    sys::{
        mount::{self, NODEV, NOEXEC, NOSUID, NewFs, RDONLY, add_attributes, attach, open_tree},
        open::{self, NO_MAGICLINKS, NO_SYMLINKS, NO_XDEV, openat2},
    },
};

/// Mounts of the container's own namespaces, attached nowhere yet.
pub struct Detached {
    /// `None` where the host's is shown.
    proc: Option<OwnedFd>,
    /// `None` where the host's is shown.
    sys: Option<OwnedFd>,
    pts: OwnedFd,
    /// `None` where another's is shared, or where there is none.
    shm: Option<OwnedFd>,
    /// `None` where the host's is shown.
    mqueue: Option<OwnedFd>,
    cgroup: Option<OwnedFd>,
}

/// A mount and the name of its mount point.
pub(super) fn fresh(kind: &CStr, attributes: u64, options: &[(&str, &str)]) -> io::Result<OwnedFd> {
    let fs = NewFs::open(kind)?;
    for (key, value) in options {
        if value.is_empty() { fs.flag(key)? } else { fs.set(key, value)? }
    }
    fs.mount(attributes)
}

impl Detached {
    /// Makes them; needs nothing of the root file system, so it can happen while the monitor prepares that.
    pub fn make(spec: &LaunchSpec) -> Result<Self> {
        let strict = NOSUID | NODEV | NOEXEC;
        let size = spec.shm_size_bytes.to_string();
        let opened = &spec.opened;
        let system = if opened.writable_system { strict } else { strict | RDONLY };
        let cgroup = match (&spec.cgroup.unified, spec.cgroup.hierarchies.is_empty()) {
            _ if opened.host_cgroups => None,
            (Some(_), _) => Some(fresh(c"cgroup2", system, &[]).stage("mount cgroup2")?),
            (None, false) => {
                Some(fresh(c"tmpfs", strict, &[("mode", "755"), ("size", "64k")]).stage("mount /sys/fs/cgroup")?)
            }
            (None, true) => None,
        };
        Ok(Self {
            proc: match opened.pid {
                Shared::Host => None,
                _ => Some(fresh(c"proc", strict, &[]).stage("mount proc")?),
            },
            sys: match spec.network {
                Network::Own => Some(fresh(c"sysfs", system, &[]).stage("mount sysfs")?),
                Network::Host | Network::Joined { .. } => None,
            },
            pts: fresh(c"devpts", NOSUID | NOEXEC, &[("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")])
                .stage("mount devpts")?,
            shm: match opened.ipc {
                Shared::Own if !opened.no_shm => {
                    Some(fresh(c"tmpfs", strict, &[("mode", "1777"), ("size", &size)]).stage("mount /dev/shm")?)
                }
                _ => None,
            },
            mqueue: match opened.ipc {
                Shared::Host => None,
                _ => Some(fresh(c"mqueue", strict, &[]).stage("mount mqueue")?),
            },
            cgroup,
        })
    }
}

/// Handles that later steps need.
pub struct Attached {
    /// The root file system.
    pub root: OwnedFd,
    /// /dev: a tmpfs of the monitor's.
    pub dev: OwnedFd,
    /// /dev/pts.
    pub pts: OwnedFd,
    proc: OwnedFd,
    sys: OwnedFd,
    old_root: OwnedFd,
    /// Handles of what was made to mount on.
    made: Vec<OwnedFd>,
}

/// A folder directly below the root that must not be a link.
fn real_dir(root: impl AsFd, name: &str, made: &mut Vec<OwnedFd>) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    match openat2(&root, name, flags, 0, NO_SYMLINKS | NO_MAGICLINKS) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            mkdirat(&root, name, Mode::from_bits_truncate(0o755))?;
            let new = openat2(&root, name, flags, 0, NO_SYMLINKS | NO_MAGICLINKS)?;
            made.push(new.try_clone()?);
            Ok(new)
        }
        opened => opened,
    }
}

fn below(mount: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    openat2(mount, name, libc::O_PATH | libc::O_NOFOLLOW, 0, NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV)
}

/// Attaches the root and everything in it.
pub(super) fn assemble(spec: &LaunchSpec, handed: Handed, own: Detached) -> Result<Attached> {
    let Handed { root, dev, sys, proc, shm, mqueue, cgroup, files, mounts } = handed;
    let (Some(sys), Some(proc)) = (own.sys.or(sys), own.proc.or(proc)) else {
        return Err(refuse("hear from the monitor", "the monitor sent no /sys or /proc"));
    };
    let mut made = Vec::new();
    let old_root = open_path("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let old_root = old_root.stage("open old root")?;
    attach(&root, &old_root).stage("attach root file system")?;
    for (mount, name) in [(&proc, "proc"), (&sys, "sys"), (&dev, "dev")] {
        let target = real_dir(&root, name, &mut made).stage(format!("open /{name} of the image"))?;
        attach(mount, target).stage(format!("attach /{name}"))?;
    }
    let (shm, mqueue) = (own.shm.or(shm), own.mqueue.or(mqueue));
    for (mount, name) in [(Some(&own.pts), "pts"), (shm.as_ref(), "shm"), (mqueue.as_ref(), "mqueue")] {
        let Some(mount) = mount else { continue };
        let target = below(&dev, name).stage(format!("open /dev/{name}"))?;
        attach(mount, target).stage(format!("attach /dev/{name}"))?;
    }
    if let Some(cgroup) = own.cgroup.as_ref().or(cgroup.as_ref()) {
        attach_cgroup(spec, &sys, cgroup).stage("attach /sys/fs/cgroup")?;
    }
    for (mount, file) in files.iter().zip(&spec.files) {
        let target = open::note_file(&root, &file.target, &mut made).stage(format!("open {}", file.target))?;
        attach(mount, target).stage(format!("attach {}", file.target))?;
    }
    mounts::attach_all(&spec.mounts, mounts, &root, &mut made)?;
    Ok(Attached { root, dev, pts: own.pts, proc, sys, old_root, made })
}

/// On v2 the mount itself, on v1 a folder with a mount per hierarchy, as Docker shows it.
fn attach_cgroup(spec: &LaunchSpec, sys: &OwnedFd, cgroup: &OwnedFd) -> io::Result<()> {
    let strict = NOSUID | NODEV | NOEXEC;
    let system = if spec.opened.writable_system { strict } else { strict | RDONLY };
    let target = match below(sys, "fs/cgroup") {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        target => target?,
    };
    attach(cgroup, target)?;
    if spec.cgroup.unified.is_some() || spec.opened.host_cgroups {
        return Ok(());
    }
    for (name, controllers) in &spec.cgroup.hierarchies {
        let options: Vec<(&str, &str)> = controllers.split(',').map(|option| (option, "")).collect();
        let mount = fresh(c"cgroup", system, &options)?;
        mkdirat(cgroup, name.as_str(), Mode::from_bits_truncate(0o755))?;
        attach(mount, below(cgroup, name)?)?;
    }
    add_attributes(cgroup, RDONLY)
}

impl Attached {
    /// Sets kernel parameters through the container's own procfs. Only those that its namespaces own are let through.
    pub fn set_sysctls(&self, spec: &LaunchSpec) -> Result<()> {
        for (name, value) in &spec.sysctls {
            let owned = ["kernel.msg", "kernel.shm", "fs.mqueue.", "net."].iter().any(|start| name.starts_with(start))
                || name == "kernel.sem";
            if !owned || name.contains('/') || name.contains("..") {
                return Err(refuse("sysctl", format_args!("sysctl {name:?} is not in a separate kernel namespace")));
            }
            let path = format!("sys/{}", name.replace('.', "/"));
            let resolve = NO_SYMLINKS | NO_MAGICLINKS | NO_XDEV;
            let stage = format!("sysctl {name}");
            let file = openat2(&self.proc, path, libc::O_WRONLY, 0, resolve).stage(&stage)?;
            std::fs::File::from(file).write_all(value.as_bytes()).stage(&stage)?;
        }
        Ok(())
    }

    /// Makes what tells or does too much unreadable or read-only. A path that doesn't exist needs nothing.
    pub fn mask(&self, spec: &LaunchSpec) -> Result<()> {
        let mut masked: Vec<String> = spec.masked_paths.clone();
        if !masked.is_empty() {
            masked.extend(self.thermal_throttles());
        }
        for path in &masked {
            if let Some(target) = self.existing(path).stage(format!("open {path}"))? {
                let kind = SFlag::from_bits_truncate(fstat(&target).stage(path)?.st_mode) & SFlag::S_IFMT;
                let cover = if kind == SFlag::S_IFDIR {
                    fresh(c"tmpfs", RDONLY | NOSUID | NODEV | NOEXEC, &[("size", "0"), ("nr_inodes", "1")])
                } else {
                    open_tree(&self.dev, c"null", false)
                };
                attach(cover.stage("make a mask")?, target).stage(format!("mask {path}"))?;
            }
        }
        for path in &spec.readonly_paths {
            if let Some(target) = self.existing(path).stage(format!("open {path}"))? {
                let stage = format!("make {path} read-only");
                let copy = open_tree(&target, c"", true).stage(&stage)?;
                add_attributes(&copy, RDONLY).stage(&stage)?;
                attach(copy, target).stage(&stage)?;
            }
        }
        Ok(())
    }

    /// Per processor; reading it tells what else runs on the host.
    fn thermal_throttles(&self) -> Vec<String> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let named = |cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle");
        // Where the first processor has none, no other has.
        match self.existing(&named(0)) {
            Ok(Some(_)) => (0..cpus.max(online())).map(named).collect(),
            _ => Vec::new(),
        }
    }

    fn existing(&self, path: &str) -> io::Result<Option<OwnedFd>> {
        let opened = if let Some(rest) = path.strip_prefix("/proc/") {
            below(&self.proc, rest)
        } else if let Some(rest) = path.strip_prefix("/sys/") {
            below(&self.sys, rest)
        } else {
            open::inside(&self.root, path, 0)
        };
        match opened {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Binds a terminal on /dev/console, descriptor to descriptor.
    pub fn bind_console(&self, slave: &OwnedFd) -> Result<()> {
        let copy = open_tree(slave, c"", false).stage("bind console")?;
        let target = below(&self.dev, "console").stage("open /dev/console")?;
        attach(copy, target).stage("attach /dev/console")
    }

    /// Makes the root read-only if wanted, and the only one: the host's is gone afterwards.
    pub fn enter(&self, spec: &LaunchSpec) -> Result<()> {
        if spec.rootfs.read_only {
            add_attributes(&self.root, RDONLY).stage("make root read-only")?;
        }
        fchdir(&self.root).stage("enter root")?;
        pivot_root(c".", c".").stage("pivot_root")?;
        fchdir(&self.old_root).stage("enter old root")?;
        umount2(c".", MntFlags::MNT_DETACH).stage("detach old root")?;
        nix::unistd::chdir(c"/").stage("enter new root")
    }

    /// What was made to mount on. Only after [`Self::enter`] do their paths begin at the root.
    pub fn made(&mut self) -> Vec<Made> {
        mounts::told(&self.proc, std::mem::take(&mut self.made))
    }

    /// Opens the working directory inside, making it when missing.
    pub fn working_dir(&self, cwd: &str) -> Result<OwnedFd> {
        let cwd = if cwd.is_empty() { "/" } else { cwd };
        if !cwd.starts_with('/') {
            return Err(refuse("working directory", format_args!("the working directory {cwd:?} is not absolute")));
        }
        open::make_dirs(&self.root, cwd, 0o755).stage(format!("open working directory {cwd}"))
    }
}

fn online() -> usize {
    std::fs::read_dir("/sys/devices/system/cpu").map_or(1, |entries| {
        let is_cpu = |name: &str| {
            name.strip_prefix("cpu").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_cpu)).count()
    })
}

/// A detached copy of a host file for binding, its ids mapped where the file system can do that.
pub fn bind_source(path: &std::path::Path, userns: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let copy = open_tree(nix::fcntl::AT_FDCWD, &path, false)?;
    if let Some(userns) = userns {
        // Some file systems can't map ids; the file is then seen as nobody's, still readable.
        let _ = mount::idmap(&copy, userns);
    }
    add_attributes(&copy, NOSUID | NODEV | NOEXEC)?;
    Ok(copy)
}
