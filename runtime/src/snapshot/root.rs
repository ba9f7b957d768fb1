//! What `/` of a stack of layers is like: mode and owner, which overlay takes from the uppermost folder alone.
//!
//! A layer whose tar says nothing of its root has it as 0755 of root's, changed at second 0, and the layer below decides.

use std::{
    fs, io,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    },
    path::{Path, PathBuf},
};

use nix::sys::{stat::futimens, time::TimeSpec};

/// Mode of a root nobody said anything of.
const USUAL: u32 = 0o755;

/// Marks the root of a layer that says nothing of it.
pub fn leave_unsaid(root: impl AsFd) -> io::Result<()> {
    Ok(futimens(root, &TimeSpec::UTIME_OMIT, &TimeSpec::new(0, 0))?)
}

fn like(lowers: &[PathBuf]) -> io::Result<(u32, u32, u32)> {
    for lower in lowers {
        let meta = fs::symlink_metadata(lower)?;
        let found = (meta.mode() & 0o7777, meta.uid(), meta.gid());
        if found != (USUAL, 0, 0) || meta.mtime() != 0 {
            return Ok(found);
        }
    }
    Ok((USUAL, 0, 0))
}

/// Whether `/` was given another mode or owner in an upper folder than it has in these layers, uppermost first.
pub fn is_changed(upper: &Path, lowers: &[PathBuf]) -> io::Result<bool> {
    let meta = fs::symlink_metadata(upper)?;
    Ok((meta.mode() & 0o7777, meta.uid(), meta.gid()) != like(lowers)?)
}

/// Makes an empty upper folder what `/` is in these layers, uppermost first: 0755 when none of them says.
pub fn inherit(upper: &Path, lowers: &[PathBuf]) -> io::Result<()> {
    let (mode, uid, gid) = like(lowers)?;
    if (uid, gid) != (0, 0) {
        chown(upper, Some(uid), Some(gid))?;
    }
    fs::set_permissions(upper, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_uppermost_layer_that_says_something_decides() {
        let dir = tempfile::tempdir().unwrap();
        let layer = |name: &str, mode: u32, said: bool| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if !said {
                leave_unsaid(fs::File::open(&path).unwrap()).unwrap();
            }
            path
        };
        let (closed, unsaid, usual) = (layer("a", 0o700, true), layer("b", 0o755, false), layer("c", 0o755, true));
        let upper = layer("upper", 0o711, true);
        for (lowers, mode) in [
            (vec![], 0o755),
            (vec![unsaid.clone()], 0o755),
            (vec![unsaid.clone(), closed.clone()], 0o700),
            (vec![usual, unsaid, closed], 0o755),
        ] {
            inherit(&upper, &lowers).unwrap();
            assert!(!is_changed(&upper, &lowers).unwrap());
            assert_eq!(fs::metadata(&upper).unwrap().mode() & 0o7777, mode, "{lowers:?}");
        }
    }
}
