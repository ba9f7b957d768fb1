//! A registry that wants a name and password: the client's login and logout, credentials with each request, the ones
//! kept for the pages.

use std::time::{Duration, Instant};

use harness::{
    Darsena, Guarded, Registry, Suite, client,
    image::{Layer, busybox},
};
use regex::Regex;

use crate::{at, pushed_digest, skopeo};

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("the_client_logs_in_pushes_pulls_and_logs_out", story)
        .alone("the_pages_keep_credentials_sealed_and_use_them", pages)
}

fn guarded() -> Guarded {
    Guarded { basic: true, tls: None }
}

fn story(darsena: &mut Darsena) {
    let docker = darsena.docker();
    let _registry = Registry::start_guarded(darsena.space(), &guarded());
    let image = busybox().layer(Layer::new().file("secret", "cargo"));
    let name = at("private/app:1");
    docker.run_with(&["load"], &image.docker_archive(&[&name])).ok();
    let error = docker.run(&["push", &name]).fails();
    assert!(error.contains("no basic auth credentials"), "{error}");

    let login = |password: &str| {
        let arguments = ["login", "-u", Registry::USER, "--password-stdin", Registry::ADDRESS];
        docker.run_with(&arguments, password.as_bytes())
    };
    let error = login("wrong").fails();
    assert!(
        error.contains("login attempt to http://127.0.0.1:5000/v2/ failed with status: 401 Unauthorized"),
        "{error}"
    );
    assert!(login(Registry::PASSWORD).ok().contains("Login Succeeded"));
    let digest = pushed_digest(&docker.run(&["push", &name]).ok());
    let witness = format!("--creds={}:{}", Registry::USER, Registry::PASSWORD);
    let seen = skopeo(darsena.space(), &["inspect", "--tls-verify=false", &witness, &format!("docker://{name}")]);
    assert!(seen.contains(&digest), "{seen}");
    docker.run(&["rmi", &name]).ok();
    docker.run(&["pull", &name]).ok();
    docker.run(&["rmi", &name]).ok();

    docker.run(&["logout", Registry::ADDRESS]).ok();
    let error = docker.run(&["pull", &name]).fails();
    assert!(error.contains("no basic auth credentials"), "nothing is remembered of the client's password: {error}");
    assert!(!darsena.log().contains("c2FpbG9yOnNhaWxvcg"), "no password in the log");
}

fn pages() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    let image = busybox().layer(Layer::new().file("secret", "cargo"));
    docker.run_with(&["load"], &image.docker_archive(&["local:1"])).ok();
    let registry = Registry::start_guarded(darsena.space(), &guarded());
    darsena.space().inside(|| async {
        let client = client();
        let get = async |path: &str| client.get(darsena.url(path)).send().await.unwrap().text().await.unwrap();
        let csrf = async |path: &str| {
            let page = get(path).await;
            Regex::new(r#"name="csrf" value="([^"]+)""#).unwrap().captures(&page).unwrap()[1].to_owned()
        };
        let post = async |path: &str, fields: &[(&str, &str)]| {
            let request = client.post(darsena.url(path)).header("origin", darsena.url(""));
            request.form(fields).send().await.unwrap()
        };
        let (user, password) = ("ada", "seven quiet cranes");
        let token = csrf("/setup").await;
        let word = darsena.setup_word();
        post("/setup", &[("csrf", &token), ("word", &word), ("user", user), ("password", password)]).await;
        let token = csrf("/session").await;
        post("/session", &[("csrf", &token), ("user", user), ("password", password), ("back", "")]).await;

        let token = csrf("/registries").await;
        let keep = async |password: &str| {
            let fields = [
                ("csrf", token.as_str()),
                ("host", Registry::ADDRESS),
                ("user", Registry::USER),
                ("password", password),
            ];
            post("/registries", &fields).await
        };
        let refused = keep("wrong").await;
        assert_eq!(refused.status(), 422);
        let page = refused.text().await.unwrap();
        assert!(page.contains("failed with status: 401"), "{page}");
        assert!(!page.contains("wrong\""), "the password is not sent back");
        assert!(keep(Registry::PASSWORD).await.status().is_redirection());
        let page = get("/registries").await;
        assert!(page.contains(Registry::ADDRESS) && page.contains(Registry::USER), "{page}");

        // The push takes the new name and the credentials.
        let id = docker.run(&["inspect", "-f", "{{.Id}}", "local:1"]).ok();
        let answer = post(&format!("/images/{id}/push"), &[("csrf", &token), ("name", &at("private/paged:1"))]).await;
        until(&client, &darsena.url(to(&answer)), "The image is at the registry").await;
        docker.run(&["rmi", "-f", &id]).ok();
        let answer = post("/images/pull", &[("csrf", &token), ("image", &at("private/paged:1"))]).await;
        until(&client, &darsena.url(to(&answer)), "The image is here, every digest").await;
        assert_eq!(docker.run(&["run", "--rm", &at("private/paged:1"), "cat", "/secret"]).ok(), "cargo");

        // The client of the socket doesn't borrow them.
        let error = docker.run(&["pull", &at("private/paged:2")]).fails();
        assert!(error.contains("no basic auth credentials"), "{error}");
        let files = ["darsena.db", "darsena.db-wal"]
            .map(|name| std::fs::read(darsena.space().data().join(name)).unwrap_or_default());
        assert!(
            files.iter().all(|bytes| !bytes.windows(19).any(|part| part == b"\"password\":\"sailor\"")),
            "it is sealed"
        );

        assert!(
            post("/registries/remove", &[("csrf", &token), ("host", Registry::ADDRESS)])
                .await
                .status()
                .is_redirection()
        );
        assert!(!get("/registries").await.contains(">127.0.0.1:5000<"));
        let audit = get("/audit").await;
        for action in ["registry.add", "registry.remove", "image.push"] {
            assert!(audit.contains(action), "{action}");
        }
    });
    drop(registry);
}

/// Where an answer leads.
fn to(answer: &reqwest::Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

/// Waits until a page has these words.
async fn until(client: &reqwest::Client, address: &str, words: &str) {
    let deadline = Instant::now() + harness::wait::DEADLINE;
    loop {
        let page = client.get(address).send().await.unwrap().text().await.unwrap();
        if page.contains(words) {
            return;
        }
        assert!(Instant::now() < deadline, "{address} never said {words:?} but:\n{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
