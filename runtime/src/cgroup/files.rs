//! Reading and writing the kernel's small files.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::error::{self, ErrorKind};

/// What went wrong with a control group.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of a hierarchy.
    #[error("can't {what} {path}: {source}", path = .path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The host has no usable hierarchy.
    #[error("no control group hierarchy with memory or pids is mounted")]
    Missing,
    /// This setting isn't possible here.
    #[error("{0}")]
    Unsupported(String),
}

/// Outcome of a step with control groups.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of a file.
    pub fn at(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), source }
    }

    /// The group doesn't exist (any more).
    pub fn is_gone(&self) -> bool {
        let Self::File { source, .. } = self else { return false };
        matches!(source.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
    }
}

impl From<Error> for error::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::File { source, .. } if source.raw_os_error() == Some(libc::EINVAL) => ErrorKind::Invalid,
            Error::File { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => ErrorKind::Exhausted,
            Error::File { .. } => ErrorKind::Internal,
            Error::Missing | Error::Unsupported(_) => ErrorKind::Unsupported,
        };
        Self::with_source(kind, error.to_string(), error)
    }
}

/// A whole file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::at("read", path, error))
}

/// A file that holds one number.
pub fn read_number(path: &Path) -> Result<u64> {
    Ok(read(path)?.trim().parse().unwrap_or(0))
}

/// Writes a value in one piece.
pub fn write(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).map_err(|error| Error::at("write", path, error))
}

/// Writes several values, each in one piece.
pub fn write_each(path: &Path, values: impl Iterator<Item = String>) -> Result<()> {
    let failed = |error| Error::at("write", path, error);
    let mut file = fs::File::options().write(true).open(path).map_err(failed)?;
    values.into_iter().try_for_each(|value| file.write_all(value.as_bytes())).map_err(failed)
}

/// Makes a folder; there already is fine. Whatever the umask, others may pass: a container that mounts its cgroup
/// namespace walks down to its group as an id that is nobody here.
pub fn make_dir(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Error::at("make", path, error)),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| Error::at("open up", path, error))
}

/// Makes a folder in one that is mostly there already. See [`make_dir`].
pub fn make_below(above: &Path, path: &Path) -> Result<()> {
    match make_dir(path) {
        Err(error) if error.is_gone() => {
            make_dir(above)?;
            make_dir(path)
        }
        made => made,
    }
}

/// Removes a group's folder; gone already is fine. While processes are leaving, tries again.
pub fn remove_dir(path: &Path, until: Instant) -> Result<()> {
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::at("remove", path, error)),
            _ => return Ok(()),
        }
    }
}

/// Lines of `name number`.
pub fn fields(text: &str) -> BTreeMap<String, u64> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?))).collect()
}

/// One of such lines.
pub fn field(text: &str, wanted: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| value.trim().parse().ok())
}

/// Time all CPUs have run, in ns, and how many there are.
pub fn host_cpu() -> Result<(u64, u32)> {
    let text = read(Path::new("/proc/stat"))?;
    let ticks: u64 = text
        .lines()
        .next()
        .into_iter()
        .flat_map(|line| line.split_whitespace().skip(1).take(8))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Ok((ticks * TICK_NS, text.lines().filter(is_cpu).count() as u32))
}

/// The kernel reports times to programs in hundredths of a second on every architecture supported here.
pub const TICK_NS: u64 = 10_000_000;

/// The host's memory in bytes.
pub fn host_memory() -> Result<u64> {
    let text = read(Path::new("/proc/meminfo"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    Ok(total.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024)
}
