//! Options of Docker's local driver: a volume that is a mount of something else.

use std::{
    collections::BTreeMap,
    fs, io,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::Error;

const KNOWN: [&str; 4] = ["device", "o", "size", "type"];
/// What one option needs beside it.
const NEEDS: [(&str, &[&str]); 3] = [("device", &["type"]), ("type", &["device"]), ("o", &["device", "type"])];

const FLAGS: [(&str, MsFlags, bool); 22] = [
    ("defaults", MsFlags::empty(), true),
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("mand", MsFlags::MS_MANDLOCK, true),
    ("nomand", MsFlags::MS_MANDLOCK, false),
    ("atime", MsFlags::MS_NOATIME, false),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("bind", MsFlags::MS_BIND, true),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), true),
];

/// Refuses options that can't be.
///
/// # Errors
/// [`Error::Invalid`] in Docker's words.
pub fn validate(name: &str, options: &BTreeMap<String, String>) -> Result<(), Error> {
    let invalid = |why: String| Err(Error::Invalid { name: name.to_owned(), why });
    if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return invalid(format!("invalid option: {unknown:?}"));
    }
    if options.contains_key("size") {
        return invalid(
            "quota size requested but no quota support: the size of a volume can't be limited here".to_owned(),
        );
    }
    for (option, needed) in NEEDS {
        if options.contains_key(option)
            && let Some(absent) = needed.iter().find(|needed| !options.contains_key(**needed))
        {
            return invalid(format!("missing required option: {absent:?}"));
        }
    }
    Ok(())
}

/// What the options `o` say to the kernel, and to the file system.
fn flags(options: &BTreeMap<String, String>) -> (MsFlags, Vec<String>) {
    let mut set = MsFlags::empty();
    let mut rest = Vec::new();
    let words = options.get("o").map(String::as_str).unwrap_or_default();
    for word in words.split(',').filter(|word| !word.is_empty()) {
        match FLAGS.iter().find(|(known, ..)| *known == word) {
            Some((_, flag, true)) => set |= *flag,
            Some((_, flag, false)) => set -= *flag,
            None => rest.push(word.to_owned()),
        }
    }
    (set, rest)
}

/// Mounts what they say at `point`.
///
/// # Errors
/// [`Error::Mount`].
pub fn attach(name: &str, options: &BTreeMap<String, String>, point: &Path) -> Result<(), Error> {
    let text = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
    let (kind, device) = (text("type"), text("device"));
    let (set, mut rest) = flags(options);
    if kind.starts_with("nfs") || kind == "cifs" {
        resolve(&mut rest);
    }
    let data = rest.join(",");
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    mount(some(device), point, some(kind), set, some(&data)).map_err(|errno| {
        let source = io::Error::from(errno);
        let why = match errno {
            nix::errno::Errno::ENODEV => format!("this kernel has no file system {kind:?}"),
            _ => format!("mount {device} (type {kind:?}, options {:?}): {}", text("o"), errno.desc().to_lowercase()),
        };
        Error::Mount { name: name.to_owned(), why, source }
    })?;
    if set.contains(MsFlags::MS_BIND) && set.intersects(MsFlags::MS_RDONLY) {
        let again = set | MsFlags::MS_REMOUNT;
        mount(None::<&str>, point, None::<&str>, again - MsFlags::MS_REC, None::<&str>).map_err(|errno| {
            let _ = detach(point);
            Error::Mount { name: name.to_owned(), why: "it can't be made read-only".to_owned(), source: errno.into() }
        })?;
    }
    Ok(())
}

/// The kernel takes addresses only.
fn resolve(words: &mut [String]) {
    for word in words {
        if let Some(host) = word.strip_prefix("addr=")
            && let Some(found) = (host, 0).to_socket_addrs().ok().and_then(|mut all| all.next())
        {
            *word = format!("addr={}", found.ip());
        }
    }
}

/// Unmounts it; who uses it still keeps it.
pub fn detach(point: &Path) -> io::Result<()> {
    match umount2(point, MntFlags::MNT_DETACH) {
        // Not mounted, or not there.
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// All places of this process' mount namespace where something is mounted.
pub fn mount_points() -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.map(|point| unescaped(point).into()).collect())
}

/// Spaces and the like are octal there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, char)| text.replace(code, char))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::request::only_memory;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_are_judged_as_docker_judges_them() {
        let tmpfs = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,uid=7,noexec")];
        assert!(validate("v", &options(&[])).is_ok() && validate("v", &options(&tmpfs)).is_ok());
        for (pairs, words) in [
            (&[("colour", "red")][..], "create v: invalid option: \"colour\""),
            (&[("type", "tmpfs")], "missing required option: \"device\""),
            (&[("device", "/x")], "missing required option: \"type\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("size", "1g")], "no quota support"),
        ] {
            let error = validate("v", &options(pairs)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let (flags, rest) = flags(&options(&tmpfs));
        assert_eq!((flags, rest.join(",")), (MsFlags::MS_NOEXEC, "size=1m,uid=7".to_owned()));
        assert!(only_memory(&options(&tmpfs)));
        assert!(!only_memory(&options(&[("type", "tmpfs"), ("device", "/etc"), ("o", "bind")])));
        assert!(!only_memory(&options(&[("type", "none"), ("device", "/etc"), ("o", "rbind,ro")])));
    }

    #[test]
    fn the_mount_table_is_read() {
        assert!(mount_points().unwrap().contains(&PathBuf::from("/proc")));
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
    }
}
