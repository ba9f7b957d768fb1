//! Many at once: nothing fails, and nothing of them stays in the kernel or in the server.

use harness::{Darsena, Suite, held, own_threads, wait};

use crate::{IMAGE, inspect};

/// Containers that come and go together.
const MANY: usize = 30;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("thirty_start_and_go_at_once_and_leave_nothing", many)
        .test("one_container_bears_verbs_from_all_sides", crossfire)
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
