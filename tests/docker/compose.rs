//! Compose.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use harness::{Darsena, Docker, Suite, wait::eventually};

pub fn tests(suite: Suite) -> Suite {
    suite.test("a_project_comes_up_and_goes_down", compose)
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
