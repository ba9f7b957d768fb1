//! One container's life by system calls: the same namespaces, mounts, limits and privileges as the engine's.

use std::{
    ffi::CStr,
    fs::{self, File},
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    mount::{MntFlags, MsFlags, mount as classic_mount, umount2},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CloneFlags, unshare},
    sys::stat::{Mode, SFlag, fstat, makedev, mkdirat, mknodat},
    unistd::{Gid, Uid, execve, fchdir, pivot_root, setgroups, setresgid, setresuid, setsid, symlinkat},
};
use runtime::{
    seccomp,
    spec::{DEFAULT_CAPABILITIES, MASKED_PATHS, READONLY_PATHS},
    sys::{
        mount::{NODEV, NOEXEC, NOSUID, NewFs, RDONLY, add_attributes, attach, idmap, open_tree},
        open::{IN_ROOT, openat2},
        packet,
        privilege::{self, CAP_SYS_ADMIN},
        process::{self, Cloned, Ended},
    },
};

use super::{
    groups::{Group, Groups},
    plumber::Plumber,
};

const BASE: u32 = 1_879_048_192;
const STRICT: u64 = NOSUID | NODEV | NOEXEC;

const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
const LINKS: [(&str, &str); 6] = [
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
];

/// What all containers share.
pub struct Floor {
    layer: PathBuf,
    work: PathBuf,
    groups: Groups,
    filter: Vec<u8>,
    plumber: Option<Plumber>,
    count: u32,
}

impl Floor {
    pub fn new(layer: &Path, work: &Path, cgroup: &str, plumber: Option<Plumber>) -> io::Result<Self> {
        fs::create_dir_all(work.join("mnt"))?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let nothing = None::<&str>;
        classic_mount(nothing, "/", nothing, MsFlags::MS_SLAVE | MsFlags::MS_REC, nothing)?;
        privilege::no_setuid_fixup()?;
        let (layer, work, groups) = (layer.to_owned(), work.to_owned(), Groups::find(cgroup)?);
        let filter = seccomp::compiled(DEFAULT_CAPABILITIES).to_vec();
        Ok(Self { layer, work, groups, filter, plumber, count: 0 })
    }

    /// Makes a container of busybox, runs `true` in it, and takes it away.
    pub fn one(&mut self) -> io::Result<()> {
        self.count += 1;
        let name = format!("floor-{}-{}", std::process::id(), self.count);
        let folder = self.work.join(&name);
        for dir in [folder.clone(), folder.join("upper"), folder.join("work")] {
            fs::create_dir(dir)?;
        }
        let group = self.groups.make(&name)?;
        let (ours, theirs) = packet::pair()?;
        let flags = libc_flags();
        let (pid, pidfd) = match process::clone3(flags, group.unified.as_ref())? {
            Cloned::Child => {
                drop(ours);
                let failed = self.become_program(&theirs, group);
                let _ = packet::send(
                    &theirs,
                    failed.err().map_or_else(String::new, |e| e.to_string()).as_bytes(),
                    &[],
                    true,
                );
                process::exit_now(1)
            }
            Cloned::Parent { pid, pidfd } => (pid, pidfd),
        };
        drop(theirs);
        if let Some(plumber) = &self.plumber {
            plumber.attach(&File::open(format!("/proc/{pid}/ns/net"))?.into())?;
        }
        let line = format!("0 {BASE} 65536\n");
        for file in ["uid_map", "gid_map"] {
            File::options().write(true).open(format!("/proc/{pid}/{file}"))?.write_all(line.as_bytes())?;
        }
        packet::send(&ours, b"mapped", &[], true)?;
        let userns = File::open(format!("/proc/{pid}/ns/user"))?.into();
        let (root, dev) = (self.overlay(&folder, &userns)?, devices()?);
        packet::send(&ours, b"mounts", &[root.as_raw_fd(), dev.as_raw_fd()], true)?;
        drop((root, dev));
        if let Some(plumber) = &self.plumber {
            plumber.done()?;
        }
        packet::send(&ours, b"go", &[], true)?;
        match packet::receive(&ours, true) {
            Ok((said, _)) if !said.is_empty() => {
                return Err(io::Error::other(String::from_utf8_lossy(&said).into_owned()));
            }
            _ => {}
        }
        let ended = loop {
            poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
            if let Some(ended) = process::reap(&pidfd)? {
                break ended;
            }
        };
        if ended != Ended::Exited(0) {
            return Err(io::Error::other(format!("true ended with {ended:?}")));
        }
        if let Some(plumber) = &self.plumber {
            plumber.detach()?;
        }
        group.remove()
    }

    /// Unmounts what the last one left. It waits for the disk, and nobody who starts a container waits for it.
    pub fn tidy(&self) -> io::Result<()> {
        umount2(&self.work.join("mnt"), MntFlags::MNT_DETACH)?;
        Ok(())
    }

    fn overlay(&self, folder: &Path, userns: &OwnedFd) -> io::Result<OwnedFd> {
        let point = self.work.join("mnt");
        classic_mount(Some("tmpfs"), &point, Some("tmpfs"), MsFlags::MS_NOSUID, Some("size=1m,mode=0700"))?;
        for (source, name) in [(&*self.layer, "0"), (folder, "w")] {
            let source = open(source, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
            let copy = open_tree(source, c"", false)?;
            idmap(&copy, userns)?;
            fs::create_dir(point.join(name))?;
            attach(copy, open(&point.join(name), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)?;
        }
        let root = point.join("root");
        fs::create_dir(&root)?;
        let path = point.display();
        let options = format!(
            "lowerdir={path}/0,upperdir={path}/w/upper,workdir={path}/w/work,redirect_dir=off,index=off,metacopy=off"
        );
        privilege::set_fs_ids(BASE, BASE);
        let mounted = classic_mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()));
        privilege::set_fs_ids(0, 0);
        mounted?;
        open_tree(open(&root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?, c"", false)
    }

    /// Runs in the child; comes back only with an error.
    fn become_program(&self, channel: &OwnedFd, group: Group) -> io::Result<()> {
        for tasks in group.tasks {
            File::from(tasks).write_all(b"0")?;
        }
        packet::receive(channel, true)?;
        setgroups(&[])?;
        setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0))?;
        setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
        unshare(CloneFlags::CLONE_NEWCGROUP)?;
        process::loopback_up()?;
        nix::unistd::sethostname("floor")?;
        let fresh = [
            ("proc", new_fs(c"proc", STRICT, &[])?),
            ("sys", new_fs(c"sysfs", STRICT | RDONLY, &[])?),
            ("dev/pts", new_fs(c"devpts", NOSUID | NOEXEC, &[("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")])?),
            ("dev/shm", new_fs(c"tmpfs", STRICT, &[("mode", "1777"), ("size", "67108864")])?),
            ("dev/mqueue", new_fs(c"mqueue", STRICT, &[])?),
        ];
        let (_, mounts) = packet::receive(channel, true)?;
        let [root, dev] = &mounts[..] else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let old_root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        attach(root, &old_root)?;
        attach(dev, openat2(root, "dev", nix::libc::O_PATH, 0, IN_ROOT)?)?;
        for (path, mount) in &fresh {
            attach(mount, openat2(root, path, nix::libc::O_PATH, 0, IN_ROOT)?)?;
        }
        hide(root, dev)?;
        fchdir(root)?;
        pivot_root(c".", c".")?;
        fchdir(&old_root)?;
        umount2(c".", MntFlags::MNT_DETACH)?;
        nix::unistd::chdir(c"/")?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        packet::receive(channel, true)?;
        setsid()?;
        for standard in 0..=1 {
            process::place(&null, standard)?;
        }
        privilege::limit_bounding(DEFAULT_CAPABILITIES)?;
        privilege::set_capabilities(DEFAULT_CAPABILITIES | 1 << CAP_SYS_ADMIN)?;
        process::close_from_on_exec(3)?;
        privilege::load_seccomp(&self.filter)?;
        privilege::set_capabilities(DEFAULT_CAPABILITIES)?;
        match execve(c"/bin/true", &[c"true"], &[c"PATH=/bin:/usr/bin"])? {}
    }
}

fn libc_flags() -> u64 {
    let flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    u64::from(flags.bits().cast_unsigned())
}

fn new_fs(kind: &CStr, attributes: u64, options: &[(&str, &str)]) -> io::Result<OwnedFd> {
    let fs = NewFs::open(kind)?;
    for (key, value) in options {
        fs.set(key, value)?;
    }
    fs.mount(attributes)
}

fn devices() -> io::Result<OwnedFd> {
    let id = BASE.to_string();
    let options = [("mode", "755"), ("size", "65536k"), ("uid", id.as_str()), ("gid", id.as_str())];
    let dev = new_fs(c"tmpfs", NOSUID | NOEXEC, &options)?;
    privilege::set_fs_ids(BASE, BASE);
    let filled = (|| {
        for (name, major, minor) in DEVICES {
            mknodat(&dev, name, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))?;
        }
        for (name, target) in LINKS {
            symlinkat(target, &dev, name)?;
        }
        ["pts", "shm", "mqueue"].iter().try_for_each(|name| mkdirat(&dev, *name, Mode::from_bits_truncate(0o755)))
    })();
    privilege::set_fs_ids(0, 0);
    filled?;
    Ok(dev)
}

/// Masked and read-only paths, as Docker has them.
fn hide(root: &OwnedFd, dev: &OwnedFd) -> io::Result<()> {
    let existing = |path: &str| match openat2(root, path, nix::libc::O_PATH, 0, IN_ROOT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    };
    for path in MASKED_PATHS {
        if let Some(target) = existing(path)? {
            let is_folder = SFlag::from_bits_truncate(fstat(&target)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR;
            let cover = if is_folder {
                new_fs(c"tmpfs", RDONLY | STRICT, &[("size", "0"), ("nr_inodes", "1")])?
            } else {
                open_tree(dev, c"null", false)?
            };
            attach(cover, target)?;
        }
    }
    for path in READONLY_PATHS {
        if let Some(target) = existing(path)? {
            let copy = open_tree(&target, c"", true)?;
            add_attributes(&copy, RDONLY)?;
            attach(copy, target)?;
        }
    }
    Ok(())
}
