//! Standard streams, terminals, attach, logs.

use harness::{Darsena, Suite, image::digest};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("output_and_errors_stay_apart", apart)
        .test("every_byte_of_input_arrives", input)
        .test("every_byte_of_output_arrives", output)
        .test("a_terminal_is_a_terminal", terminal)
        .test("attach_gives_and_takes", attach)
        .test("the_detach_keys_leave_the_container", detach)
        .test("logs_tail_follow_and_times", logs)
        .test("logs_follow_to_the_end", follow_to_the_end)
}

fn apart(darsena: &mut Darsena) {
    let output = darsena.docker().run(&["run", "--rm", IMAGE, "sh", "-c", "echo out; echo err >&2; printf last"]);
    assert_eq!(output.code(0).stdout, b"out\nlast");
    assert_eq!(output.stderr, b"err\n");
}

/// Not compressible, not repeating.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn input(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let bytes = noise(4 << 20);
    let sum = docker.run_with(&["run", "--rm", "-i", IMAGE, "sha256sum"], &bytes).ok();
    assert_eq!(sum, format!("{}  -", &digest(&bytes)["sha256:".len()..]));
    assert_eq!(docker.run_with(&["run", "--rm", IMAGE, "wc", "-c"], b"without -i nobody reads").ok(), "0");
    assert_eq!(docker.run_with(&["run", "--rm", "-i", IMAGE, "cat"], &bytes).code(0).stdout, bytes);
}

fn output(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &[], "seq 1 200000; seq 1 1000 >&2");
    docker.run(&["wait", &id]).ok();
    let logs = docker.run(&["logs", &id]);
    let expected = (1..=200_000).map(|line| line.to_string()).collect::<Vec<_>>().join("\n") + "\n";
    assert!(logs.code(0).stdout == expected.as_bytes(), "{} bytes of {}", logs.stdout.len(), expected.len());
    assert_eq!(logs.error().lines().count(), 1000);
    remove(&docker, &id);
}

fn terminal(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let mut shell = docker.spawn_on_terminal(&["run", "--rm", "-it", "--name", "tty", IMAGE]);
    shell.write("tty; stty size; echo $TERM; echo marked-$((1+1))\n");
    let seen = shell.stdout.until("marked-2");
    assert!(seen.contains("/dev/pts/0") && seen.contains("xterm"), "{seen}");
    shell.write("stty size; echo again-$((1+1))\n");
    let seen = shell.stdout.until("again-2");
    assert!(seen.contains("24 80"), "{seen}");
    shell.write("exit 7\n");
    shell.finish().code(7).text();
    let output = docker.run(&["run", "--rm", "-t", IMAGE, "sh", "-c", "test -t 1 && echo yes; echo err >&2"]);
    assert_eq!(output.code(0).stdout, b"yes\r\nerr\r\n");
}

fn attach(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-i"], "while read line; do echo got $line; done; exit 5");
    let mut first = docker.spawn(&["attach", &id]);
    let mut second = docker.spawn(&["attach", &id]);
    // Both are attached once each has seen an answer to some line of its own.
    first.write("one\n");
    first.stdout.until("got one");
    second.write("two\n");
    second.stdout.until("got two");
    first.stdout.until("got two");
    docker.run(&["kill", "-s", "KILL", &id]).ok();
    second.close_input();
    first.finish().code(137).text();
    second.finish().code(137).text();
    remove(&docker, &id);
}

fn detach(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let mut shell = docker.spawn_on_terminal(&["run", "-it", "--name", "left", IMAGE]);
    shell.write("echo here-$((1+1))\n");
    shell.stdout.until("here-2");
    shell.write(b"\x10\x11");
    shell.finish().code(0).text();
    assert_eq!(inspect(&docker, "left", "{{.State.Running}}"), "true");
    let mut again = docker.spawn_on_terminal(&["attach", "left"]);
    again.write("echo back-$((1+1))\n");
    again.stdout.until("back-2");
    again.write("exit\n");
    again.finish().code(0).text();
    remove(&docker, "left");
}

fn logs(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-i"], "echo line 1; echo line 2; read x; echo line 3; read x; echo line 4; read x");
    let mut input = docker.spawn(&["attach", &id]);
    let follow = docker.spawn(&["logs", "-f", &id]);
    // What is written at once may bear one time: line 3 comes after line 2 has been seen.
    follow.stdout.until("line 2");
    input.write("go\n");
    follow.stdout.until("line 3");
    assert_eq!(docker.run(&["logs", "--tail", "2", &id]).ok(), "line 2\nline 3");
    assert_eq!(docker.run(&["logs", "--tail", "0", &id]).ok(), "");
    let timed = docker.run(&["logs", "-t", "--tail", "1", &id]).ok();
    let (time, text) = timed.split_once(' ').unwrap();
    assert!(text == "line 3" && time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000000Z".len(), "{timed}");
    let late = docker.spawn(&["logs", "-f", "--tail", "1", &id]);
    late.stdout.until("line 3");
    input.write("go\n");
    follow.stdout.until("line 4");
    input.write("end\n");
    assert_eq!(late.finish().ok(), "line 3\nline 4");
    assert_eq!(follow.finish().ok(), "line 1\nline 2\nline 3\nline 4");
    assert_eq!(docker.run(&["logs", "--since", time, &id]).ok(), "line 3\nline 4");
    remove(&docker, &id);
}

fn follow_to_the_end(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["-i"], "read x; seq 1 20000; printf 'no newline'");
    let follow = docker.spawn(&["logs", "-f", &id]);
    let mut input = docker.spawn(&["attach", &id]);
    input.write("go\n");
    let seen = follow.finish();
    assert_eq!(seen.text().lines().count(), 20_001);
    assert!(seen.text().ends_with("20000\nno newline"));
    remove(&docker, &id);
}
