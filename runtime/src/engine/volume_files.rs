//! Files of a volume, from outside: listed, read, written, renamed, removed.
//!
//! Every path is resolved below the volume's own folder, which is held; links lead nowhere outside it, and nothing but
//! regular files is opened for reading or writing. A file is written beside and renamed into place.

use std::{
    ffi::OsStr,
    fs::{File, Metadata, Permissions},
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt, fchown},
        },
    },
    path::{Component, Path},
};

use jiff::Timestamp;
use nix::{
    dir::Dir,
    fcntl::{AtFlags, RenameFlags, readlinkat, renameat2},
    sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};

use super::{Engine, Outflow, blocking, volumes::failed};
use crate::{
    durable,
    error::{Error, ErrorKind, Result},
    snapshot::{remove_entry, write_tree},
    sys::open::{IN_ROOT, NO_MAGICLINKS, NO_SYMLINKS, inside, openat2},
    view::{FileEntry, FileKind, FolderView, TextFile},
    volume::local,
};

/// Entries of a folder that are shown.
const SHOWN: usize = 2_000;
/// The longest text that is edited.
const TEXT_BYTES: u64 = 64 << 10;
/// Bytes copied in one go.
const COPY_BYTES: usize = 256 << 10;

impl Engine {
    /// What a folder of a volume has.
    ///
    /// # Errors
    /// No such volume or folder.
    pub async fn volume_folder(&self, name: &str, path: &str) -> Result<FolderView> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || list(&root.folder(&path)?)).await
    }

    /// What a path of a volume is; links are followed.
    ///
    /// # Errors
    /// No such volume or file.
    pub async fn volume_entry(&self, name: &str, path: &str) -> Result<FileEntry> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || root.entry(&path)).await
    }

    /// A file of a volume, with its text when it is a short one.
    ///
    /// # Errors
    /// No such volume or file, or it is no regular file.
    pub async fn volume_text(&self, name: &str, path: &str) -> Result<TextFile> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || {
            let file = root.regular(&path)?;
            let meta = file.metadata().map_err(failed)?;
            let entry = described(last(&path), &meta);
            let mut bytes = Vec::new();
            if meta.len() <= TEXT_BYTES {
                file.take(TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
            }
            let whole = meta.len() <= TEXT_BYTES && bytes.len() as u64 <= TEXT_BYTES && !bytes.contains(&0);
            Ok(TextFile { entry, text: if whole { String::from_utf8(bytes).ok() } else { None } })
        })
        .await
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// No such volume or file, or it is no regular file.
    pub async fn volume_file(&self, name: &str, path: &str) -> Result<Outflow> {
        let (root, path) = (self.files(name)?, path.to_owned());
        let file = blocking(move || root.regular(&path)).await?;
        Ok(Outflow::of(move |to| copy(file, to).map(drop).map_err(failed)))
    }

    /// A tar of a folder.
    ///
    /// # Errors
    /// No such volume or folder.
    pub async fn volume_archive(&self, name: &str, path: &str) -> Result<Outflow> {
        let (root, path) = (self.files(name)?, path.to_owned());
        let folder = blocking(move || root.folder(&path)).await?;
        Ok(Outflow::of(move |to| Ok(write_tree(folder, to)?)))
    }

    /// Writes a file. With `known`, the version that was seen, one that changed meanwhile is left alone; without it, one
    /// that is there already is.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it changed or is there; a folder that is not there; the disk.
    pub async fn write_volume_file(
        &self,
        name: &str,
        path: &str,
        known: Option<String>,
        content: impl Read + Send + 'static,
    ) -> Result<()> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || root.write(&path, known.as_deref(), content)).await
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when something of that name is there.
    pub async fn make_volume_folder(&self, name: &str, path: &str) -> Result<()> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || {
            let (parent, name) = root.parent(&path)?;
            mkdirat(&parent, name, Mode::from_bits_truncate(0o755)).map_err(|errno| refused(errno.into(), &path))?;
            let folder = openat2(&parent, name, libc::O_RDONLY | libc::O_DIRECTORY, 0, NO_SYMLINKS | NO_MAGICLINKS);
            like_parent(&File::from(folder.map_err(failed)?), &parent)
        })
        .await
    }

    /// Gives something another name in the same or another folder.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when something has the new name.
    pub async fn rename_in_volume(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let (root, from, to) = (self.files(name)?, from.to_owned(), to.to_owned());
        blocking(move || {
            let (old_parent, old) = root.parent(&from)?;
            let (new_parent, new) = root.parent(&to)?;
            let moved = renameat2(&old_parent, old, &new_parent, new, RenameFlags::RENAME_NOREPLACE);
            moved.map_err(|errno| match errno {
                nix::errno::Errno::EEXIST => there_already(&to),
                errno => refused(errno.into(), &from),
            })
        })
        .await
    }

    /// Removes a file, or a folder with all in it. A link goes, not what it leads to.
    ///
    /// # Errors
    /// Nothing is there; the disk.
    pub async fn remove_in_volume(&self, name: &str, path: &str) -> Result<()> {
        let (root, path) = (self.files(name)?, path.to_owned());
        blocking(move || {
            let (parent, name) = root.parent(&path)?;
            fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|errno| refused(errno.into(), &path))?;
            remove_entry(&parent, name).map_err(failed)
        })
        .await
    }

    fn files(&self, name: &str) -> Result<Root> {
        let volume = self.volume(name)?;
        let mounted = || local::mount_points().is_ok_and(|points| points.contains(&volume.mountpoint));
        if !volume.options.is_empty() && !mounted() {
            return Err(Error::conflict(format!(
                "the files of {name} can be seen only while a container that uses it runs: its driver options mount them then"
            )));
        }
        File::open(&volume.mountpoint).map(Root).map_err(failed)
    }
}

/// A volume's own folder.
struct Root(File);

/// A path below it, without `/` in front; refused when it climbs.
fn below(path: &str) -> Result<&Path> {
    let path = Path::new(path.trim_matches('/'));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().as_bytes().contains(&0) {
        return Err(Error::invalid(format!("the path {:?} can't be used", path.display())));
    }
    Ok(path)
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

impl Root {
    fn handle(&self, path: &str) -> Result<OwnedFd> {
        inside(&self.0, below(path)?, 0).map_err(|error| refused(error, path))
    }

    fn folder(&self, path: &str) -> Result<OwnedFd> {
        let path_below = below(path)?;
        let name = if path_below.as_os_str().is_empty() { Path::new(".") } else { path_below };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        openat2(&self.0, name, flags, 0, IN_ROOT | NO_MAGICLINKS).map_err(|error| refused(error, path))
    }

    fn entry(&self, path: &str) -> Result<FileEntry> {
        let meta = File::from(self.handle(path)?).metadata().map_err(failed)?;
        Ok(described(last(path), &meta))
    }

    /// Looked at before it is opened: to open a device or a pipe can do something.
    fn regular(&self, path: &str) -> Result<File> {
        let handle = File::from(self.handle(path)?);
        if !handle.metadata().map_err(failed)?.is_file() {
            return Err(Error::invalid(format!("{path} is not a file")));
        }
        File::open(format!("/proc/self/fd/{}", handle.as_raw_fd())).map_err(failed)
    }

    /// The folder something is in, and its name there.
    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a OsStr)> {
        let path_below = below(path)?;
        let (Some(parent), Some(name)) = (path_below.parent(), path_below.file_name()) else {
            return Err(Error::invalid("the volume's own folder can't be changed"));
        };
        Ok((self.folder(parent.to_str().unwrap_or_default())?, name))
    }

    fn write(&self, path: &str, known: Option<&str>, mut content: impl Read) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        let before = match openat2(&parent, name, libc::O_PATH | libc::O_NOFOLLOW, 0, NO_MAGICLINKS) {
            Ok(handle) => Some(File::from(handle).metadata().map_err(failed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refused(error, path)),
        };
        match (&before, known) {
            (None, None) => {}
            (Some(meta), Some(known)) if meta.is_file() && version(meta) == known => {}
            (Some(_), None) => return Err(there_already(path)),
            (Some(_), Some(_)) => return Err(Error::conflict(format!("{path} was changed meanwhile"))),
            (None, Some(_)) => return Err(Error::conflict(format!("{path} was removed meanwhile"))),
        }
        let beside = durable::fresh_name(".darsena-");
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
        let made = openat2(&parent, &beside, flags, 0o600, NO_SYMLINKS | NO_MAGICLINKS).map_err(failed)?;
        let written = (|| {
            let mut file = File::from(made);
            durable::leave_room(&file, 0).map_err(failed)?;
            copy(&mut content, &mut file).map_err(failed)?;
            if let Some(meta) = &before {
                fchown(&file, Some(meta.uid()), Some(meta.gid())).map_err(failed)?;
                file.set_permissions(Permissions::from_mode(meta.mode() & 0o7777)).map_err(failed)?;
            } else {
                like_parent(&file, &parent)?;
                file.set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
            }
            file.sync_all().map_err(failed)?;
            let how = if before.is_none() { RenameFlags::RENAME_NOREPLACE } else { RenameFlags::empty() };
            let moved = renameat2(&parent, beside.as_str(), &parent, name, how);
            moved.map_err(|errno| refused(errno.into(), path))
        })();
        if written.is_err() {
            let _ = unlinkat(&parent, beside.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written
    }
}

fn like_parent(new: &File, parent: &OwnedFd) -> Result<()> {
    let meta = File::from(parent.try_clone().map_err(failed)?).metadata().map_err(failed)?;
    fchown(new, Some(meta.uid()), Some(meta.gid())).map_err(failed)
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut all = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                all += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn there_already(path: &str) -> Error {
    Error::conflict(format!("something called {path} is there already"))
}

fn refused(error: io::Error, path: &str) -> Error {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => {
            Error::not_found(format!("there is no {path} in this volume"))
        }
        Some(libc::EEXIST | libc::ENOTEMPTY) => there_already(path),
        Some(libc::EINVAL) => Error::invalid(format!("{path} can't be moved into itself")),
        Some(libc::ENAMETOOLONG) => Error::invalid("this name is too long"),
        Some(libc::EROFS) => Error::with_source(ErrorKind::Conflict, "these files can't be written to", error),
        _ => failed(error),
    }
}

fn version(meta: &Metadata) -> String {
    format!("{}-{}-{}.{:09}", meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}

fn described(name: &str, meta: &Metadata) -> FileEntry {
    let kind = match meta.file_type() {
        kind if kind.is_dir() => FileKind::Folder,
        kind if kind.is_file() => FileKind::File,
        kind if kind.is_symlink() => FileKind::Link,
        _ => FileKind::Other,
    };
    FileEntry {
        name: name.to_owned(),
        is_named: true,
        kind,
        size_bytes: meta.len(),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        modified_at: Timestamp::new(meta.mtime(), 0).unwrap_or_default(),
        target: String::new(),
        version: version(meta),
    }
}

fn list(folder: &OwnedFd) -> Result<FolderView> {
    let here = folder.try_clone().map_err(failed)?;
    let mut dir = Dir::from_fd(here).map_err(|errno| failed(errno.into()))?;
    let mut entries = Vec::new();
    let mut more = 0;
    for entry in dir.iter() {
        let entry = entry.map_err(|errno| failed(errno.into()))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if entries.len() == SHOWN {
            more += 1;
            continue;
        }
        // What goes meanwhile is not there.
        let Ok(stat) = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
        entries.push(listed(folder, name, &stat));
    }
    entries.sort_by(|a, b| (a.kind != FileKind::Folder, &a.name).cmp(&(b.kind != FileKind::Folder, &b.name)));
    Ok(FolderView { entries, more })
}

fn listed(folder: &OwnedFd, name: &OsStr, stat: &FileStat) -> FileEntry {
    let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => FileKind::Folder,
        SFlag::S_IFREG => FileKind::File,
        SFlag::S_IFLNK => FileKind::Link,
        _ => FileKind::Other,
    };
    let target = if kind == FileKind::Link { readlinkat(folder, name).ok() } else { None };
    FileEntry {
        name: name.to_string_lossy().into_owned(),
        is_named: name.to_str().is_some(),
        kind,
        size_bytes: stat.st_size.unsigned_abs(),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified_at: Timestamp::new(stat.st_mtime, 0).unwrap_or_default(),
        target: target.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default(),
        version: format!("{}-{}-{}.{:09}", stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let outer = tempfile::tempdir().unwrap();
        let data = outer.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(outer.path().join("secret"), "not yours").unwrap();
        symlink("../secret", data.join("up")).unwrap();
        symlink(outer.path(), data.join("out")).unwrap();
        fs::write(data.join("file"), "text").unwrap();
        let root = Root(File::open(&data).unwrap());
        (outer, root)
    }

    #[test]
    fn no_path_leads_out() {
        let (outer, root) = root();
        for path in ["up", "out/secret", "../secret", "a/../../secret", "/../secret", "out"] {
            assert!(root.regular(path).is_err(), "{path}");
            assert!(root.write(&format!("{path}/x"), None, &b"x"[..]).is_err(), "{path}");
        }
        assert!(root.write("up", None, &b"x"[..]).is_err(), "a link is not written through");
        assert_eq!(fs::read_to_string(outer.path().join("secret")).unwrap(), "not yours");
        let folder = root.folder("").unwrap();
        let names: Vec<_> = list(&folder).unwrap().entries.into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["file", "out", "up"]);
    }

    #[test]
    fn what_changed_meanwhile_is_not_overwritten() {
        let (outer, root) = root();
        let file = outer.path().join("data/file");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let seen = root.entry("file").unwrap().version;
        root.write("file", Some(&seen), &b"mine"[..]).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        let error = root.write("file", Some(&seen), &b"late"[..]).unwrap_err();
        assert_eq!((error.kind(), fs::read_to_string(&file).unwrap()), (ErrorKind::Conflict, "mine".into()));
        assert_eq!(root.write("file", None, &b"new"[..]).unwrap_err().kind(), ErrorKind::Conflict);
        root.write("new", None, &b"new"[..]).unwrap();
        assert_eq!(fs::read_dir(outer.path().join("data")).unwrap().count(), 4, "nothing beside");
    }

    #[test]
    fn pipes_are_not_opened() {
        let (outer, root) = root();
        nix::unistd::mkfifo(&outer.path().join("data/pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(root.regular("pipe").unwrap_err().kind(), ErrorKind::Invalid);
    }
}
