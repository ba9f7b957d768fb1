//! openat2(2): paths that can't leave their root.
#![allow(unsafe_code)]

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path},
};

use super::check;

/// Mounts may not be crossed.
pub const NO_XDEV: u64 = 0x01;
/// Links of /proc that jump are refused.
pub const NO_MAGICLINKS: u64 = 0x02;
/// Symbolic links are refused.
pub const NO_SYMLINKS: u64 = 0x04;
/// The directory is the root of everything, as after chroot(2).
pub const IN_ROOT: u64 = 0x10;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat2(2), always close-on-exec.
pub fn openat2(dir: impl AsFd, path: impl AsRef<Path>, flags: i32, mode: u32, resolve: u64) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_ref().as_os_str().as_bytes())?;
    let how = OpenHow { flags: u64::from((flags | libc::O_CLOEXEC) as u32), mode: u64::from(mode), resolve };
    let mut tries = 0;
    loop {
        // SAFETY: the path is NUL-terminated and `how` has the size that is passed; both outlive the call.
        let result = check(unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_fd().as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                std::mem::size_of::<OpenHow>(),
            )
        });
        match result {
            // SAFETY: the kernel just made this descriptor, nobody else owns it.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            // A rename elsewhere on the host made the walk unsure; the kernel asks to try again.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < 64 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Opens a path (as a handle only) below `root`, with links resolved as inside it.
pub fn inside(root: impl AsFd, path: impl AsRef<Path>, flags: i32) -> io::Result<OwnedFd> {
    openat2(root, nonempty(path.as_ref()), flags | libc::O_PATH, 0, IN_ROOT | NO_MAGICLINKS)
}

/// Opens a directory below `root`, making what is missing with `mode`. Links are resolved as inside the root; a link
/// that leads nowhere is never created through.
pub fn make_dirs(root: impl AsFd, path: impl AsRef<Path>, mode: u32) -> io::Result<OwnedFd> {
    note_dirs(root, path, mode, &mut Vec::new())
}

/// Like [`make_dirs`]; adds a handle of each directory it made, outermost first.
pub fn note_dirs(root: impl AsFd, path: impl AsRef<Path>, mode: u32, made: &mut Vec<OwnedFd>) -> io::Result<OwnedFd> {
    let (path, root) = (path.as_ref(), root.as_fd());
    match inside(root, path, libc::O_DIRECTORY) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
        done => return done,
    }
    let mut walked = std::path::PathBuf::new();
    let mut dir = inside(root, ".", libc::O_DIRECTORY)?;
    for part in path.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::ParentDir => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
            _ => continue,
        };
        walked.push(name);
        dir = match inside(root, &walked, libc::O_DIRECTORY) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                nix::sys::stat::mkdirat(&dir, name, nix::sys::stat::Mode::from_bits_truncate(mode))?;
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
                let new = openat2(&dir, name, flags, 0, NO_SYMLINKS | NO_MAGICLINKS)?;
                made.push(new.try_clone()?);
                new
            }
            opened => opened?,
        };
    }
    Ok(dir)
}

/// Opens a handle of a file below `root` to mount on, making an empty one (and its directories) where there is none.
pub fn make_file(root: impl AsFd, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    note_file(root, path, &mut Vec::new())
}

/// Like [`make_file`]; adds a handle of everything it made, outermost first.
pub fn note_file(root: impl AsFd, path: impl AsRef<Path>, made: &mut Vec<OwnedFd>) -> io::Result<OwnedFd> {
    let (path, root) = (path.as_ref(), root.as_fd());
    match inside(root, path, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
        done => return done,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let parent = note_dirs(root, parent, 0o755, made)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDONLY | libc::O_NOFOLLOW;
    openat2(&parent, name, flags, 0o644, NO_SYMLINKS | NO_MAGICLINKS)?;
    let file = openat2(&parent, name, libc::O_PATH | libc::O_NOFOLLOW, 0, NO_SYMLINKS | NO_MAGICLINKS)?;
    made.push(file.try_clone()?);
    Ok(file)
}

fn nonempty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside_and_dangling_ones_are_not_created_through() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        symlink("/run", dir.path().join("var")).unwrap();
        symlink("/nowhere/at/all", dir.path().join("dangling")).unwrap();
        make_dirs(&root, "/var/lib/x", 0o755).unwrap();
        assert!(dir.path().join("run/lib/x").is_dir());
        assert!(make_dirs(&root, "dangling/x", 0o755).is_err());
        assert!(make_file(&root, "dangling").is_err());
        assert!(!dir.path().join("nowhere").exists());
        make_file(&root, "etc/hosts").unwrap();
        assert!(dir.path().join("etc/hosts").is_file());
        assert!(inside(&root, "../../../etc/passwd", 0).is_err());
    }
}
