//! The story in the browser: first run, a container's life, images, audit; in light and dark, on a desk and on a phone,
//! with and without JavaScript; and what the pages refuse.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod build;
mod changes;
mod edit;
mod guard;
mod health;
mod images;
mod launch;
mod logs;
mod pages;
mod settings;
mod story;
mod terminal;
mod usage;
mod volumes;

use std::process::ExitCode;

use harness::{Browser, Darsena, Suite};

/// The administrator every test makes.
const USER: &str = "ada";
/// Long, and in no list of common ones.
const PASSWORD: &str = "seven quiet cranes";

fn main() -> ExitCode {
    let suite = Suite::new(&["chromium", "chromedriver", "docker-registry"], |_| {});
    let suite = edit::tests(launch::tests(suite));
    let suite = health::tests(terminal::tests(volumes::tests(suite)));
    usage::tests(guard::tests(logs::tests(pages::tests(story::tests(suite))))).run()
}

/// Fills the first-run page and ends on the overview, signed in.
async fn set_up(browser: &Browser, darsena: &Darsena) {
    browser.open(&darsena.url("/setup")).await;
    browser.fill("#w", &darsena.setup_word()).await;
    browser.fill("#u", USER).await;
    browser.fill("#p", PASSWORD).await;
    browser.click("form[action^='/setup'] button.primary").await;
    sign_in(browser, darsena).await;
}

/// Signs in when the overview asks for it.
async fn sign_in(browser: &Browser, darsena: &Darsena) {
    browser.until_any(&["form[action^='/session'] #p", "nav.side, #nav"]).await;
    if browser.has("form[action^='/session'] #p").await {
        browser.fill("#u", USER).await;
        browser.fill("#p", PASSWORD).await;
        browser.click("form[action^='/session'] button.primary").await;
    }
    browser.find("#main").await;
    assert!(browser.driver().current_url().await.unwrap().as_str().starts_with(&darsena.url("/")));
}
