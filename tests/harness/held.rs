//! What a server and its space hold, counted: for tests that compare a moment with a later one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Darsena, slate::cgroup_folders};

/// What the server and the kernel hold, by name.
pub fn held(darsena: &Darsena) -> BTreeMap<&'static str, usize> {
    let space = darsena.space();
    let server = PathBuf::from(format!("/proc/{}", darsena.pid()));
    let own = space.root().display().to_string();
    BTreeMap::from([
        ("descriptors of the server", fs::read_dir(server.join("fd")).expect("the server runs").count()),
        ("monitors and resolvers", beside(darsena).len()),
        ("mounts", space.mounts().lines().filter(|line| line.contains(&own)).count()),
        ("cgroups", cgroup_folders(space).len()),
        ("veths", space.output("ip", &["-o", "link", "show", "type", "veth"]).lines().count()),
        // The kernel numbers those that a link of ours leads to, and forgets a number with its namespace.
        ("network namespaces", space.output("ip", &["netns", "list-id"]).lines().count()),
        ("rules", space.output("nft", &["list", "ruleset"]).lines().count()),
    ])
}

/// Process ids of the monitors and resolvers of this server's containers.
pub fn beside(darsena: &Darsena) -> Vec<i32> {
    let network = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let ours = network(&PathBuf::from(format!("/proc/{}", darsena.pid()))).expect("the server runs");
    // They name no folder, but they live in the server's network.
    let beside = fs::read_dir("/proc").expect("proc is mounted").flatten().filter(|process| {
        let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let named = ["darsena-monitor", "darsena-resolve"].iter().any(|name| command.contains(name));
        named && network(&process.path()).is_some_and(|found| found == ours)
    });
    beside.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect()
}

/// Threads of the server that are not its pools': those come and go as they like.
pub fn own_threads(darsena: &Darsena) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", darsena.pid())).expect("the server runs").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| !name.starts_with("tokio"));
    names.sort_unstable();
    names
}
