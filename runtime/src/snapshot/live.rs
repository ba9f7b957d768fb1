//! What is different about files of a container that may be running: its ids are a range of the host's, and parts of
//! what it sees are made up by the kernel.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::{stat::SFlag, statfs::fstatfs};
use tar::EntryType;

use super::{meta::Meta, parents::existing, tree};

/// Ids a container's range holds.
const IDS: u32 = 65_536;

/// Magic numbers (statfs(2)) of what the kernel makes up: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf,
/// devpts, mqueue, fusectl, pstore, binfmt_misc.
const MADE_UP: [u32; 13] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x1cd1,
    0x1980_0202,
    0x6573_5543,
    0x6165_676c,
    0x4249_4e4d,
];

/// How a container's files are read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live {
    /// The host's id of its id 0.
    pub first_id: u32,
    /// Nothing but a folder takes a folder's place, and nothing but a file a file's.
    pub folders_stay: bool,
}

impl Live {
    /// A folder the kernel makes up is not the container's: writing there would be asking the kernel, as the host's root.
    pub fn check(folder: BorrowedFd<'_>) -> io::Result<()> {
        let kind = fstatfs(folder.as_fd())?.filesystem_type().0;
        if MADE_UP.iter().any(|magic| i64::from(*magic) == kind as i64 & 0xffff_ffff) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "this is made up by the kernel"));
        }
        Ok(())
    }

    /// Whether an entry may be written there, and as whose.
    pub fn admit(
        self,
        parent: BorrowedFd<'_>,
        name: Option<&OsStr>,
        kind: EntryType,
        meta: &mut Meta,
    ) -> io::Result<()> {
        Self::check(parent)?;
        let there = match name {
            Some(name) if self.folders_stay => existing(parent, name)?,
            _ => None,
        };
        if let (Some(stat), Some(name)) = (there, name) {
            let (was, is) = (tree::kind(&stat) == SFlag::S_IFDIR, kind == EntryType::Directory);
            let name = name.display();
            match (was, is) {
                (true, false) => {
                    return Err(io::Error::other(format!("cannot overwrite directory \"{name}\" with non-directory")));
                }
                (false, true) => {
                    return Err(io::Error::other(format!("cannot overwrite non-directory \"{name}\" with directory")));
                }
                _ => {}
            }
        }
        if self.first_id > 0 {
            let outside = |id: u32| match id {
                0..IDS => Ok(self.first_id + id),
                _ => Err(io::Error::other(format!("the container has no id {id}"))),
            };
            meta.uid = outside(meta.uid.as_raw())?.into();
            meta.gid = outside(meta.gid.as_raw())?.into();
        }
        Ok(())
    }
}

/// A host's id as the container with this range sees it.
pub fn inside(first_id: u32, id: u32) -> u32 {
    match id.checked_sub(first_id) {
        Some(own) if first_id > 0 && own < IDS => own,
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_makes_up_is_known() {
        let open = |path: &str| std::fs::File::open(path).unwrap();
        assert!(Live::check(open("/proc/sys").as_fd()).is_err() && Live::check(open("/sys").as_fd()).is_err());
        Live::check(open("/").as_fd()).unwrap();
    }

    #[test]
    fn ids_are_the_container_s() {
        assert_eq!((inside(100_000, 100_007), inside(100_000, 5), inside(0, 5)), (7, 5, 5));
    }
}
