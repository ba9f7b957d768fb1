//! Many at once: nothing fails, and nothing of them stays in the kernel or in the server.

use std::{collections::BTreeMap, fs, path::Path};

use harness::{Darsena, Suite, slate::cgroup_folders, wait};

use crate::{IMAGE, inspect};

/// Containers that come and go together.
const MANY: usize = 30;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("thirty_start_and_go_at_once_and_leave_nothing", many)
        .test("one_container_bears_verbs_from_all_sides", crossfire)
}

/// What the server and the kernel hold, by name.
fn held(darsena: &Darsena) -> BTreeMap<&'static str, usize> {
    let space = darsena.space();
    let server = format!("/proc/{}", darsena.pid());
    let count = |path: &str| fs::read_dir(Path::new(&server).join(path)).unwrap().count();
    let own = space.root().display().to_string();
    let namespaces = fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let command = fs::read_to_string(process.path().join("cmdline")).ok()?;
        // Monitors name no folder; they are the server's children and live in its network.
        command.starts_with("darsena-monitor").then(|| fs::read_link(process.path().join("ns/net")).ok())?
    });
    let ours = fs::read_link(format!("{server}/ns/net")).unwrap();
    BTreeMap::from([
        ("descriptors of the server", count("fd")),
        ("monitors", namespaces.filter(|namespace| *namespace == ours).count()),
        ("mounts", space.mounts().lines().filter(|line| line.contains(&own)).count()),
        ("cgroups", cgroup_folders(space).len()),
        ("veths", space.output("ip", &["-o", "link", "show", "type", "veth"]).lines().count()),
        ("rules", space.output("nft", &["list", "ruleset"]).lines().count()),
    ])
}

/// Threads of the server that are not its pools': those come and go as they like.
fn own_threads(darsena: &Darsena) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", darsena.pid())).unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| !name.starts_with("tokio"));
    names.sort_unstable();
    names
}

fn many(darsena: &mut Darsena) {
    let docker = darsena.docker();
    // What is made once and kept (the bridge, pools) is there after one.
    docker.run(&["run", "--rm", IMAGE, "true"]).ok();
    darsena.assert_clean();
    let (before, threads) = (held(darsena), own_threads(darsena));
    for round in 0..2 {
        let names: Vec<String> = (0..MANY).map(|number| format!("many{round}-{number}")).collect();
        let starts = names.iter().map(|name| {
            docker.spawn(&["run", "-d", "--name", name, "-m", "32m", IMAGE, "sh", "-c", "echo up; exec sleep 1000"])
        });
        for start in starts.collect::<Vec<_>>() {
            start.finish().ok();
        }
        let addresses: Vec<String> = names
            .iter()
            .map(|name| inspect(&docker, name, "{{.State.Status}} {{.NetworkSettings.Networks.bridge.IPAddress}}"))
            .collect();
        assert!(addresses.iter().all(|address| address.starts_with("running ")), "{addresses:?}");
        let different: std::collections::BTreeSet<&String> = addresses.iter().collect();
        assert_eq!(different.len(), MANY, "an address each: {addresses:?}");
        let removals: Vec<_> = names.iter().map(|name| docker.spawn(&["rm", "-f", name])).collect();
        for removal in removals {
            removal.finish().ok();
        }
        darsena.assert_clean();
    }
    wait::eventually("all is as it was before", || {
        (held(darsena) == before && own_threads(darsena) == threads).then_some(())
    });
}

/// Verbs on one container, all at once, again and again: each is done or refused, and its state is one of a container.
fn crossfire(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for _ in 0..5 {
        docker.run(&["create", "--name", "target", IMAGE, "sleep", "1000"]).ok();
        let verbs: [&[&str]; 8] = [
            &["start", "target"],
            &["start", "target"],
            &["kill", "target"],
            &["restart", "-t", "0", "target"],
            &["stop", "-t", "0", "target"],
            &["start", "target"],
            &["kill", "target"],
            &["rm", "target"],
        ];
        let running: Vec<_> = verbs.iter().map(|verb| docker.spawn(verb)).collect();
        for verb in running {
            let output = verb.finish();
            let refused =
                ["is not running", "is running", "No such container", "is being removed", "marked for removal"];
            let error = output.error();
            assert!(output.code == 0 || refused.iter().any(|text| error.contains(text)), "{}: {error}", output.command);
        }
        if docker.run(&["inspect", "target"]).code == 0 {
            docker.run(&["rm", "-f", "target"]).ok();
        }
        darsena.assert_clean();
    }
}
