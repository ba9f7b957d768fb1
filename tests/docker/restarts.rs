//! Restart policies: what is started again, how often, and what is not.

use std::time::Instant;

use harness::{Darsena, Docker, Suite, wait::eventually};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("on_failure_starts_again_so_many_times", on_failure)
        .test("always_starts_again_until_it_is_stopped", always)
        .test("a_stop_during_the_wait_is_the_end", stop_while_waiting)
        .test("policies_outlive_the_server", outlive)
        .test("a_reboot_brings_back_what_ran", reboot)
        .test("wrong_policies_are_refused_in_docker_s_words", wrong)
}

fn runs(docker: &Docker, id: &str) -> usize {
    docker.run(&["logs", id]).text().lines().count()
}

fn wait_for(docker: &Docker, id: &str, format: &str, wanted: &str) {
    eventually(&format!("{format} is {wanted}"), || (inspect(docker, id, format) == wanted).then_some(()));
}

fn on_failure(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let began = Instant::now();
    let id = start(&docker, &["--restart", "on-failure:2"], "echo run; exit 3");
    wait_for(&docker, &id, "{{.State.Status}}", "exited");
    eventually("all three runs are over", || (runs(&docker, &id) == 3).then_some(()));
    wait_for(&docker, &id, "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}", "exited 3 2");
    assert!(began.elapsed().as_millis() >= 300, "it waits 100 and 200 ms");
    remove(&docker, &id);
    let fine = start(&docker, &["--restart", "on-failure"], "echo run");
    docker.run(&["wait", &fine]).ok();
    assert_eq!(inspect(&docker, &fine, "{{.State.Status}} {{.RestartCount}}"), "exited 0");
    remove(&docker, &fine);
}

fn always(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--restart", "always", "--name", "tireless"], "echo run; sleep 0.2");
    eventually("it runs again", || (runs(&docker, &id) >= 3).then_some(()));
    assert_ne!(inspect(&docker, &id, "{{.RestartCount}}"), "0");
    docker.run(&["stop", "-t", "0", &id]).ok();
    let status = inspect(&docker, &id, "{{.State.Status}}");
    let before = runs(&docker, &id);
    std::thread::sleep(std::time::Duration::from_millis(900));
    assert_eq!((status.as_str(), runs(&docker, &id)), ("exited", before), "it stays stopped");
    // A start by hand begins to count anew.
    docker.run(&["start", &id]).ok();
    let counted: usize = inspect(&docker, &id, "{{.RestartCount}}").parse().unwrap();
    let since = runs(&docker, &id) - before;
    assert!(counted <= since, "{counted} restarts counted, {since} runs begun");
    // A kill ends it, too, when it comes while it runs.
    eventually("it is killed", || (docker.run(&["kill", &id]).code == 0).then_some(()));
    assert_eq!(inspect(&docker, &id, "{{.State.Status}}"), "exited");
    remove(&docker, &id);
}

fn stop_while_waiting(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let id = start(&docker, &["--restart", "always"], "exit 5");
    // The wait grows, so it is met sooner or later.
    wait_for(&docker, &id, "{{.State.Restarting}} {{.State.Running}} {{.State.ExitCode}}", "true true 5");
    let line = docker.run(&["ps", "--format", "{{.Status}}", "-f", "status=restarting"]).ok();
    assert!(line.is_empty() || line.starts_with("Restarting (5) "), "{line}");
    eventually("it waits long enough", || {
        (inspect(&docker, &id, "{{.RestartCount}}").parse::<u32>().unwrap() >= 4).then_some(())
    });
    let error = docker.run(&["pause", &id]).fails();
    assert!(error.contains("is restarting, wait until the container is running"), "{error}");
    let error = docker.run(&["rm", &id]).fails();
    assert!(error.contains("container is restarting: stop the container"), "{error}");
    docker.run(&["stop", &id]).ok();
    assert_eq!(inspect(&docker, &id, "{{.State.Status}} {{.State.ExitCode}}"), "exited 5");
    remove(&docker, &id);
    let forced = start(&docker, &["--restart", "always"], "exit 5");
    docker.run(&["rm", "-f", &forced]).ok();
    let updated = start(&docker, &["--restart", "always"], "exit 5");
    docker.run(&["update", "--restart", "no", &updated]).ok();
    wait_for(&docker, &updated, "{{.State.Status}}", "exited");
    remove(&docker, &updated);
}

fn outlive(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let run = |policy: &str, name: &str| start(&docker, &["--restart", policy, "--name", name], "exec sleep 1000");
    for (policy, name) in
        [("always", "a-up"), ("unless-stopped", "u-up"), ("always", "a-down"), ("unless-stopped", "u-down")]
    {
        run(policy, name);
    }
    docker.run(&["stop", "-t", "0", "a-down", "u-down"]).ok();
    let waiting = start(&docker, &["--restart", "always", "--name", "waits"], "exit 1");
    wait_for(&docker, &waiting, "{{.State.Restarting}}", "true");
    let pid = inspect(&docker, "u-up", "{{.State.Pid}}");
    let unseen = inspect(&docker, "a-up", "{{.State.Pid}}");
    darsena.kill9();
    // It ends while no server looks.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(unseen.parse().unwrap()), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    darsena.restart();
    assert_eq!(inspect(&docker, "u-up", "{{.State.Pid}}"), pid, "what runs goes on");
    wait_for(&docker, "a-up", "{{.State.Status}} {{.RestartCount}}", "running 1");
    wait_for(&docker, "a-down", "{{.State.Status}}", "running");
    assert_eq!(inspect(&docker, "u-down", "{{.State.Status}}"), "exited", "it was stopped by hand");
    eventually("the one that waited goes on failing", || {
        (inspect(&docker, &waiting, "{{.RestartCount}}").parse::<u32>().unwrap() >= 2).then_some(())
    });
    docker.run(&["rm", "-f", "a-up", "u-up", "a-down", "u-down", "waits"]).ok();
}

/// After a reboot neither processes nor monitors are there, nor what either would have written.
fn reboot(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (policy, name) in
        [("always", "b-always"), ("unless-stopped", "b-unless"), ("on-failure", "b-failure"), ("no", "b-no")]
    {
        start(&docker, &["--restart", policy, "--name", name], "exec sleep 1000");
    }
    let names = ["b-always", "b-unless", "b-failure", "b-no"];
    let monitor = |name: &&str| {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", inspect(&docker, name, "{{.State.Pid}}"))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned();
        nix::unistd::Pid::from_raw(line.parse().unwrap())
    };
    let monitors: Vec<_> = names.iter().map(monitor).collect();
    darsena.kill9();
    for monitor in monitors {
        nix::sys::signal::kill(monitor, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    darsena.restart();
    for name in &names[..3] {
        wait_for(&docker, name, "{{.State.Status}}", "running");
    }
    assert_eq!(inspect(&docker, "b-no", "{{.State.Status}}"), "exited");
    docker.run(&["rm", "-f", "b-always", "b-unless", "b-failure", "b-no"]).ok();
}

fn wrong(darsena: &mut Darsena) {
    let docker = darsena.docker();
    for (policy, words) in [
        (
            "sometimes",
            "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or",
        ),
        ("always:3", "maximum retry count can only be used with 'on-failure'"),
        ("on-failure:-1", "maximum retry count cannot be negative"),
    ] {
        let error = docker.run(&["create", "--restart", policy, IMAGE, "true"]).fails();
        assert!(error.contains(words), "{error}");
    }
    let error = docker.run(&["run", "--rm", "--restart", "always", IMAGE, "true"]).fails();
    assert!(error.contains("--restart and --rm") || error.contains("AutoRemove"), "{error}");
}
