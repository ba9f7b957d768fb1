#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
};

use super::*;
use crate::sys::mount::{Writable, detached_overlay, detached_view};

#[test]
fn a_container_s_changes_are_told_as_docker_tells_them() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for name in ["lower/etc", "lower/dir/sub", "lower/replaced", "lower/owned", "upper", "work"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    for name in ["etc/passwd", "dir/sub/file", "dir/other", "replaced/old", "replaced/both", "gone", "becomes"] {
        fs::write(at("lower").join(name), name).unwrap();
    }
    let (upper, work) = (at("upper"), at("work"));
    let root = detached_overlay(&[at("lower")], Some(Writable { upper: &upper, work: &work, volatile: true })).unwrap();
    let inside = |name: &str| PathBuf::from(format!("/proc/self/fd/{}/{name}", root.as_raw_fd()));
    // What the engine puts there to mount on.
    for name in ["etc/hosts", "etc/hostname"] {
        fs::write(inside(name), b"").unwrap();
    }
    fs::create_dir_all(inside("opt/run")).unwrap();
    fs::write(inside("opt/run/secret"), b"").unwrap();
    let omitted: BTreeSet<Vec<u8>> =
        ["etc/hosts", "etc/hostname", "opt/run"].iter().map(|path| path.as_bytes().to_vec()).collect();
    let told = || -> Vec<String> {
        let lower = detached_overlay(&[at("lower")], None).unwrap();
        let found = changes(&detached_view(&upper).unwrap(), Some(&lower), &omitted).unwrap();
        found
            .iter()
            .map(|change| format!("{} {}", ["C", "A", "D"][change.kind as usize], change.path.display()))
            .collect()
    };
    assert_eq!(told(), Vec::<String>::new(), "nothing of it is the container's doing");

    fs::write(inside("dir/sub/file"), b"changed").unwrap();
    fs::remove_file(inside("gone")).unwrap();
    fs::remove_file(inside("becomes")).unwrap();
    fs::create_dir(inside("becomes")).unwrap();
    fs::remove_dir_all(inside("replaced")).unwrap();
    fs::create_dir(inside("replaced")).unwrap();
    fs::write(inside("replaced/new"), b"").unwrap();
    fs::write(inside("replaced/both"), b"").unwrap();
    fs::create_dir_all(inside("new/deep")).unwrap();
    fs::set_permissions(inside("owned"), fs::Permissions::from_mode(0o700)).unwrap();
    let expected = [
        "C /becomes",
        "C /dir",
        "C /dir/sub",
        "C /dir/sub/file",
        "D /gone",
        "A /new",
        "A /new/deep",
        "C /owned",
        "C /replaced",
        "C /replaced/both",
        "A /replaced/new",
        "D /replaced/old",
    ];
    assert_eq!(told(), expected);
    let none = changes(&detached_view(&upper).unwrap(), None, &omitted).unwrap();
    assert!(none.iter().all(|change| change.kind == ChangeKind::Added), "on nothing, all is new");
}
