//! Health checks: of images and of `docker run`, their states, log, events and filters.

use harness::{Darsena, Docker, Suite, wait::eventually};

use crate::{IMAGE, inspect, remove, start};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("health_follows_the_probes", states)
        .test("health_checks_of_images_and_their_replacement", images)
        .test("health_probes_that_take_too_long", late)
        .test("health_in_the_start_period", grace)
        .test("health_goes_on_without_the_server", outlives)
}

fn health(docker: &Docker, name: &str) -> String {
    inspect(docker, name, "{{.State.Health.Status}}")
}

fn becomes(docker: &Docker, name: &str, wanted: &str) {
    eventually(&format!("{name} becomes {wanted}"), || (health(docker, name) == wanted).then_some(()));
}

fn states(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let events = docker.spawn(&[
        "events",
        "--filter",
        "event=health_status",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    ]);
    let options = [
        "--name",
        "patient",
        "--health-cmd",
        "cat /tmp/well && head -c 5000 /dev/zero | tr '\\0' x",
        "--health-interval",
        "200ms",
        "--health-retries",
        "2",
        "--health-timeout",
        "5s",
    ];
    let id = start(&docker, &options, "exec sleep 1000");
    assert_eq!(health(&docker, "patient"), "starting");
    let listed = |filter: &str| docker.run(&["ps", "--no-trunc", "-q", "--filter", filter]).ok();
    assert!(docker.run(&["ps", "--format", "{{.Status}}"]).ok().contains("(health: starting)"));
    becomes(&docker, "patient", "unhealthy");
    assert!(docker.run(&["ps", "--format", "{{.Status}}"]).ok().contains("(unhealthy)"));
    assert_eq!((listed("health=unhealthy"), listed("health=healthy")), (id.clone(), String::new()));
    assert!(inspect(&docker, "patient", "{{(index .State.Health.Log 0).Output}}").contains("can't open '/tmp/well'"));
    assert_eq!(inspect(&docker, "patient", "{{(index .State.Health.Log 0).ExitCode}}"), "1");
    // Nothing told before the stream began is heard: so well and unwell until both were.
    eventually("both are heard", || {
        docker.run(&["exec", "patient", "touch", "/tmp/well"]).ok();
        becomes(&docker, "patient", "healthy");
        docker.run(&["exec", "patient", "rm", "/tmp/well"]).ok();
        becomes(&docker, "patient", "unhealthy");
        let heard = events.stdout.text();
        let both =
            heard.contains("health_status: healthy patient") && heard.contains("health_status: unhealthy patient");
        both.then_some(())
    });
    docker.run(&["exec", "patient", "touch", "/tmp/well"]).ok();
    becomes(&docker, "patient", "healthy");
    assert!(docker.run(&["ps", "--format", "{{.Status}}"]).ok().contains("(healthy)"));
    assert_eq!((listed("health=healthy"), listed("health=none")), (id, String::new()));
    assert_eq!(inspect(&docker, "patient", "{{.State.Health.FailingStreak}}"), "0");
    eventually("five are kept", || (inspect(&docker, "patient", "{{len .State.Health.Log}}") == "5").then_some(()));
    eventually("long output is cut", || {
        let output = inspect(&docker, "patient", "{{(index .State.Health.Log 4).Output}}");
        (output.len() == 4099 && output.ends_with("x...")).then_some(())
    });
    assert_eq!(inspect(&docker, "patient", "{{.ExecIDs}}{{.Config.Healthcheck.Retries}}"), "[]2");
    docker.run(&["stop", "-t", "0", "patient"]).ok();
    docker.run(&["start", "patient"]).ok();
    assert_eq!(health(&docker, "patient"), "starting", "a new start, a new judgement");
    remove(&docker, "patient");
}

fn images(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let dockerfile =
        format!("FROM {IMAGE}\nHEALTHCHECK --interval=200ms --retries=1 CMD test -e /tmp/well\nCMD sleep 1000\n");
    docker.run_with(&["build", "-t", "checked", "-"], dockerfile.as_bytes()).ok();
    docker.run(&["run", "-d", "--name", "own", "checked"]).ok();
    becomes(&docker, "own", "unhealthy");
    docker.run(&["exec", "own", "touch", "/tmp/well"]).ok();
    becomes(&docker, "own", "healthy");
    docker.run(&["run", "-d", "--name", "other", "--health-cmd", "true", "checked"]).ok();
    becomes(&docker, "other", "healthy");
    docker.run(&["run", "-d", "--name", "none", "--no-healthcheck", "checked"]).ok();
    assert_eq!(
        inspect(&docker, "none", "{{if .State.Health}}some{{else}}none{{end}} {{.Config.Healthcheck.Test}}"),
        "none [NONE]"
    );
    let text = docker.run(&["run", "-d", "--health-cmd", "true", "--health-interval", "1us", "checked"]).fails();
    assert!(text.contains("cannot be less than 1ms"), "{text}");
    for name in ["own", "other", "none"] {
        remove(&docker, name);
    }
    docker.run(&["rmi", "checked"]).ok();
}

fn late(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = [
        "--name",
        "slow",
        "--health-cmd",
        "exec sleep 777",
        "--health-interval",
        "100ms",
        "--health-timeout",
        "300ms",
        "--health-retries",
        "2",
    ];
    start(&docker, &options, "exec sleep 1000");
    becomes(&docker, "slow", "unhealthy");
    let last =
        inspect(&docker, "slow", "{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}");
    assert_eq!(last, "-1 Health check exceeded timeout (300ms)");
    // What took too long is killed: at most the one that is being tried runs.
    let running = docker.run(&["top", "slow", "-o", "args"]).ok().matches("sleep 777").count();
    assert!(running <= 1, "{running} probes are left");
    remove(&docker, "slow");
}

fn grace(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = [
        "--name",
        "young",
        "--health-cmd",
        "test -e /tmp/well",
        "--health-interval",
        "1h",
        "--health-start-period",
        "1h",
        "--health-start-interval",
        "100ms",
        "--health-retries",
        "1",
    ];
    start(&docker, &options, "exec sleep 1000");
    eventually("it has been asked", || (inspect(&docker, "young", "{{len .State.Health.Log}}") == "5").then_some(()));
    assert_eq!(inspect(&docker, "young", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}"), "starting 0");
    docker.run(&["exec", "young", "touch", "/tmp/well"]).ok();
    becomes(&docker, "young", "healthy");
    remove(&docker, "young");
}

fn outlives(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let options = [
        "--name",
        "steady",
        "--health-cmd",
        "test -e /tmp/well",
        "--health-interval",
        "200ms",
        "--health-retries",
        "3",
    ];
    start(&docker, &options, "touch /tmp/well; exec sleep 1000");
    becomes(&docker, "steady", "healthy");
    darsena.kill9();
    darsena.restart();
    assert_eq!(health(&docker, "steady"), "healthy", "what was known is known");
    docker.run(&["exec", "steady", "rm", "/tmp/well"]).ok();
    becomes(&docker, "steady", "unhealthy");
    remove(&docker, "steady");
}
