//! What the pages refuse, over plain HTTP: foreign pages, foreign names, wrong passwords, old sessions.

use std::time::Duration;

use harness::{Darsena, Suite, image::busybox};
use regex::Regex;
use reqwest::{Client, Response, StatusCode};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::{PASSWORD, USER};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("the_first_run_page_closes_for_ever", first_run)
        .alone("forms_of_other_pages_are_refused", foreign_forms)
        .alone("answers_carry_the_headers_that_protect", headers)
        .alone("guessing_passwords_is_slowed_down", guessing)
        .alone("a_session_ends_when_it_is_ended", session)
        .alone("no_route_is_open_to_strangers_or_takes_forms_without_a_token", every_route)
        .alone("what_containers_and_images_say_is_text", markup)
}

/// A person at an HTTP client.
struct Visitor<'a> {
    darsena: &'a Darsena,
    client: Client,
}

impl<'a> Visitor<'a> {
    fn new(darsena: &'a Darsena) -> Self {
        Self { darsena, client: harness::client() }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(self.darsena.url(path)).send().await.unwrap()
    }

    /// The form token of a page.
    async fn token(&self, path: &str) -> String {
        let page = self.get(path).await.text().await.unwrap();
        let token = Regex::new(r#"name="csrf" value="([^"]+)""#).unwrap();
        token.captures(&page).unwrap_or_else(|| panic!("{path} has no form token:\n{page}"))[1].to_owned()
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.darsena.url(path)).header("origin", self.darsena.url(""));
        request.form(fields).send().await.unwrap()
    }

    async fn set_up(&self) -> Response {
        let (csrf, word) = (self.token("/setup").await, self.darsena.setup_word());
        self.post("/setup", &[("csrf", &csrf), ("word", &word), ("user", USER), ("password", PASSWORD)]).await
    }

    async fn sign_in(&self, user: &str, password: &str) -> Response {
        let csrf = self.token("/session").await;
        self.post("/session", &[("csrf", &csrf), ("user", user), ("password", password), ("back", "")]).await
    }

    /// Asks for a websocket, from a page of this origin.
    async fn socket(&self, path: &str, origin: Option<&str>) -> Response {
        let request = self
            .client
            .get(self.darsena.url(path))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let request = if let Some(origin) = origin { request.header("origin", origin) } else { request };
        request.send().await.unwrap()
    }

    async fn is_signed_in(&self) -> bool {
        self.get("/containers").await.status() == StatusCode::OK
    }
}

fn first_run() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        assert!(!visitor.is_signed_in().await);
        let csrf = visitor.token("/setup").await;
        let refused = [("word", "wrong"), ("user", USER), ("password", PASSWORD), ("csrf", &csrf)];
        assert!(visitor.post("/setup", &refused).await.status().is_client_error(), "without the word nobody sets up");
        let word = darsena.setup_word();
        let weak = [("word", word.as_str()), ("user", USER), ("password", "password12"), ("csrf", &csrf)];
        assert!(visitor.post("/setup", &weak).await.status().is_client_error(), "a common password is no password");
        assert!(visitor.set_up().await.status().is_redirection());
        let other = Visitor::new(&darsena);
        let page = other.get("/setup").await;
        let status = page.status();
        let text = page.text().await.unwrap_or_default();
        assert!(!text.contains("name=\"word\""), "{status}: the page is closed");
        let again =
            other.post("/setup", &[("word", &word), ("user", "eve"), ("password", PASSWORD), ("csrf", &csrf)]).await;
        assert!(!again.status().is_success(), "{}", again.status());
        assert!(other.sign_in("eve", PASSWORD).await.status().is_client_error());
        assert!(other.sign_in(USER, PASSWORD).await.status().is_redirection());
    });
}

fn foreign_forms() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        visitor.set_up().await;
        visitor.sign_in(USER, PASSWORD).await;
        let csrf = visitor.token("/images").await;
        let address = darsena.url("/images/pull");
        let request = || visitor.client.post(&address);
        let body = [("csrf", csrf.as_str()), ("image", "127.0.0.1:5000/x:1")];
        let foreign = request().header("origin", "http://evil.example").form(&body).send().await.unwrap();
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "another origin");
        let cross = request()
            .header("origin", darsena.url(""))
            .header("sec-fetch-site", "cross-site")
            .form(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(cross.status(), StatusCode::FORBIDDEN, "another site");
        let tokenless = visitor.post("/images/pull", &[("image", "127.0.0.1:5000/x:1")]).await;
        assert_eq!(tokenless.status(), StatusCode::FORBIDDEN, "no token");
        let forged = visitor.post("/images/pull", &[("csrf", "x"), ("image", "127.0.0.1:5000/x:1")]).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "a made-up token");
        let rebound = visitor.client.get(darsena.url("/")).header("host", "evil.example:8080").send().await.unwrap();
        assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST, "another name for this address");
        let socket = visitor
            .client
            .get(darsena.url("/live/containers/x/logs"))
            .header("origin", "http://evil.example")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .send()
            .await
            .unwrap();
        assert!(socket.status().is_client_error(), "a websocket of another origin: {}", socket.status());
    });
}

fn headers() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        let page = visitor.get("/setup").await;
        let text =
            |name: &str| page.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let policy = text("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(text("x-content-type-options"), "nosniff");
        assert_eq!(text("referrer-policy"), "same-origin");
        assert!(!text("x-request-id").is_empty());
        visitor.set_up().await;
        let signed = visitor.sign_in(USER, PASSWORD).await;
        let cookies: Vec<&str> =
            signed.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()).collect();
        let session =
            cookies.iter().find(|cookie| cookie.contains("HttpOnly")).unwrap_or_else(|| panic!("{cookies:?}"));
        assert!(session.contains("SameSite=Strict") && session.contains("Path=/"), "{session}");
        for path in ["/", "/containers", "/images", "/audit", "/account"] {
            let page = visitor.get(path).await;
            assert!(
                page.headers().get("cache-control").is_some_and(|value| value.to_str().unwrap().contains("no-store")),
                "{path}"
            );
            let text = page.text().await.unwrap();
            assert!(
                !text.contains("<style") && !text.contains(" style=") && !text.contains("onclick="),
                "{path} has inline parts"
            );
        }
        let anonymous = Visitor::new(&darsena);
        for path in
            ["/", "/containers", "/containers/new", "/images", "/operations", "/audit", "/account", "/search?q=x"]
        {
            let status = anonymous.get(path).await.status();
            assert!(
                status.is_redirection() || status.is_client_error(),
                "{path} is for people who signed in: {status}"
            );
        }
    });
}

fn guessing() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        visitor.set_up().await;
        let mut slowed = false;
        for _ in 0..30 {
            let status = Visitor::new(&darsena).sign_in(USER, "a wrong password").await.status();
            assert!(status.is_client_error(), "{status}");
            slowed |= status == StatusCode::TOO_MANY_REQUESTS;
        }
        assert!(slowed, "thirty wrong passwords in a row are too many");
    });
}

fn session() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        visitor.set_up().await;
        visitor.sign_in(USER, PASSWORD).await;
        assert!(visitor.is_signed_in().await);
        let csrf = visitor.token("/containers/new").await;
        let fields = [("csrf", csrf.as_str()), ("image", "darsena/welcome"), ("name", "web"), ("start", "yes")];
        assert!(visitor.post("/containers", &fields).await.status().is_redirection());
        let socket = visitor.socket("/live/containers/web/logs", Some(&darsena.url(""))).await;
        assert_eq!(socket.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut socket = socket.upgrade().await.unwrap();
        visitor.post("/containers/web/remove", &[("csrf", &csrf)]).await;

        let events = visitor.socket("/live/events", Some(&darsena.url(""))).await;
        assert_eq!(events.status(), StatusCode::OK);
        visitor.post("/session/end", &[("csrf", &csrf)]).await;
        assert!(!visitor.is_signed_in().await);
        // Both end by themselves: the deadline is only there to fail.
        let limit = Duration::from_secs(20);
        let mut said = Vec::new();
        timeout(limit, socket.read_to_end(&mut said)).await.expect("the socket ends with the session").unwrap();
        timeout(limit, events.bytes()).await.expect("the stream ends with the session").unwrap();
    });
    darsena.assert_clean();
}

/// The routes of the program as its table has them: path, answers GET, answers POST.
fn routes() -> Vec<(String, bool, bool)> {
    let table = include_str!("../../server/src/router.rs");
    let route = Regex::new(r#"\.route\("([^"]+)", (.+)\)"#).unwrap();
    let found: Vec<_> = route
        .captures_iter(table)
        .map(|found| {
            let path = Regex::new(r"\{[^}]+\}").unwrap().replace_all(&found[1], "1").into_owned();
            (path, found[2].contains("get("), found[2].contains("post("))
        })
        .collect();
    assert!(found.len() > 30, "the table of routes was not understood: {found:?}");
    found
}

fn every_route() {
    let darsena = Darsena::start();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        visitor.set_up().await;
        visitor.sign_in(USER, PASSWORD).await;
        let stranger = Visitor::new(&darsena);
        for (path, get, post) in routes() {
            let open = ["/session", "/setup", "/static/1"].contains(&path.as_str());
            if path.starts_with("/live/") {
                let own = darsena.url("");
                assert_eq!(stranger.socket(&path, Some(&own)).await.status(), StatusCode::UNAUTHORIZED, "{path}");
                assert_eq!(visitor.socket(&path, None).await.status(), StatusCode::FORBIDDEN, "{path} without origin");
                let foreign = visitor.socket(&path, Some("http://evil.example")).await;
                assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "{path} from another origin");
                continue;
            }
            if get && !open {
                let answer = stranger.get(&path).await;
                assert_eq!(answer.status(), StatusCode::SEE_OTHER, "GET {path} by a stranger");
                let to = answer.headers()["location"].to_str().unwrap();
                assert!(to.starts_with("/session"), "GET {path} by a stranger leads to {to}");
            }
            if post {
                let own = visitor.client.post(darsena.url(&path)).header("origin", darsena.url(""));
                let answer = if ["/images/load", "/images/import", "/builds/upload"].contains(&path.as_str())
                    || path.ends_with("/files/upload")
                {
                    let form = reqwest::multipart::Form::new().text("archive", "x");
                    own.multipart(form).send().await.unwrap()
                } else {
                    own.form(&[("x", "y")]).send().await.unwrap()
                };
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "POST {path} without a token");
                let foreign = visitor.client.post(darsena.url(&path)).header("origin", "http://evil.example");
                let answer = foreign.form(&[("x", "y")]).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::FORBIDDEN, "POST {path} from another origin");
                for name in ["content-security-policy", "x-content-type-options", "referrer-policy", "x-request-id"] {
                    assert!(answer.headers().contains_key(name), "POST {path} answers without {name}");
                }
            }
        }
        assert!(visitor.is_signed_in().await, "none of it did anything");
    });
}

fn markup() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    let bad = "\"><script>boom()</script>";
    let labelled = busybox().set("Labels", serde_json::json!({ "evil": bad })).docker_archive(&["evil:1"]);
    docker.run_with(&["load"], &labelled).ok();
    let (env, label) = (format!("EVIL={bad}"), format!("evil={bad}"));
    let say = format!("echo '{bad}'");
    docker.run(&["run", "--name", "evil", "-e", &env, "--label", &label, "evil:1", "sh", "-c", &say]).ok();
    darsena.space().inside(|| async {
        let visitor = Visitor::new(&darsena);
        visitor.set_up().await;
        visitor.sign_in(USER, PASSWORD).await;
        let images = visitor.get("/images").await.text().await.unwrap();
        let image = Regex::new(r#"href="(/images/sha256[^"/]+|/images/[0-9a-f:%A-F]{64,})""#).unwrap();
        let pages = ["/containers/evil", "/containers/evil/logs", "/containers/new?like=evil", "/audit", "/operations"];
        let images = image.captures_iter(&images).map(|found| found[1].to_owned());
        let mut shown = 0;
        for path in pages.map(ToOwned::to_owned).into_iter().chain(images) {
            let text = visitor.get(&path).await.text().await.unwrap();
            assert!(!text.contains("<script>boom"), "{path} runs what a container says");
            shown += usize::from(text.contains("script&#62;boom()") || text.contains("script&gt;boom()"));
        }
        assert!(shown >= 4, "environment, label, log line, command and image label are shown: {shown}");
        let asked = visitor.get("/containers?q=%3Cscript%3Eboom()").await.text().await.unwrap();
        assert!(!asked.contains("<script>boom"));
    });
    docker.run(&["rm", "evil"]).ok();
    darsena.assert_clean();
}
