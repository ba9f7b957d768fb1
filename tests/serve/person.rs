//! A person at an HTTP client: on the pages, and at the registry with a name and a password.

use harness::Darsena;
use regex::Regex;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// The administrator every test makes.
pub const USER: &str = "ada";
/// Long, and in no list of common ones.
pub const PASSWORD: &str = "seven quiet cranes";

/// Somebody.
pub struct Person {
    client: Client,
    base: String,
    /// What goes along with requests to the registry.
    pub witness: Witness,
}

/// How a request says whose it is.
#[derive(Clone)]
pub enum Witness {
    /// Not at all.
    None,
    /// A name and a password or an API token.
    Basic(String, String),
    /// A bearer token.
    Bearer(String),
}

impl Person {
    /// The administrator, by password.
    pub fn new(darsena: &Darsena) -> Self {
        Self {
            client: harness::client(),
            base: darsena.url(""),
            witness: Witness::Basic(USER.to_owned(), PASSWORD.to_owned()),
        }
    }

    /// The same with another witness.
    pub fn with(darsena: &Darsena, witness: Witness) -> Self {
        Self { witness, ..Self::new(darsena) }
    }

    /// Makes the administrator.
    pub async fn set_up(darsena: &Darsena) {
        let person = Self::new(darsena);
        let (csrf, word) = (person.form_token("/setup").await, darsena.setup_word());
        let fields = [("csrf", csrf.as_str()), ("word", &word), ("user", USER), ("password", PASSWORD)];
        assert_eq!(person.post("/setup", &fields).await.status(), StatusCode::SEE_OTHER);
    }

    /// A page's text.
    pub async fn page(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    /// The form token of a page.
    pub async fn form_token(&self, path: &str) -> String {
        let page = self.page(path).await;
        let token = Regex::new(r#"name="csrf" value="([^"]+)""#).unwrap();
        token.captures(&page).unwrap_or_else(|| panic!("{path} has no form token:\n{page}"))[1].to_owned()
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.base)).header("origin", &self.base);
        request.form(fields).send().await.unwrap()
    }

    /// Signs in on the pages with the name and the password this person has.
    pub async fn sign_in(&self) {
        assert_eq!(self.try_sign_in().await, StatusCode::SEE_OTHER);
    }

    /// Tries to sign in; how that was answered.
    pub async fn try_sign_in(&self) -> StatusCode {
        let (name, secret) = match &self.witness {
            Witness::Basic(name, secret) => (name.as_str(), secret.as_str()),
            _ => (USER, PASSWORD),
        };
        let csrf = self.form_token("/session").await;
        let fields = [("csrf", csrf.as_str()), ("user", name), ("password", secret), ("back", "")];
        self.post("/session", &fields).await.status()
    }

    /// How a page is answered.
    pub async fn status(&self, path: &str) -> StatusCode {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().status()
    }

    /// Sends a form with the token of the page it is on; how that was answered.
    pub async fn send(&self, on: &str, path: &str, fields: &[(&str, &str)]) -> StatusCode {
        let csrf = self.form_token(on).await;
        let all: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.post(path, &all).await.status()
    }

    /// Makes an API token on the account page; the page shows it this once.
    pub async fn token(&self, name: &str, right: &str) -> String {
        let csrf = self.form_token("/account").await;
        let fields = [("csrf", csrf.as_str()), ("name", name), ("right", right), ("days", "30")];
        let made = self.post("/account/tokens", &fields).await;
        assert_eq!(made.status(), StatusCode::OK);
        let page = made.text().await.unwrap();
        let token = Regex::new("darsena_[0-9]+_[0-9a-f]{64}").unwrap();
        let token = token.find(&page).unwrap_or_else(|| panic!("no token:\n{page}")).as_str().to_owned();
        assert!(!self.page("/account").await.contains(&token), "it is shown once");
        token
    }

    /// A request to the registry.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.witness {
            Witness::None => request,
            Witness::Basic(name, secret) => request.basic_auth(name, Some(secret)),
            Witness::Bearer(token) => request.bearer_auth(token),
        }
    }

    /// Reads from the registry.
    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    /// The answer's status and the code of its error.
    pub async fn refused(&self, request: RequestBuilder) -> (u16, String) {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["errors"][0]["code"].as_str().unwrap().to_owned())
    }

    /// Uploads a blob in one request.
    pub async fn upload(&self, name: &str, blob: &harness::image::Blob) {
        let path = format!("/v2/{name}/blobs/uploads/?digest={}", blob.digest);
        let answer = self.ask(Method::POST, &path).body(blob.bytes.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
    }

    /// Puts a manifest.
    pub async fn put(&self, name: &str, reference: &str, manifest: &harness::image::Blob) -> Response {
        let request = self.ask(Method::PUT, &format!("/v2/{name}/manifests/{reference}"));
        request.header("content-type", &manifest.media_type).body(manifest.bytes.clone()).send().await.unwrap()
    }

    /// Pushes an image: its manifest comes first.
    pub async fn push(&self, name: &str, tag: &str, blobs: &[harness::image::Blob]) {
        for blob in &blobs[1..] {
            self.upload(name, blob).await;
        }
        let answer = self.put(name, tag, &blobs[0]).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
    }

    /// Removes by tag or digest.
    pub async fn remove(&self, name: &str, reference: &str) {
        let answer = self.ask(Method::DELETE, &format!("/v2/{name}/manifests/{reference}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{}", answer.text().await.unwrap());
    }
}
