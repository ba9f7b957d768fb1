//! Control groups with a memory, a pids and a cpu limit; nothing else is made.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
};

/// Where groups go.
pub enum Groups {
    /// Folder and limits of each hierarchy.
    V1(Vec<(PathBuf, &'static [(&'static str, &'static str)])>),
    /// The one folder.
    V2(PathBuf),
}

/// One container's group.
pub struct Group {
    folders: Vec<PathBuf>,
    /// v1: files to write `0` to.
    pub tasks: Vec<OwnedFd>,
    /// v2: the folder to be born in.
    pub unified: Option<OwnedFd>,
}

const MEMORY: &[(&str, &str)] = &[("memory.limit_in_bytes", "67108864")];
const PIDS: &[(&str, &str)] = &[("pids.max", "100")];
const CPU: &[(&str, &str)] = &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "100000")];
const ALL: &[(&str, &str)] = &[("memory.max", "67108864"), ("pids.max", "100"), ("cpu.max", "100000 100000")];

impl Groups {
    pub fn find(parent: &str) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let mounted = |kind: &str, controller: Option<&str>| {
            mounts.lines().find_map(|line| {
                let (left, right) = line.split_once(" - ")?;
                let fits = right.split(' ').next() == Some(kind)
                    && controller.is_none_or(|wanted| right.rsplit([' ', ',']).any(|option| option == wanted));
                fits.then(|| PathBuf::from(left.split(' ').nth(4).unwrap_or_default()).join(parent))
            })
        };
        let hierarchies: Vec<_> = [("memory", MEMORY), ("pids", PIDS), ("cpu", CPU)]
            .into_iter()
            .filter_map(|(name, limits)| Some((mounted("cgroup", Some(name))?, limits)))
            .collect();
        if !hierarchies.is_empty() {
            for (folder, _) in &hierarchies {
                fs::create_dir_all(folder)?;
            }
            return Ok(Self::V1(hierarchies));
        }
        let folder = mounted("cgroup2", None).ok_or_else(|| io::Error::other("no control groups"))?;
        fs::create_dir_all(&folder)?;
        let top = folder.parent().unwrap_or(&folder);
        for dir in [top, &folder] {
            fs::write(dir.join("cgroup.subtree_control"), "+cpu +memory +pids")?;
        }
        Ok(Self::V2(folder))
    }

    pub fn make(&self, name: &str) -> io::Result<Group> {
        let (mut folders, mut tasks, mut unified) = (Vec::new(), Vec::new(), None);
        let mut make = |parent: &PathBuf, limits: &[(&str, &str)]| {
            let folder = parent.join(name);
            fs::create_dir(&folder)?;
            for (file, value) in limits {
                fs::write(folder.join(file), value)?;
            }
            folders.push(folder.clone());
            io::Result::Ok(folder)
        };
        match self {
            Self::V1(hierarchies) => {
                for (parent, limits) in hierarchies {
                    let folder = make(parent, limits)?;
                    tasks.push(File::options().write(true).open(folder.join("tasks"))?.into());
                }
            }
            Self::V2(parent) => unified = Some(File::open(make(parent, ALL)?)?.into()),
        }
        Ok(Group { folders, tasks, unified })
    }
}

impl Group {
    pub fn remove(&self) -> io::Result<()> {
        self.folders.iter().try_for_each(fs::remove_dir)
    }
}
