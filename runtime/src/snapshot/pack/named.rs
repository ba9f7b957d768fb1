//! One thing of a container's file system, with what is below it, under a name of the reader's choice.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io::Write,
    os::fd::{AsFd, BorrowedFd},
};

use super::{
    super::{header::BLOCK, live::Live, untar::Limits},
    BUFFER_BYTES, Dialect, Error, Level, Out, Packer, failed, shown,
};

/// Writes `name` of the folder `parent` as `path`. What the kernel makes up (procfs and the like) is told as empty.
pub fn pack_named(parent: BorrowedFd<'_>, name: &OsStr, path: &[u8], live: Live, to: impl Write) -> Result<(), Error> {
    let out = Out { to, buffer: vec![0; BUFFER_BYTES], filled: 0 };
    let first_id = live.first_id;
    let mut packer = Packer {
        out,
        dialect: Dialect::Tree,
        links: HashMap::new(),
        path: path.to_vec(),
        header: Vec::new(),
        first_id,
    };
    let mut levels = Vec::new();
    if let Some(folder) = packer.entry(parent, name)? {
        levels.push(Level::read(folder, path.len()).map_err(|errno| failed(path, errno.into()))?);
    }
    while let Some(level) = levels.last_mut() {
        packer.path.truncate(level.path_len);
        let Some(name) = level.names.pop() else {
            levels.pop();
            continue;
        };
        if packer.path.last().is_some_and(|last| *last != b'/') {
            packer.path.push(b'/');
        }
        packer.path.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(&*name));
        if let Some(folder) = packer.entry(level.folder.as_fd(), &name)?
            && Live::check(folder.as_fd()).is_ok()
        {
            if levels.len() > Limits::default().depth {
                return Err(Error::Refused { entry: shown(&packer.path), why: "too many folders deep" });
            }
            let level = Level::read(folder, packer.path.len());
            levels.push(level.map_err(|errno| failed(&packer.path, errno.into()))?);
        }
    }
    packer.out.zeros(2 * BLOCK)?;
    packer.out.flush()
}
