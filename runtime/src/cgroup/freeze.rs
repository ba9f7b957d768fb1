//! Freezing: all processes of a group stand still, and go on as if nothing had been.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    Cgroup, Error,
    files::{Result, field, read, write},
};

/// How long processes may take to stand still: one in an uninterruptible wait is only frozen after it.
const FREEZE_PATIENCE: Duration = Duration::from_secs(10);

/// A frozen group; it goes on when this is dropped.
#[derive(Debug)]
pub struct Frozen {
    group: Cgroup,
}

impl Cgroup {
    /// Its file that freezes, and what to write there.
    fn freezer(&self) -> Option<(PathBuf, [&'static str; 2])> {
        match self {
            Self::V1(group) => Some((group.freezer()?.join("freezer.state"), ["FROZEN", "THAWED"])),
            Self::V2(group) => {
                let file = group.dir().join("cgroup.freeze");
                file.exists().then_some((file, ["1", "0"]))
            }
        }
    }

    fn is_frozen(&self) -> Result<bool> {
        match self {
            Self::V1(_) => {
                let Some((file, _)) = self.freezer() else { return Ok(true) };
                Ok(read(&file)?.trim() == "FROZEN")
            }
            Self::V2(group) => Ok(field(&read(&group.dir().join("cgroup.events"))?, "frozen") == Some(1)),
        }
    }

    /// Freezes all its processes, and waits until they stand still. A group that is gone has none.
    pub fn freeze(&self) -> Result<Frozen> {
        let missing = || Error::Unsupported("this host has no control group that can freeze a container".to_owned());
        let frozen = Frozen { group: self.clone() };
        if self.procs()?.is_empty() {
            return Ok(frozen);
        }
        let (file, [freeze, _]) = self.freezer().ok_or_else(missing)?;
        let until = Instant::now() + FREEZE_PATIENCE;
        loop {
            // On v1 a process that is being traced or forks at the wrong moment is only caught by asking again.
            match write(&file, freeze) {
                Err(error) if error.is_gone() => return Ok(frozen),
                done => done?,
            }
            if self.is_frozen()? {
                return Ok(frozen);
            }
            if Instant::now() > until {
                return Err(Error::Unsupported("the container's processes do not stand still".to_owned()));
            }
            // The kernel tells nobody on v1.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets all its processes go on; a group that isn't frozen or is gone is fine.
    pub fn thaw(&self) -> Result<()> {
        match self.freezer() {
            Some((file, [_, thaw])) if fs::exists(&file).unwrap_or(false) => match write(&file, thaw) {
                Err(error) if error.is_gone() => Ok(()),
                done => done,
            },
            _ => Ok(()),
        }
    }
}

impl Frozen {
    /// It stays frozen until it is thawed.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = self.group.thaw() {
            tracing::error!(%error, "a container can't be thawed; the next start of the engine tries again");
        }
    }
}
