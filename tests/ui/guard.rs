//! What the pages refuse, over plain HTTP: foreign pages, foreign names, wrong passwords, old sessions.

use harness::{Darsena, Suite};
use regex::Regex;
use reqwest::{Client, Response, StatusCode};

use crate::{PASSWORD, USER};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("the_first_run_page_closes_for_ever", first_run)
        .alone("forms_of_other_pages_are_refused", foreign_forms)
        .alone("answers_carry_the_headers_that_protect", headers)
        .alone("guessing_passwords_is_slowed_down", guessing)
        .alone("a_session_ends_when_it_is_ended", session)
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
        assert!(session.contains("SameSite=Strict") || session.contains("SameSite=Lax"), "{session}");
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
        let csrf = visitor.token("/account").await;
        visitor.post("/session/end", &[("csrf", &csrf)]).await;
        assert!(!visitor.is_signed_in().await);
    });
}
