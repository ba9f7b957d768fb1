//! Clients other than the docker command line: Compose, and the Python library.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use harness::{Darsena, Docker, Suite, wait::eventually};

use crate::IMAGE;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("compose_brings_a_project_up_and_takes_it_down", compose)
        .test("the_python_library_finds_what_it_expects", python)
}

const PROJECT: &str = r#"
version: "3.8"
services:
  store:
    image: test:1
    command: ["sh", "-c", "echo kept >>/data/log; exec sleep 1000"]
    volumes: ["data:/data"]
    networks: [back]
  web:
    image: test:1
    command: ["sh", "-c", "echo hello >/www/index.html; exec httpd -f -p 80 -h /www"]
    depends_on: [store]
    networks:
      front: {}
      back: {aliases: [pages]}
    ports: ["127.0.0.1:18080:80"]
    healthcheck: {test: ["CMD", "wget", "-qO", "/dev/null", "http://127.0.0.1/"], interval: 1s, retries: 20}
  worker:
    image: test:1
    command: ["sh", "-c", "until wget -qO- http://pages/; do sleep 0.1; done; exec sleep 1000"]
    networks: [back]
    environment: {GREETING: "good day"}
    restart: unless-stopped
    deploy: {resources: {limits: {memory: 64M}}}
volumes: {data: {}}
networks: {front: {}, back: {internal: true}}
"#;

fn program(darsena: &Darsena, name: &str, arguments: &[&str]) -> Output {
    let home = darsena.space().side();
    // Compose calls the docker client, wherever the tests have it.
    let mut path: Vec<PathBuf> = Docker::program().parent().map(PathBuf::from).into_iter().collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    path.retain(|folder| folder.is_absolute());
    Command::new(name)
        .args(arguments)
        .current_dir(&home)
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", &home)
        .env("DOCKER_HOST", format!("unix://{}", darsena.socket().display()))
        .env("COMPOSE_PROJECT_NAME", "trial")
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn compose(darsena: &mut Darsena) {
    fs::write(darsena.space().side().join("docker-compose.yml"), PROJECT).unwrap();
    let docker = darsena.docker();
    let run = |arguments: &[&str]| {
        let output = program(darsena, "docker-compose", arguments);
        assert!(output.status.success(), "docker-compose {arguments:?}: {}", said(&output));
        said(&output)
    };
    run(&["up", "-d"]);
    eventually("the worker was answered by another name of the web", || {
        run(&["logs", "--no-color", "worker"]).contains("hello").then_some(())
    });
    let fetched = darsena.space().output("curl", &["-sS", "http://127.0.0.1:18080/"]);
    assert_eq!(fetched.trim(), "hello");
    eventually("the web is found healthy", || run(&["ps"]).contains("(healthy)").then_some(()));
    assert_eq!(run(&["exec", "-T", "worker", "sh", "-c", "echo $GREETING"]).trim(), "good day");
    let outside =
        program(darsena, "docker-compose", &["exec", "-T", "worker", "ping", "-c", "1", "-W", "1", "192.0.2.1"]);
    assert!(!outside.status.success(), "an internal network leads nowhere");

    run(&["up", "-d", "--scale", "worker=3"]);
    let ids = run(&["ps", "-q", "worker"]);
    assert_eq!(ids.lines().count(), 3, "{ids}");
    // What did not change is left alone; what did is made anew, with its volume.
    let web = run(&["ps", "-q", "web"]);
    run(&["up", "-d", "--force-recreate", "--no-deps", "store"]);
    assert_eq!(run(&["ps", "-q", "web"]), web);
    eventually("the store has written twice", || {
        (run(&["exec", "-T", "store", "cat", "/data/log"]).trim() == "kept\nkept").then_some(())
    });
    run(&["restart", "-t", "0", "worker"]);
    run(&["stop", "-t", "0"]);
    assert_eq!(docker.run(&["ps", "-q"]).ok(), "");
    run(&["start"]);
    run(&["down", "-v", "-t", "0"]);
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
    let networks = docker.run(&["network", "ls", "--format", "{{.Name}}"]).ok();
    assert!(!networks.contains("trial"), "{networks}");
}

const SCRIPT: &str = r#"
import io, os, tarfile, time, docker
client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"])
assert client.ping() and client.version()["ApiVersion"] and client.info()["ServerVersion"]
network = client.networks.create("sdk", driver="bridge", labels={"a": "b"})
volume = client.volumes.create("sdk")
box = client.containers.run("test:1", ["sh", "-c", "echo up; echo bad >&2; exec sleep 1000"], name="sdk", detach=True,
    network="sdk", volumes={"sdk": {"bind": "/v", "mode": "rw"}}, environment={"A": "b"}, labels={"x": "y"},
    mem_limit="64m", cap_drop=["NET_RAW"], ports={"80/tcp": None}, healthcheck={"test": ["NONE"]})
box.reload()
assert box.status == "running" and box.labels == {"x": "y"}, box.attrs
assert "sdk" in box.attrs["NetworkSettings"]["Networks"] and box.ports["80/tcp"][0]["HostPort"]
assert box.exec_run(["sh", "-c", "echo $A; exit 3"]) == (3, b"b\n")
for turn in range(20):
    got = box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert got == (0, (b"out\n", b"err\n")), (turn, got)
assert b"".join(box.exec_run(["seq", "3"], stream=True).output) == b"1\n2\n3\n"
assert box.logs(stdout=True, stderr=False) == b"up\n" and box.logs(stdout=False, stderr=True) == b"bad\n"
files = io.BytesIO()
with tarfile.open(fileobj=files, mode="w") as archive:
    one = tarfile.TarInfo("note"); one.size = 5; archive.addfile(one, io.BytesIO(b"hello"))
assert box.put_archive("/v", files.getvalue())
chunks, stat = box.get_archive("/v/note")
with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
    assert archive.extractfile("note").read() == b"hello" and stat["size"] == 5
assert box.stats(stream=False)["memory_stats"]["usage"] > 0
assert any("sleep" in " ".join(row) for row in box.top()["Processes"])
box.pause(); box.reload(); assert box.status == "paused"
box.unpause(); box.rename("sdk2"); box.update(mem_limit="96m", memswap_limit="96m")
box.restart(timeout=0); box.reload(); assert box.name == "sdk2" and box.status == "running"
assert client.containers.list(filters={"label": "x=y"})[0].id == box.id
box.exec_run(["touch", "/made"]); assert any(change["Path"] == "/made" for change in box.diff()), box.diff()
image = box.commit("made", "1"); assert client.images.get("made:1").id == image.id
events = list(client.events(since=0, until=time.time(), decode=True))
assert any(event["Action"] == "start" for event in events), events
box.stop(timeout=0); assert box.wait()["StatusCode"] == 137
box.remove(v=True); client.images.remove("made:1"); volume.remove(); network.remove()
assert client.containers.run("test:1", ["echo", "hi"], remove=True) == b"hi\n"
try:
    client.containers.run("test:1", ["false"], remove=True)
    raise SystemExit("no error")
except docker.errors.ContainerError as error:
    assert error.exit_status == 1
try:
    client.containers.get("nobody")
    raise SystemExit("no error")
except docker.errors.NotFound:
    pass
assert client.containers.prune()["SpaceReclaimed"] == 0 and client.df()["Images"]
print("done")
"#;

fn python(darsena: &mut Darsena) {
    let output = program(darsena, "/usr/bin/python3", &["-c", SCRIPT]);
    assert!(output.status.success() && said(&output).contains("done"), "{}", said(&output));
    assert_eq!(darsena.docker().run(&["images", "-q", IMAGE]).ok().lines().count(), 1);
}
