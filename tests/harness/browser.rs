//! Headless Chromium at a space's neighbour, driven through chromedriver.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Child, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::{Space, client, wait::Heard};

/// Light or dark, as the system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `prefers-color-scheme: light`
    Light,
    /// `prefers-color-scheme: dark`
    Dark,
}

/// A browser. Make and use it within [`Space::inside_neighbour`], after a [`Space::relay`] of the ports it is to see.
pub struct Browser {
    driver: Child,
    address: String,
    client: Client,
    session: String,
    http: reqwest::Client,
    addresses: Mutex<HashMap<String, String>>,
}

impl Browser {
    /// Starts one with an empty profile and this language, `en` say.
    pub async fn start(space: &Space, language: &str) -> Self {
        let profile = tempfile::Builder::new().prefix("profile-").tempdir_in(space.side()).expect("a folder").keep();
        let mut command = space.neighbour("chromedriver");
        command.args(["--port=0", "--log-level=SEVERE"]).env("HOME", &profile);
        let mut driver =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("nsenter runs");
        let output = Heard::from(driver.stdout.take().expect("it is piped"));
        let text = output.until("successfully on port ");
        let port: String = text
            .split_once("successfully on port ")
            .map_or("", |(_, rest)| rest)
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let address = format!("http://127.0.0.1:{port}");

        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1440,900",
            &format!("--user-data-dir={}", profile.display()),
            &format!("--lang={language}"),
            &format!("--accept-lang={language}"),
        ]
        .map(ToOwned::to_owned);
        let capabilities = json!({
            "goog:chromeOptions": {"args": arguments, "binary": "/usr/bin/chromium", "prefs": {"intl.accept_languages": language}},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is written as an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&address)
            .await
            .unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        let session = client.session_id().await.ok().flatten().expect("a session has an id");
        Self { driver, address, client, session, http: self::client(), addresses: Mutex::default() }
    }

    /// The WebDriver client, for what has no helper here.
    pub fn driver(&self) -> &Client {
        &self.client
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Waits for an element.
    pub async fn find(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(Duration::from_secs(20));
        wait.for_element(Locator::Css(css)).await.unwrap_or_else(|error| panic!("no {css} on the page: {error}"))
    }

    /// Whether such an element is there now.
    pub async fn has(&self, css: &str) -> bool {
        self.client.find_all(Locator::Css(css)).await.is_ok_and(|found| !found.is_empty())
    }

    /// Waits for an element and clicks it.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css} can't be clicked: {error}"));
    }

    /// Waits for a field and replaces what is in it. File fields take a path.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        if field.prop("type").await.ok().flatten().as_deref() != Some("file") {
            field.clear().await.unwrap_or_else(|error| panic!("{css} can't be cleared: {error}"));
        }
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{css} can't be filled: {error}"));
    }

    /// What a person sees of an element.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap_or_else(|error| panic!("{css} has no text: {error}"))
    }

    /// Waits until an element's text has these words.
    pub async fn until(&self, css: &str, words: &str) {
        let script =
            "return [...document.querySelectorAll(arguments[0])].some(e => e.innerText.includes(arguments[1]))";
        self.until_true(script, vec![json!(css), json!(words)], &format!("{css} with {words:?}")).await;
    }

    /// Whether an element's text has these words now.
    pub async fn shows(&self, css: &str, words: &str) -> bool {
        let found = self.client.find_all(Locator::Css(css)).await.unwrap_or_default();
        for element in found {
            if element.text().await.is_ok_and(|text| text.contains(words)) {
                return true;
            }
        }
        false
    }

    /// Waits until one of these elements is there.
    pub async fn until_any(&self, css: &[&str]) {
        self.find(&css.join(", ")).await;
    }

    /// Waits until the address is below this path.
    pub async fn until_path(&self, path: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let address = self.client.current_url().await.unwrap_or_else(|error| panic!("no address: {error}"));
            if address.path().starts_with(path) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{address} is not below {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a script returns true.
    pub async fn until_true(&self, script: &str, arguments: Vec<Value>, what: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            // A page that is just being replaced answers with an error; the next one is asked again.
            if matches!(self.client.execute(script, arguments.clone()).await, Ok(Value::Bool(true))) {
                return;
            }
            let seen = if tokio::time::Instant::now() > deadline { Some(self.text("body").await) } else { None };
            assert!(seen.is_none(), "not on the page: {what}\n{}", seen.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presents the page on a screen of this width and height in this look. Below 500 it is a phone with touch.
    pub async fn present(&self, width: u32, height: u32, look: Look) {
        let phone = width < 500;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.command("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if look == Look::Dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", media).await;
    }

    /// Switches JavaScript off or on for pages opened from now on.
    pub async fn scripting(&self, on: bool) {
        self.command("Emulation.setScriptExecutionDisabled", json!({"value": !on})).await;
    }

    /// A picture of the whole page, into `<folder>/<name>.png`.
    pub async fn shoot(&self, folder: &Path, name: &str) {
        let shot =
            self.command("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true})).await;
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().unwrap_or_default()).expect("base64");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(folder.join(format!("{name}.png")), bytes).expect("the picture can be written");
    }

    /// Panics when the page is wider than the screen.
    pub async fn assert_fits(&self) {
        let script = "const e = document.documentElement; return [e.scrollWidth, window.innerWidth]";
        let widths = self.client.execute(script, Vec::new()).await.expect("scripts run");
        let (page, screen) = (widths[0].as_u64().unwrap_or(u64::MAX), widths[1].as_u64().unwrap_or_default());
        assert!(page <= screen, "the page is {page} wide on a screen of {screen}");
    }

    /// A DevTools command.
    pub async fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": name, "params": parameters})).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let address = format!("{}/session/{}/{path}", self.address, self.session);
        let answer = self.http.post(address).json(&body).send().await.expect("chromedriver answers");
        let mut answer: Value = answer.json().await.expect("chromedriver speaks JSON");
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {}", answer["value"]);
        answer["value"].take()
    }

    /// What went wrong since the last call: console errors, uncaught exceptions, blocked content, failed requests and
    /// answers of 400 and above.
    pub async fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in self.post("se/log", json!({"type": "browser"})).await.as_array().into_iter().flatten() {
            if matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")) {
                found.push(format!("console: {}", entry["message"].as_str().unwrap_or_default()));
            }
        }
        let events = self.post("se/log", json!({"type": "performance"})).await;
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in events.as_array().into_iter().flatten() {
            let message: Value =
                serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap_or_default();
            let event = &message["message"];
            let parameters = &event["params"];
            let id = parameters["requestId"].as_str().unwrap_or_default().to_owned();
            match event["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    addresses.insert(id, parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
                }
                // A page that is left cancels what it was still loading: no failure.
                Some("Network.loadingFailed") if parameters["canceled"] != json!(true) => {
                    // One that was never seen to begin is the browser's own, from its start page.
                    if let Some(address) = addresses.get(&id) {
                        found.push(format!("request failed: {} {address}", parameters["errorText"]));
                    }
                }
                Some("Network.responseReceived") if parameters["response"]["status"].as_u64() >= Some(400) => {
                    found.push(format!("{} {}", parameters["response"]["status"], parameters["response"]["url"]));
                }
                _ => {}
            }
        }
        found
    }

    /// Panics when something went wrong since the last look; answers expected to fail are taken out by `expected`.
    pub async fn assert_quiet(&self, expected: &[&str]) {
        let mut found = self.complaints().await;
        found.retain(|line| !expected.iter().any(|word| line.contains(word)));
        assert!(found.is_empty(), "the browser complains:\n  {}", found.join("\n  "));
    }

    /// Ends it.
    pub async fn close(mut self) {
        let _ = self.client.clone().close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
