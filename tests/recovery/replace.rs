//! Every step of a container being made anew in its place, and of going back: the server dies there, or the step fails.
//! Afterwards the old one or the new one is there, running as it ran, with the volumes; never neither, never both running.

use harness::{Darsena, Docker, Settings, Suite, wait::eventually};
use regex::Regex;
use reqwest::{Client, StatusCode};

use crate::{IMAGE, inspect, status};

const NAME: &str = "replaced";
const USER: &str = "ada";
const PASSWORD: &str = "seven quiet cranes";

pub fn tests(mut suite: Suite) -> Suite {
    for step in runtime::fault::NAMES.iter().copied().filter(|step| step.starts_with("replace.")) {
        for how in ["kill", "error"] {
            suite = suite.alone(&format!("{step}_{how}"), move || anew(step, how));
            if step != "replace.intended" {
                suite = suite.alone(&format!("{step}_{how}_on_the_way_back"), move || back(step, how));
            }
        }
    }
    for step in INNER.iter().copied() {
        for how in ["kill", "error"] {
            suite = suite.alone(&format!("{step}_{how}_while_replaced"), move || anew(step, how));
        }
    }
    suite.alone("a_replaced_container_stays_down_when_the_server_starts", stays_down)
}

/// Steps of the verbs within.
const INNER: &[&str] = &[
    "create.folder",
    "create.record",
    "stop.signalled",
    "rename.record",
    "start.prepared",
    "start.launched",
    "start.network",
    "start.go",
];

/// Killed there, the new one runs already.
const LATE: &[&str] = &["start.go", "replace.started", "replace.kept"];

/// Somebody who is signed in on the pages.
struct Person {
    client: Client,
    base: String,
}

impl Person {
    async fn token(&self, path: &str) -> String {
        let page = self.client.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap();
        let token = Regex::new(r#"name="csrf" value="([^"]+)""#).unwrap();
        token.captures(&page).unwrap_or_else(|| panic!("{path} has no form token:\n{page}"))[1].to_owned()
    }

    /// Posts a form; the server may die of it.
    async fn post(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Option<StatusCode> {
        let csrf = self.token(from).await;
        let fields = [&[("csrf", csrf.as_str())], fields].concat();
        let request = self.client.post(format!("{}{path}", self.base)).header("origin", &self.base).form(&fields);
        request.send().await.ok().map(|answer| answer.status())
    }

    async fn sign_in(darsena: &Darsena) -> Self {
        let person = Self { client: harness::client(), base: darsena.url("") };
        let fields = [("user", USER), ("password", PASSWORD), ("back", "")];
        assert_eq!(person.post("/session", "/session", &fields).await, Some(StatusCode::SEE_OTHER));
        person
    }
}

fn set_up(darsena: &Darsena) {
    darsena.docker().run_with(&["load"], &harness::image::busybox_archive(IMAGE)).ok();
    darsena.space().inside(|| async {
        let person = Person { client: harness::client(), base: darsena.url("") };
        let word = darsena.setup_word();
        let fields = [("word", word.as_str()), ("user", USER), ("password", PASSWORD)];
        assert_eq!(person.post("/setup", "/setup", &fields).await, Some(StatusCode::SEE_OTHER));
    });
    let docker = darsena.docker();
    let more =
        ["-v", "data:/d", "-v", "/own", "-p", "8077:80", IMAGE, "sh", "-c", "echo old >> /d/who; exec sleep 1000"];
    docker
        .run(&[&["run", "-d", "--restart", "always", "--stop-timeout", "0", "--name", NAME], &more[..]].concat())
        .ok();
}

/// Makes it anew with another command.
fn replace(darsena: &Darsena) -> Option<StatusCode> {
    let docker = darsena.docker();
    let id = inspect(&docker, NAME, "{{.Id}}");
    let own = own_volume(&docker, NAME);
    assert!(!own.is_empty());
    darsena.space().inside(|| async {
        let person = Person::sign_in(darsena).await;
        let fields = [
            ("base", id.as_str()),
            ("edit", "on"),
            ("sure", "yes"),
            ("name", NAME),
            ("image", IMAGE),
            ("command", "sh -c 'echo new >> /d/who; exec sleep 1000'"),
            ("restart", "always"),
            ("stop_timeout", "0"),
            ("port_host", "8077"),
            ("port_container", "80"),
            ("port_protocol", "tcp"),
            ("mount_source", "data"),
            ("mount_target", "/d"),
            ("mount_mode", "rw"),
            ("mount_kept", "/d"),
            ("mount_source", ""),
            ("mount_target", "/own"),
            ("mount_mode", "rw"),
            ("mount_kept", "/own"),
        ];
        person.post("/containers/new", &format!("/containers/{NAME}/edit"), &fields).await
    })
}

fn go_back(darsena: &Darsena) -> Option<StatusCode> {
    let docker = darsena.docker();
    let id = inspect(&docker, &previous(&docker), "{{.Id}}");
    darsena.space().inside(|| async {
        let person = Person::sign_in(darsena).await;
        person.post("/containers/new", &format!("/containers/{NAME}/go-back"), &[("previous", &id)]).await
    })
}

fn names(docker: &Docker, all: bool) -> Vec<String> {
    let list = if all { "-a" } else { "--no-trunc" };
    docker.run(&["ps", list, "--format", "{{.Names}}"]).ok().lines().map(str::to_owned).collect()
}

/// The name of the one that is kept.
fn previous(docker: &Docker) -> String {
    let all = names(docker, true);
    let kept: Vec<_> = all.iter().filter(|name| name.starts_with("replaced-previous-")).collect();
    assert_eq!(kept.len(), 1, "{all:?}");
    kept[0].clone()
}

fn own_volume(docker: &Docker, name: &str) -> String {
    inspect(docker, name, "{{range .Mounts}}{{if eq .Destination \"/own\"}}{{.Name}}{{end}}{{end}}")
}

/// Whether the one in the place is the new one; it runs, and nothing else does.
fn is_new(docker: &Docker, own: &str) -> bool {
    eventually("it runs", || (status(docker, NAME).as_deref() == Some("running")).then_some(()));
    assert_eq!(names(docker, false), [NAME]);
    let all = names(docker, true);
    assert!(all.iter().all(|name| !name.contains("-next-")), "{all:?}");
    assert_eq!(own_volume(docker, NAME), own, "it has its volumes");
    let is_new = inspect(docker, NAME, "{{.Config.Cmd}}").contains("new");
    let last = || docker.run(&["exec", NAME, "tail", "-n", "1", "/d/who"]).ok();
    let wanted = if is_new { "new" } else { "old" };
    eventually("it was started last", || (last() == wanted).then_some(()));
    assert_eq!(inspect(docker, NAME, "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}"), "8077");
    is_new
}

fn fail_at(darsena: &mut Darsena, step: &str, how: &str, act: fn(&Darsena) -> Option<StatusCode>) {
    darsena.restart_with(&Settings::failing(&format!("{step}={how}")));
    let answer = act(darsena);
    if how == "kill" {
        assert!(!darsena.wait().success(), "the server was killed at {step}");
    } else {
        assert!(darsena.runs(), "a step that fails is no end of the server");
        assert!(answer.is_some_and(|code| code != StatusCode::OK), "{answer:?}");
    }
}

fn take_away(darsena: &Darsena) {
    let docker = darsena.docker();
    for name in names(&docker, true) {
        docker.run(&["rm", "-f", "-v", &name]).ok();
    }
    docker.run(&["volume", "rm", "data"]).ok();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
    darsena.assert_clean();
}

fn anew(step: &str, how: &str) {
    let mut darsena = Darsena::start();
    set_up(&darsena);
    let docker = darsena.docker();
    let own = own_volume(&docker, NAME);
    fail_at(&mut darsena, step, how, replace);
    if how == "error" {
        // It is back at once.
        assert!(!is_new(&docker, &own), "what failed is undone");
        assert_eq!(names(&docker, true), [NAME]);
    }
    darsena.restart();
    let new = is_new(&docker, &own);
    assert_eq!(new, how == "kill" && LATE.contains(&step), "{step}");
    assert_eq!(names(&docker, true).len(), if new { 2 } else { 1 });
    if !new {
        assert_eq!(replace(&darsena), Some(StatusCode::SEE_OTHER));
        assert!(is_new(&docker, &own));
    }
    assert_eq!(go_back(&darsena), Some(StatusCode::SEE_OTHER));
    assert!(!is_new(&docker, &own));
    take_away(&darsena);
}

fn back(step: &str, how: &str) {
    let mut darsena = Darsena::start();
    set_up(&darsena);
    let docker = darsena.docker();
    let own = own_volume(&docker, NAME);
    assert_eq!(replace(&darsena), Some(StatusCode::SEE_OTHER));
    fail_at(&mut darsena, step, how, go_back);
    if how == "error" {
        assert!(is_new(&docker, &own), "what failed is undone");
    }
    darsena.restart();
    let new = is_new(&docker, &own);
    assert_eq!(new, how != "kill" || !LATE.contains(&step), "{step}");
    assert_eq!(names(&docker, true).len(), 2, "the other is kept");
    assert_eq!(go_back(&darsena), Some(StatusCode::SEE_OTHER));
    assert_eq!(is_new(&docker, &own), !new);
    take_away(&darsena);
}

/// Both have a policy that starts them with the server.
fn stays_down() {
    let mut darsena = Darsena::start();
    set_up(&darsena);
    let docker = darsena.docker();
    let own = own_volume(&docker, NAME);
    assert_eq!(replace(&darsena), Some(StatusCode::SEE_OTHER));
    darsena.kill9();
    darsena.restart();
    assert!(is_new(&docker, &own));
    assert_eq!(status(&docker, &previous(&docker)).as_deref(), Some("exited"));
    take_away(&darsena);
}
