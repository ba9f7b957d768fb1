//! What was removed by a rename is unlinked here, one folder at a time, behind everyone's back.
//!
//! A crash leaves the rest in the trash folder; the next start goes on with it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use crate::snapshot::remove_tree;

/// The one thread that unlinks.
pub(in crate::engine) struct Trash {
    wake: mpsc::SyncSender<()>,
}

impl Trash {
    /// Begins with what is in `folder` already.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(folder: PathBuf) -> std::io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        thread::Builder::new().name("trash".to_owned()).spawn(move || {
            sweep(&folder);
            while woken.recv().is_ok() {
                sweep(&folder);
            }
        })?;
        Ok(Self { wake })
    }

    /// Says that there is something to unlink.
    pub fn empty(&self) {
        // Full means that the thread is about to look anyway.
        let _ = self.wake.try_send(());
    }
}

fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        // Not fs::remove_dir_all: a container may have made its folders deeper than a path may be long.
        if let Err(error) = remove_tree(&entry.path(), folder) {
            tracing::warn!(path = %entry.path().display(), %error, "removed, but not all of it could be unlinked");
        }
    }
}
