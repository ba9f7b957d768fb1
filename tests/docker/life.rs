//! create, start, stop, kill, wait, ps, inspect, stats, top, rm.

use harness::{Darsena, Suite};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("a_container_is_created_started_stopped_and_started_again", again)
        .test("stop_asks_first_and_kills_later", stop)
        .test("kill_sends_the_signal_asked_for", kill)
        .test("a_running_container_is_removed_by_force_only", rm)
        .test("wait_gives_the_codes", wait)
        .test("ps_lists_and_filters", ps)
        .test("what_was_written_stays_for_the_next_start", written)
        .test("stats_and_top_look_inside", look)
        .test("names_that_are_not_there_are_said_so", not_there)
}

fn state(docker: &harness::Docker, id: &str) -> String {
    inspect(docker, id, "{{.State.Status}}")
}

fn again(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", "--name", "again", IMAGE, "sh", "-c", "echo up; exec sleep 1000"]).ok();
    assert_eq!(state(&docker, &id), "created");
    for _ in 0..2 {
        assert_eq!(docker.run(&["start", "again"]).ok(), "again");
        assert_eq!(state(&docker, &id), "running");
        let pid = inspect(&docker, &id, "{{.State.Pid}}");
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
        docker.run(&["start", "again"]).ok();
        assert_eq!(docker.run(&["stop", "-t", "0", "again"]).ok(), "again");
        assert_eq!(inspect(&docker, &id, "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"), "exited 137 0");
    }
    docker.run(&["stop", "again"]).ok();
    let attached = docker.spawn(&["start", "-a", "again"]);
    attached.stdout.until("up");
    docker.run(&["kill", "again"]).ok();
    attached.finish().code(137).text();
    assert_eq!(docker.run(&["logs", "again"]).ok(), "up\nup\nup");
    remove(&docker, "again");
}

fn stop(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let polite = start(&docker, &[], "trap 'echo asked; exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    docker.spawn(&["logs", "-f", &polite]).stdout.until("ready");
    docker.run(&["stop", &polite]).ok();
    assert_eq!(docker.run(&["wait", &polite]).ok(), "9");
    assert_eq!(docker.run(&["logs", &polite]).ok(), "ready\nasked");
    let deaf = start(&docker, &[], "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    docker.spawn(&["logs", "-f", &deaf]).stdout.until("ready");
    docker.run(&["stop", "-t", "1", &deaf]).ok();
    assert_eq!(docker.run(&["wait", &deaf]).ok(), "137");
    docker.run(&["rm", &polite, &deaf]).ok();
}

fn kill(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(
        &docker,
        &[],
        "trap 'echo usr1' USR1; trap 'echo hup; exit 4' HUP; echo ready; while :; do sleep 0.1; done",
    );
    let follow = docker.spawn(&["logs", "-f", &id]);
    follow.stdout.until("ready");
    docker.run(&["kill", "-s", "USR1", &id]).ok();
    follow.stdout.until("usr1");
    docker.run(&["kill", "--signal", "SIGHUP", &id]).ok();
    assert_eq!(follow.finish().ok(), "ready\nusr1\nhup");
    assert_eq!(inspect(&docker, &id, "{{.State.ExitCode}}"), "4");
    let error = docker.run(&["kill", &id]).fails();
    assert!(error.contains("is not running"), "{error}");
    docker.run(&["kill", "-s", "NONSENSE", &id]).fails();
    remove(&docker, &id);
}

fn rm(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "sleep 1000");
    let error = docker.run(&["rm", &id]).fails();
    assert!(error.contains("container is running") || error.contains("running container"), "{error}");
    assert_eq!(state(&docker, &id), "running");
    assert_eq!(docker.run(&["rm", "-f", &id]).ok(), id);
    let error = docker.run(&["inspect", &id]).fails();
    assert!(error.to_lowercase().contains("no such"), "{error}");
}

fn wait(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let first = start(&docker, &["-i"], "read x; exit 3");
    let second = start(&docker, &[], "exit 4");
    let waiting = docker.spawn(&["wait", &first, &second]);
    let mut input = docker.spawn(&["attach", &first]);
    input.write("go\n");
    assert_eq!(waiting.finish().ok(), "3\n4");
    docker.run(&["rm", &first, &second]).ok();
}

fn ps(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let up = start(&docker, &["--name", "up", "-l", "kind=a"], "sleep 1000");
    let down = start(&docker, &["--name", "down", "-l", "kind=b"], "exit 2");
    docker.run(&["wait", "down"]).ok();
    let names = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["ps", "--format", "{{.Names}}"].iter().chain(arguments).copied().collect();
        docker.run(&arguments).ok()
    };
    assert_eq!(names(&[]), "up");
    assert_eq!(names(&["-a"]), "down\nup");
    assert_eq!(names(&["-a", "-f", "status=exited"]), "down");
    assert_eq!(names(&["-a", "-f", "name=u"]), "up");
    assert_eq!(names(&["-a", "-f", "label=kind=b"]), "down");
    assert_eq!(names(&["-l"]), "down");
    assert_eq!(docker.run(&["ps", "-q", "--no-trunc"]).ok(), up);
    let line = docker.run(&["ps", "-a", "--format", "{{.Image}}|{{.Status}}", "-f", &format!("id={down}")]).ok();
    assert!(line.starts_with("test:1|Exited (2) "), "{line}");
    let table = docker.run(&["ps"]).ok();
    assert!(table.starts_with("CONTAINER ID") && table.contains(" Up "), "{table}");
    docker.run(&["rm", "-f", "up", "down"]).ok();
}

fn written(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker
        .run(&["create", IMAGE, "sh", "-c", "rm -f /etc/group; date >> /kept; wc -l < /kept; ls /etc/group 2>&1"])
        .ok();
    for count in ["1", "2", "3"] {
        let said = docker.run(&["start", "-a", &id]);
        assert_eq!(said.text().lines().next(), Some(count));
    }
    remove(&docker, &id);
    assert_eq!(say(&docker, &[], "ls /kept 2>/dev/null; ls /etc/group"), "/etc/group", "the image is as it was");
}

fn look(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "seen", "-m", "64m"], "sleep 1000 & exec sleep 2000");
    let line = docker
        .run(&["stats", "--no-stream", "--format", "{{.Name}}|{{.MemUsage}}|{{.PIDs}}|{{.CPUPerc}}", "seen"])
        .ok();
    let fields: Vec<&str> = line.split('|').collect();
    assert_eq!((fields[0], fields[2]), ("seen", "2"), "{line}");
    assert!(fields[1].ends_with("/ 64MiB") && fields[3].ends_with('%'), "{line}");
    let table = docker.run(&["top", "seen"]).ok();
    assert!(table.starts_with("UID") && table.contains("sleep 1000") && table.contains("sleep 2000"), "{table}");
    let table = docker.run(&["top", "seen", "-o", "pid,args"]).ok();
    assert!(table.contains(&inspect(&docker, &id, "{{.State.Pid}}")), "{table}");
    remove(&docker, "seen");
    docker.run(&["top", "seen"]).fails();
}

fn not_there(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for verb in ["start", "stop", "kill", "rm", "wait", "logs", "attach", "top"] {
        let error = docker.run(&[verb, "nobody"]).fails();
        assert!(error.contains("No such container: nobody"), "{verb}: {error}");
    }
}
