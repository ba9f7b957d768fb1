//! The clean-slate check: after a test that removed its containers, nothing of them may be left.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{Space, wait};

/// Waits until nothing is left, or panics naming the leftovers. The engine tears some things down after it has
/// answered, so this asks for a while.
pub fn assert_clean(space: &Space) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let left = leftovers(space);
        if left.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "left behind:\n  {}", left.join("\n  "));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// What is there now that a server without containers has no use for, one line each.
pub fn leftovers(space: &Space) -> Vec<String> {
    let mut found = Vec::new();
    processes(space, &mut found);
    mounts(space, &mut found);
    cgroups(space, &mut found);
    interfaces(space, &mut found);
    firewall(space, &mut found);
    folders(space, &mut found);
    found
}

/// What is there though the server has ended and had no containers: as [`leftovers`], and its own processes.
pub fn assert_gone(space: &Space) {
    wait::eventually("the server's processes end", || {
        let mut found = Vec::new();
        processes(space, &mut found);
        found.is_empty().then_some(())
    });
    assert_clean(space);
}

/// Processes that run a container or watch one: in our cgroups, or with a monitor's socket or log open.
fn processes(space: &Space, found: &mut Vec<String>) {
    let containers = [space.data().join("containers"), space.run().join("c")];
    let ours = format!("/{}/", space.cgroup());
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let cgroup = fs::read_to_string(path.join("cgroup")).unwrap_or_default();
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let mut links: Vec<PathBuf> =
            fs::read_dir(path.join("fd")).into_iter().flatten().flatten().map(|fd| fd.path()).collect();
        links.extend([path.join("cwd"), path.join("root"), path.join("exe")]);
        let open = links.iter().filter_map(|link| fs::read_link(link).ok());
        let named = containers.iter().any(|folder| command.contains(&*folder.to_string_lossy()));
        let mut held = open.filter(|path| containers.iter().any(|folder| path.starts_with(folder) && path != folder));
        if let Some(reason) = (cgroup.contains(&ours).then(|| "in a container's cgroup".to_owned()))
            .or_else(|| named.then(|| "names a container's folder".to_owned()))
            .or_else(|| held.next().map(|path| format!("holds {}", path.display())))
        {
            found.push(format!("process {pid} ({command}): {reason}"));
        }
    }
}

fn mounts(space: &Space, found: &mut Vec<String>) {
    for line in space.mounts().lines() {
        let target = Path::new(line.split(' ').nth(4).unwrap_or_default());
        if target.starts_with(space.data()) || target.starts_with(space.run()) {
            found.push(format!("mount {}", target.display()));
        }
    }
}

/// Folders below the server's cgroup, in each hierarchy.
pub fn cgroup_folders(space: &Space) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    let parents: BTreeSet<PathBuf> = mounts
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| line.split(' ').nth(4))
        .map(|mount| Path::new(mount).join(space.cgroup()))
        .collect();
    let below = |parent: &PathBuf| fs::read_dir(parent).into_iter().flatten().flatten();
    parents.iter().flat_map(below).map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn cgroups(space: &Space, found: &mut Vec<String>) {
    found.extend(cgroup_folders(space).iter().map(|folder| format!("cgroup {}", folder.display())));
}

/// Network interfaces of the server's namespace, but for the harness' own and the engine's bridge.
fn interfaces(space: &Space, found: &mut Vec<String>) {
    let links = space.output("ip", &["-o", "link", "show", "type", "veth"]);
    let names = links.lines().filter_map(|line| line.split(": ").nth(1));
    found.extend(names.filter(|name| !name.starts_with("wan0")).map(|name| format!("interface {name}")));
}

/// Published ports live in sets and maps; without containers these are empty.
fn firewall(space: &Space, found: &mut Vec<String>) {
    let rules = space.output("nft", &["list", "ruleset"]);
    found.extend(
        rules.lines().filter(|line| line.contains("elements = {")).map(|line| format!("firewall {}", line.trim())),
    );
}

/// Files of containers, and of images on their way.
fn folders(space: &Space, found: &mut Vec<String>) {
    let data = space.data();
    for folder in [
        data.join("containers"),
        data.join("volumes"),
        data.join("trash"),
        space.run().join("c"),
        data.join("content/ingest"),
        data.join("snapshots/trash"),
    ] {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            found.push(format!("file {}", entry.path().display()));
        }
    }
    for entry in fs::read_dir(data.join("snapshots")).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"tmp-") {
            found.push(format!("file {}", entry.path().display()));
        }
    }
    let leases = fs::read_to_string(data.join("network/leases.json")).unwrap_or_default();
    let held = leases.split(|char: char| !char.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    found.extend(held.map(|id| format!("address lease of {id}")));
}

/// Files of images, layers and builds, and of what is on the way to become one: what something that fails may not add
/// to. What is known of other registries is none of them.
pub fn stored(space: &Space) -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, deep: usize, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if deep > 0 && path.is_dir() {
                walk(&path, root, deep - 1, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap_or(&path).display().to_string());
            }
        }
    }
    let (data, mut found) = (space.data(), BTreeSet::new());
    for (folder, deep) in [("content", 3), ("images", 3), ("snapshots", 0), ("scratch", 1), ("trash", 1), ("builds", 3)]
    {
        walk(&data.join(folder), &data, deep, &mut found);
    }
    found.remove("content/sources.json");
    found
}
