//! run: what is asked for is what the process gets, and its end is the client's end.

use harness::{Darsena, Suite};

use crate::{IMAGE, inspect, remove, say, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("exit_codes_pass_through", exit_codes)
        .test("125_126_and_127_mean_what_they_mean", cant_run)
        .test("environment_folder_user_and_name", options)
        .test("the_entry_point_is_replaced", entry_point)
        .test("rm_removes_after_the_end", rm)
        .test("names_are_unique", names)
        .test("a_signal_ends_with_128_and_more", signals)
        .test("a_container_is_closed_in", closed_in)
}

fn exit_codes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for code in [0, 1, 2, 42, 99, 124, 125, 126, 127, 128, 130, 137, 143, 200, 254, 255] {
        let output = docker.run(&["run", "--rm", IMAGE, "sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.code(code).text(), "");
    }
}

fn cant_run(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["run", "--rm", "--memory", "x", IMAGE, "true"]).code(125).fails();
    docker.run(&["run", "--rm", "-v", "relative/path/x:/x:nonsense", IMAGE, "true"]).code(125).fails();
    docker.run(&["run", "--rm", "127.0.0.1:5000/no/such:1", "true"]).code(125).fails();
    for (program, code) in [("/etc/passwd", 126), ("/etc", 126), ("no-such-program", 127), ("/no/such/program", 127)] {
        let output = docker.run(&["run", "--rm", IMAGE, program]);
        let error = output.code(code).fails();
        assert!(error.contains(program), "{error}");
    }
    docker.run(&["run", "--rm", "-u", "nobody-of-that-name", IMAGE, "true"]).code(125).fails();
}

fn options(darsena: &mut Darsena) {
    let docker = darsena.docker();
    assert_eq!(say(&docker, &["-e", "A=1 2", "-e", "B="], "echo \"$A|$B|$HOME|$PATH\""), "1 2||/root|/bin:/usr/bin");
    assert_eq!(say(&docker, &["-w", "/home/web"], "pwd"), "/home/web");
    assert_eq!(say(&docker, &["-w", "/made/on/demand"], "pwd"), "/made/on/demand");
    assert_eq!(say(&docker, &["-u", "web"], "id -u; id -g; id -G; cd; pwd"), "1000\n1000\n1000 2000\n/home/web");
    assert_eq!(say(&docker, &["-u", "1234:5678"], "id -u; id -g"), "1234\n5678");
    assert_eq!(say(&docker, &["-h", "some-host"], "hostname; grep -c some-host /etc/hosts"), "some-host\n1");
    let id = start(&docker, &["--name", "named", "-l", "a=b"], "exit 3");
    assert_eq!(docker.run(&["wait", "named"]).ok(), "3");
    assert_eq!(
        inspect(&docker, "named", "{{.Id}} {{.Name}} {{.State.ExitCode}} {{.Config.Labels.a}}"),
        format!("{id} /named 3 b")
    );
    assert_eq!(say(&docker, &[], "hostname").len(), 12);
    remove(&docker, "named");
}

fn entry_point(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let echo = ["run", "--rm", "--entrypoint", "/bin/echo", IMAGE, "a", "b c"];
    assert_eq!(docker.run(&echo).ok(), "a b c");
    assert_eq!(docker.run(&["run", "--rm", "--entrypoint", "pwd", IMAGE]).ok(), "/");
}

fn rm(darsena: &mut Darsena) {
    let docker = darsena.docker();
    say(&docker, &["--name", "short"], "true");
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
    let id = start(&docker, &["--rm", "-i"], "read x");
    let wait = docker.spawn(&["wait", &id]);
    docker.run(&["kill", &id]).ok();
    assert_eq!(wait.finish().ok(), "137");
    let removed = || docker.run(&["ps", "-aq"]).ok().is_empty().then_some(());
    harness::wait::eventually("the container is removed", removed);
    // A restart is an end that removes nothing.
    let id = start(&docker, &["--rm"], "echo up; exec sleep 1000");
    docker.run(&["restart", "-t", "0", &id]).ok();
    assert_eq!(inspect(&docker, &id, "{{.State.Status}}"), "running");
    docker.run(&["kill", &id]).ok();
    harness::wait::eventually("the container is removed", removed);
}

fn names(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let first = docker.run(&["create", "--name", "twin", IMAGE]).ok();
    let output = docker.run(&["create", "--name", "twin", IMAGE]);
    let error = output.fails();
    assert!(error.contains("Conflict") && error.contains("twin") && error.contains(&first), "{error}");
    docker.run(&["run", "--name", "twin", IMAGE]).code(125).fails();
    let error = docker.run(&["create", "--name", "no/name", IMAGE]).fails();
    assert!(error.contains("no/name"), "{error}");
    assert_eq!(inspect(&docker, &first[..10], "{{.Name}}"), "/twin");
    remove(&docker, "twin");
}

fn signals(darsena: &mut Darsena) {
    let docker = darsena.docker();
    docker.run(&["run", "--rm", IMAGE, "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).code(137);
    let id = start(&docker, &[], "sleep 1000");
    docker.run(&["kill", "-s", "KILL", &id]).ok();
    assert_eq!(docker.run(&["wait", &id]).ok(), "137");
    assert_eq!(inspect(&docker, &id, "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}"), "exited 137 false");
    remove(&docker, &id);
}

/// What a process can see and do is its own container's: the escape checks of later groups go further.
fn closed_in(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let status = say(&docker, &[], "grep -E '^(Seccomp|CapBnd|CapEff):' /proc/self/status | tr '\\t\\n' '  '");
    assert!(status.contains("Seccomp: 2"), "{status}");
    assert!(status.contains("CapBnd: 00000000a80425fb") && status.contains("CapEff: 00000000a80425fb"), "{status}");
    assert_eq!(say(&docker, &[], "echo $$; ls /proc | grep -c '^[0-9]'").lines().next(), Some("1"));
    assert_eq!(say(&docker, &[], "cat /proc/timer_list /proc/keys /proc/kcore 2>/dev/null | wc -c"), "0");
    for denied in
        ["mount -t tmpfs none /tmp", "echo 1 > /proc/sys/vm/drop_caches", "touch /sys/x", "mknod /tmp/m b 254 0"]
    {
        docker.run(&["run", "--rm", IMAGE, "sh", "-c", &format!("{denied} 2>/dev/null")]).fails();
    }
    assert_eq!(say(&docker, &[], "ls /proc/self/fd").lines().count(), 4, "three and the folder's own");
    let map = say(&docker, &[], "cat /proc/self/uid_map");
    let outside: Vec<&str> = map.split_whitespace().collect();
    assert!(outside[0] == "0" && outside[1] != "0", "root inside is not root outside: {map}");
    let mounts = say(&docker, &[], "cut -d' ' -f5 /proc/self/mountinfo | sort -u");
    assert!(!mounts.contains("darsena-test"), "no host path shows: {mounts}");
}
