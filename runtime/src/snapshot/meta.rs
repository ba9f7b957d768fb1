//! Owner, mode, time and attributes of an entry: read from its headers, put on its file.

use std::{
    ffi::{CString, OsStr},
    io,
    os::fd::BorrowedFd,
};

use nix::{
    fcntl::AtFlags,
    sys::{
        stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, fchownat},
};

use super::entries::{self, Head};
use crate::sys::path::set_xattr_at;

/// What is known of an entry besides its kind.
pub struct Meta {
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Permissions, set-id bits included.
    pub mode: Mode,
    /// When it was changed.
    pub mtime: TimeSpec,
    /// Extended attributes.
    pub xattrs: Vec<(CString, Vec<u8>)>,
}

/// Reads the headers. What steers the host's overlay is left out.
pub fn meta(head: &Head) -> io::Result<Meta> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let (header, fields) = (&head.header, head.header.as_old());
    let id = |key: &[u8], field: &[u8], parse: &dyn Fn() -> io::Result<u64>| {
        let id = match head.record(key) {
            Some(text) => entries::number(text),
            None => Some(number(field, parse)?),
        };
        id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| invalid("owner id out of range"))
    };
    let mode = number(&fields.mode, || header.mode().map(u64::from))?;
    let mut meta = Meta {
        uid: Uid::from_raw(id(b"uid", &fields.uid, &|| header.uid())?),
        gid: Gid::from_raw(id(b"gid", &fields.gid, &|| header.gid())?),
        mode: Mode::from_bits_truncate(mode as u32 & 0o7777),
        mtime: TimeSpec::new(i64::try_from(number(&fields.mtime, || header.mtime())?).unwrap_or_default(), 0),
        xattrs: Vec::new(),
    };
    if let Some(mtime) = head.record(b"mtime").and_then(|text| time(std::str::from_utf8(text).ok()?)) {
        meta.mtime = mtime;
    }
    for (key, value) in &head.records {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            // `trusted` steers the host's overlay; an image has no say there.
            if !name.starts_with(b"trusted.") {
                let name = CString::new(name).map_err(|_| invalid("attribute name with a NUL byte"))?;
                meta.xattrs.push((name, value.clone()));
            }
        } else if key.starts_with(b"GNU.sparse.") {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "PAX sparse files are not supported"));
        }
    }
    Ok(meta)
}

/// A field left blank is 0; not all programs fill all fields.
fn number(field: &[u8], parse: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
    if field.iter().all(|b| matches!(b, 0 | b' ')) { Ok(0) } else { parse() }
}

/// `-1.25` is 750 ms after -2 s.
fn time(text: &str) -> Option<TimeSpec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (mut seconds, mut nanos) = (whole.parse::<i64>().ok()?, digits.parse::<i64>().ok()?);
    if text.starts_with('-') && nanos > 0 {
        seconds -= 1;
        nanos = 1_000_000_000 - nanos;
    }
    Some(TimeSpec::new(seconds, nanos))
}

/// Sets the attributes the file system can keep.
pub fn set_xattrs(parent: BorrowedFd<'_>, name: &OsStr, xattrs: &[(CString, Vec<u8>)]) -> io::Result<()> {
    for (key, value) in xattrs {
        match set_xattr_at(parent, name, key, value) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => {}
            // Links and special files can't have these (xattr(7)).
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && key.to_bytes().starts_with(b"user.") => {}
            result => result?,
        }
    }
    Ok(())
}

/// Metadata of a folder but for its time, which what is written below would change.
pub fn folder_meta(parent: BorrowedFd<'_>, name: &OsStr, meta: &Meta) -> io::Result<()> {
    fchownat(parent, name, Some(meta.uid), Some(meta.gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    fchmodat(parent, name, meta.mode, FchmodatFlags::FollowSymlink)?;
    set_xattrs(parent, name, &meta.xattrs)
}

/// Metadata of what is neither file nor folder. Links have no mode.
pub fn node_meta(parent: BorrowedFd<'_>, name: &OsStr, meta: &Meta, has_mode: bool) -> io::Result<()> {
    fchownat(parent, name, Some(meta.uid), Some(meta.gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if has_mode {
        fchmodat(parent, name, meta.mode, FchmodatFlags::FollowSymlink)?;
    }
    set_xattrs(parent, name, &meta.xattrs)?;
    Ok(utimensat(parent, name, &TimeSpec::UTIME_OMIT, &meta.mtime, UtimensatFlags::NoFollowSymlink)?)
}
