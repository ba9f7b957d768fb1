//! exec: in all its flags, its codes, its streams; as confined as the container.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use harness::{
    Darsena, Docker, Suite,
    image::digest,
    wait::{Heard, eventually},
};
use serde_json::Value;

use crate::{IMAGE, inspect, remove, start, streams::noise};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("exec_runs_as_asked", asked)
        .test("exec_gives_every_code", codes)
        .test("exec_says_what_can_not_be_run", refused)
        .test("exec_passes_every_byte", bytes)
        .test("exec_on_a_terminal", terminal)
        .test("exec_is_left_by_its_keys_and_by_a_killed_client", left)
        .test("exec_detached", detached)
        .test("exec_is_as_confined_as_the_container", confined)
        .test("exec_is_in_the_container_s_groups", groups)
        .test("exec_needs_a_container_that_runs", states)
        .test("exec_is_told_in_events_and_inspect", told)
        .test("execs_end_with_the_container", ends)
        .test("execs_go_on_without_the_server", outlives)
        .test("exec_joins_what_the_container_shares", shared)
        .test("exec_says_nothing_before_the_connection_is_the_client_s", head)
        .test("attach_by_websocket", websocket)
        .test("many_execs_at_once", many)
}

/// What `GET /exec/{id}/json` answers.
fn shown(darsena: &Darsena, exec: &str) -> Value {
    let mut socket = UnixStream::connect(darsena.socket()).unwrap();
    let ask = format!("GET /v1.48/exec/{exec}/json HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

fn asked(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-e", "OWN=1", "-e", "BOTH=1", "-w", "/tmp", "-h", "berth"], "exec sleep 1000");
    let exec = |options: &[&str], line: &str| -> String {
        let arguments: Vec<&str> = ["exec"].iter().chain(options).chain(&[&*id, "sh", "-c", line]).copied().collect();
        docker.run(&arguments).ok()
    };
    assert_eq!(exec(&[], "hostname; pwd; echo $OWN $BOTH $HOME ${TERM-none}"), "berth\n/tmp\n1 1 /root none");
    assert_eq!(exec(&["-e", "BOTH=2", "-e", "NEW=3", "-w", "/etc"], "pwd; echo $OWN $BOTH $NEW"), "/etc\n1 2 3");
    let file = darsena.space().side().join("variables");
    std::fs::write(&file, "# no\nFILED=yes\nBOTH=filed\n").unwrap();
    assert_eq!(exec(&["--env-file", &file.to_string_lossy()], "echo $FILED $BOTH"), "yes filed");
    assert_eq!(exec(&["-u", "web"], "id -u; id -g; echo $HOME"), "1000\n1000\n/home/web");
    assert_eq!(exec(&["-u", "1000:0"], "id -u; id -g"), "1000\n0");
    assert_eq!(exec(&["-u", "4242"], "id -u; id -g; echo $HOME"), "4242\n0\n/");
    // The same processes, network and files.
    assert_eq!(exec(&[], "cat /proc/1/cmdline | tr '\\0' ' '; readlink /proc/1/ns/net"), {
        let own = exec(&[], "readlink /proc/self/ns/net");
        format!("sleep 1000 {own}")
    });
    let spaces = "for n in cgroup ipc mnt net pid user uts; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done";
    assert_eq!(exec(&[], spaces), "", "every namespace is the container's");
    assert_eq!(exec(&[], "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3", "3 is ls's own");
    remove(&docker, &id);
    let user = start(&docker, &["-u", "web", "--group-add", "50"], "exec sleep 1000");
    assert_eq!(docker.run(&["exec", &user, "id", "-u"]).ok(), "1000", "the container's own user is the default");
    assert!(docker.run(&["exec", &user, "id", "-G"]).ok().contains("50"));
    assert_eq!(docker.run(&["exec", "-u", "0", &user, "id", "-u"]).ok(), "0");
    remove(&docker, &user);
}

fn codes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    for code in [0, 1, 2, 42, 100, 125, 126, 127, 128, 200, 254, 255] {
        docker.run(&["exec", &id, "sh", "-c", &format!("exit {code}")]).code(code);
    }
    docker.run(&["exec", &id, "sh", "-c", "kill -9 $$"]).code(137);
    docker.run(&["exec", &id, "sh", "-c", "kill -TERM $$"]).code(143);
    remove(&docker, &id);
}

fn refused(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    for (program, code, words) in [
        ("foo", 127, "exec: \"foo\": executable file not found in $PATH: unknown"),
        ("/foo", 127, "exec: \"/foo\": stat /foo: no such file or directory: unknown"),
        ("/etc", 126, "exec: \"/etc\": is a directory: unknown"),
        ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied: unknown"),
    ] {
        let output = docker.run(&["exec", &id, program]);
        let said = output.code(code).text();
        let start = "OCI runtime exec failed: exec failed: unable to start container process: ";
        assert!(said.starts_with(start) && said.ends_with(words), "{said}");
        assert!(docker.run(&["exec", "-d", &id, program]).fails().contains(words));
    }
    let said = docker.run(&["exec", "-w", "/nowhere", &id, "true"]).code(127).text();
    assert!(
        said.contains("chdir to cwd (\"/nowhere\") set in config.json failed: no such file or directory"),
        "{said}"
    );
    let said = docker.run(&["exec", "-u", "nobody-here", &id, "true"]).code(126).text();
    assert!(said.contains("unable to find user nobody-here: no matching entries in passwd file"), "{said}");
    assert_eq!(docker.run(&["exec", &id, "echo", "well"]).ok(), "well", "nothing of that stays");
    remove(&docker, &id);
}

fn bytes(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    let bytes = noise(4 << 20);
    let sum = docker.run_with(&["exec", "-i", &id, "sha256sum"], &bytes).ok();
    assert_eq!(sum, format!("{}  -", &digest(&bytes)["sha256:".len()..]));
    assert!(docker.run_with(&["exec", "-i", &id, "cat"], &bytes).code(0).stdout == bytes);
    assert_eq!(docker.run_with(&["exec", &id, "wc", "-c"], b"without -i nobody reads").ok(), "0");
    let output = docker.run(&["exec", &id, "sh", "-c", "echo out; echo err >&2; printf last"]);
    assert_eq!((&*output.code(0).stdout, &*output.stderr), (&b"out\nlast"[..], &b"err\n"[..]));
    let output = docker.run(&["exec", &id, "sh", "-c", "seq 1 200000; seq 1 1000 >&2"]);
    let expected = (1..=200_000).map(|line| line.to_string()).collect::<Vec<_>>().join("\n") + "\n";
    assert!(output.code(0).stdout == expected.as_bytes(), "{} bytes of {}", output.stdout.len(), expected.len());
    assert_eq!(output.error().lines().count(), 1000);
    // What it leaves behind with its output open holds nobody up.
    let began = Instant::now();
    assert_eq!(docker.run(&["exec", &id, "sh", "-c", "sleep 500 & echo done"]).ok(), "done");
    assert!(began.elapsed() < Duration::from_mins(1));
    remove(&docker, &id);
}

fn terminal(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    let mut shell = docker.spawn_on_terminal(&["exec", "-it", &id, "sh"]);
    shell.write("tty; echo $TERM; echo marked-$((1+1))\n");
    let seen = shell.stdout.until("marked-2");
    assert!(seen.contains("/dev/pts/") && seen.contains("xterm"), "{seen}");
    shell.write("stty size; echo again-$((1+1))\n");
    let seen = shell.stdout.until("again-2");
    assert!(seen.contains("24 80"), "{seen}");
    shell.write("echo asleep-$((1+1)); sleep 600\n");
    shell.stdout.until("asleep-2");
    shell.write(b"\x03");
    shell.write("echo alive-$((1+1))\n");
    shell.stdout.until("alive-2");
    shell.write("exit 7\n");
    shell.finish().code(7).text();
    let output = docker.run(&["exec", "-t", &id, "sh", "-c", "test -t 1 && echo yes; echo err >&2"]);
    assert_eq!(output.code(0).stdout, b"yes\r\nerr\r\n");
    assert_eq!(docker.run(&["exec", "-t", "-u", "web", &id, "sh", "-c", "echo mine > $(tty)"]).ok(), "mine");
    remove(&docker, &id);
}

fn left(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    let mut shell = docker.spawn_on_terminal(&["exec", "-it", "--detach-keys", "ctrl-x,y", &id, "sh"]);
    shell.write("echo here-$((1+1))\n");
    shell.stdout.until("here-2");
    shell.write(b"\x18y");
    let end = shell.finish();
    assert!(end.text().contains("read escape sequence"), "{}", end.text());
    // Output flows on when nobody reads any more.
    let mut writer = docker.spawn(&[
        "exec",
        &id,
        "sh",
        "-c",
        "i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done; echo end > /tmp/end",
    ]);
    writer.stdout.until("line 10");
    writer.kill();
    eventually("it goes on to its end", || {
        (docker.run(&["exec", &id, "cat", "/tmp/end"]).text() == "end").then_some(())
    });
    remove(&docker, &id);
}

fn detached(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    assert_eq!(
        docker.run(&["exec", "-d", &id, "sh", "-c", "seq 1 100000; echo said > /tmp/said; exec sleep 900"]).ok(),
        ""
    );
    eventually("it runs to its end", || {
        (docker.run(&["exec", &id, "cat", "/tmp/said"]).text() == "said").then_some(())
    });
    let execs = inspect(&docker, &id, "{{len .ExecIDs}}");
    assert_eq!(execs, "1", "only what runs is listed");
    remove(&docker, &id);
}

fn confined(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let look = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; cat /proc/self/uid_map; ulimit -n";
    for options in [
        &[][..],
        &["--cap-drop", "ALL", "--cap-add", "NET_RAW", "--security-opt", "no-new-privileges"],
        &["--security-opt", "seccomp=unconfined", "-u", "web", "--ulimit", "nofile=100:200"],
        &["--userns", "host"],
    ] {
        let id = start(&docker, options, &format!("{look}; exec sleep 1000"));
        let own = eventually("it has looked", || {
            let own = docker.run(&["logs", &id]).text();
            (own.lines().count() == 9).then_some(own)
        });
        assert_eq!(docker.run(&["exec", &id, "sh", "-c", look]).ok(), own, "{options:?}");
        remove(&docker, &id);
    }
    let id = start(&docker, &[], "exec sleep 1000");
    let effective = |options: &[&str]| {
        let arguments: Vec<&str> =
            ["exec"].iter().chain(options).chain(&[&*id, "grep", "CapEff", "/proc/self/status"]).copied().collect();
        docker.run(&arguments).ok()
    };
    assert_eq!(effective(&[]), "CapEff:\t00000000a80425fb");
    assert!(effective(&["--privileged"]).starts_with("CapEff:\t000001ff"), "{}", effective(&["--privileged"]));
    let script = "mount -t tmpfs none /mnt 2>/dev/null && echo mounted; echo > /proc/sysrq-trigger";
    assert!(!docker.run(&["exec", &id, "sh", "-c", script]).text().contains("mounted"));
    remove(&docker, &id);
}

fn groups(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-m", "64m", "--pids-limit", "20"], "exec sleep 1000");
    docker.run(&["exec", "-d", &id, "sleep", "900"]).ok();
    let first = inspect(&docker, &id, "{{.State.Pid}}");
    let top = docker.run(&["top", &id, "-o", "pid,args"]).ok();
    let other = top.lines().find(|line| line.contains("sleep 900")).expect("it is among the container's").to_owned();
    let other = other.split_whitespace().next().unwrap().to_owned();
    let group = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    // The monitor's own are elsewhere in the v2 hierarchy of a hybrid host, which nothing is limited by.
    let limiting =
        |text: String| text.lines().filter(|line| !line.starts_with("0::")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(limiting(group(&first)), limiting(group(&other)));
    docker.run(&["exec", &id, "sh", "-c", "for n in $(seq 1 40); do sleep 5 & done 2>/dev/null"]).fails();
    remove(&docker, &id);
}

fn states(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = docker.run(&["create", "--name", "idle", IMAGE, "sleep", "1000"]).ok();
    let text = docker.run(&["exec", "idle", "true"]).fails();
    assert!(text.contains(&format!("container {id} is not running")), "{text}");
    docker.run(&["start", "idle"]).ok();
    docker.run(&["exec", "idle", "true"]).ok();
    docker.run(&["pause", "idle"]).ok();
    let text = docker.run(&["exec", "idle", "true"]).fails();
    assert!(text.contains(&format!("Container {id} is paused, unpause the container before exec")), "{text}");
    docker.run(&["unpause", "idle"]).ok();
    docker.run(&["exec", "idle", "true"]).ok();
    docker.run(&["kill", "idle"]).ok();
    docker.run(&["wait", "idle"]).ok();
    assert!(docker.run(&["exec", "idle", "true"]).fails().contains("is not running"));
    docker.run(&["rm", "idle"]).ok();
    assert!(docker.run(&["exec", "idle", "true"]).fails().contains("No such container: idle"));
}

fn told(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "heard"], "exec sleep 1000");
    let events = docker.spawn(&[
        "events",
        "--filter",
        "event=exec_create",
        "--filter",
        "event=exec_start",
        "--filter",
        "event=exec_die",
        "--format",
        "{{.Action}} {{.Actor.Attributes.exitCode}}",
    ]);
    // The stream begins some time after the command: what is asked for until it is heard may be missed.
    eventually("events are heard", || {
        docker.run(&["exec", "heard", "sh", "-c", "exit 3"]).code(3);
        let heard = events.stdout.text();
        let all = ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die 3"];
        all.iter().all(|event| heard.contains(event)).then_some(())
    });
    docker.run(&["exec", "-d", "heard", "sleep", "900"]).ok();
    let exec = inspect(&docker, &id, "{{index .ExecIDs 0}}");
    let shown = shown(darsena, &exec);
    assert_eq!((&shown["ID"], &shown["Running"], &shown["ExitCode"]), (&exec.into(), &true.into(), &().into()));
    assert_eq!((&shown["ProcessConfig"]["entrypoint"], &shown["ContainerID"]), (&"sleep".into(), &id.clone().into()));
    assert_eq!(shown["ProcessConfig"]["arguments"], serde_json::json!(["900"]));
    assert!(Path::new(&format!("/proc/{}", shown["Pid"])).exists());
    remove(&docker, "heard");
}

fn ends(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    let exec = docker.spawn(&["exec", &id, "sh", "-c", "echo up; exec sleep 900"]);
    exec.stdout.until("up");
    docker.run(&["kill", &id]).ok();
    exec.finish().code(137);
    assert_eq!(docker.run(&["wait", &id]).ok(), "137");
    assert_eq!(inspect(&docker, &id, "{{.ExecIDs}}"), "[]");
    docker.run(&["start", &id]).ok();
    docker.run(&["exec", &id, "true"]).ok();
    remove(&docker, &id);
}

fn outlives(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--name", "kept"], "exec sleep 1000");
    let line = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo all > /tmp/all; read x; exit 5";
    let exec = docker.spawn(&["exec", "-i", "kept", "sh", "-c", line]);
    exec.stdout.until("line 10");
    docker.run(&["exec", "-d", "kept", "sleep", "900"]).ok();
    darsena.kill9();
    darsena.launch(&harness::Settings::default());
    // Nobody reads while there is no server; that holds nothing up.
    eventually("it goes on", || (docker.run(&["exec", "kept", "cat", "/tmp/all"]).text() == "all").then_some(()));
    let execs = eventually("what runs is known again", || {
        let execs = inspect(&docker, &id, "{{range .ExecIDs}}{{.}} {{end}}");
        (execs.split_whitespace().count() == 1).then_some(execs)
    });
    let known = shown(darsena, execs.trim());
    assert_eq!((&known["Running"], &known["ProcessConfig"]["arguments"][0]), (&true.into(), &"900".into()));
    docker.run(&["kill", "kept"]).ok();
    docker.run(&["wait", "kept"]).ok();
    assert_eq!(shown(darsena, execs.trim())["ExitCode"], 137);
    remove(&docker, "kept");
}

fn shared(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let other = start(&docker, &["--name", "other", "--ipc", "shareable"], "exec sleep 1000");
    for options in [
        &["--pid", "host"][..],
        &["--ipc", "host", "--uts", "host", "--cgroupns", "host"],
        &["--privileged"],
        &["--pid", "container:other"],
        &["--ipc", "container:other"],
    ] {
        let look = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; \
                    grep -E '^(Cap|Seccomp:)' /proc/self/status; cat /proc/self/uid_map";
        let id = start(&docker, options, &format!("{look}; exec sleep 1000"));
        let own = eventually("it has looked", || {
            let own = docker.run(&["logs", &id]).text();
            (own.lines().count() == 14).then_some(own)
        });
        assert_eq!(docker.run(&["exec", &id, "sh", "-c", look]).ok(), own, "{options:?}");
        let running = docker.spawn(&["exec", &id, "sh", "-c", "echo up; exec sleep 900"]);
        running.stdout.until("up");
        docker.run(&["kill", &id]).ok();
        running.finish().code(137);
        remove(&docker, &id);
    }
    remove(&docker, &other);
}

/// One answer of the server to a request with a JSON body.
fn ask(socket: &mut UnixStream, path: &str, more: &str, body: &str) -> String {
    let length = body.len();
    let ask = format!("POST /v1.48{path} HTTP/1.1\r\nHost: docker\r\n{more}Content-Length: {length}\r\n\r\n{body}");
    socket.write_all(ask.as_bytes()).unwrap();
    let mut answer = vec![0; 64 << 10];
    let count = socket.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

/// Some clients lose what comes together with the answer's head.
fn head(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    for _ in 0..20 {
        let mut socket = UnixStream::connect(darsena.socket()).unwrap();
        let body = r#"{"Cmd":["echo","said"],"AttachStdout":true,"AttachStderr":true}"#;
        let created = ask(&mut socket, &format!("/containers/{id}/exec"), "", body);
        let exec = created.split("\"Id\":\"").nth(1).and_then(|rest| rest.get(..64)).unwrap().to_owned();
        let upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";
        let head = ask(&mut socket, &format!("/exec/{exec}/start"), upgrade, "{}");
        assert!(head.starts_with("HTTP/1.1 101 UPGRADED") && head.ends_with("\r\n\r\n"), "{head:?}");
        let mut output = Vec::new();
        socket.read_to_end(&mut output).unwrap();
        assert_eq!(output, b"\x01\0\0\0\0\0\0\x05said\n");
    }
    remove(&docker, &id);
}

/// A message of up to 125 bytes, as clients send it: masked, with a mask of zeros.
fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0x82, 0x80 | bytes.len() as u8, 0, 0, 0, 0], bytes].concat()
}

fn websocket(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-i"], "echo ready; while read line; do echo got $line; done; exit 5");
    let mut socket = UnixStream::connect(darsena.socket()).unwrap();
    let ask = format!(
        "GET /v1.48/containers/{id}/attach/ws?stdin=1&stdout=1&stderr=1&stream=1&logs=1 HTTP/1.1\r\nHost: docker\r\nConnection: \
         Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).unwrap();
    let heard = Heard::from(socket.try_clone().unwrap());
    assert!(heard.until("ready").contains("101 Switching Protocols"));
    socket.write_all(&message(b"one\n")).unwrap();
    heard.until("got one");
    socket.write_all(&message(b"two\n")).unwrap();
    heard.until("got two");
    docker.run(&["kill", &id]).ok();
    heard.to_end();
    remove(&docker, &id);
}

fn many(darsena: &mut Darsena) {
    let docker: Docker = darsena.docker();
    let id = start(&docker, &[], "exec sleep 1000");
    let running: Vec<_> = (0..20)
        .map(|n| docker.spawn(&["exec", "-i", &id, "sh", "-c", &format!("read x; seq 1 5000; exit {n}")]))
        .collect();
    for (n, mut exec) in running.into_iter().enumerate() {
        exec.write("go\n");
        exec.close_input();
        let output = exec.finish();
        assert_eq!(output.code(n as i32).text().lines().count(), 5000);
    }
    assert_eq!(inspect(&docker, &id, "{{.ExecIDs}}"), "[]");
    remove(&docker, &id);
}
