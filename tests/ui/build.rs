//! Builds in the story: a pasted Dockerfile is looked over, built and watched; its image opened; another one cancelled; an
//! archive uploaded.

use harness::image::Layer;
use serde_json::json;

use crate::story::Told;

impl Told<'_> {
    /// Waits for the page of a build, coming from another page; gives its path.
    async fn build_page(&self, from: &str) -> String {
        let script = "return /^\\/builds\\/[0-9]+$/.test(location.pathname) && location.pathname !== arguments[0]";
        self.browser.until_true(script, vec![json!(from)], "the page of a build").await;
        self.browser.driver().current_url().await.unwrap().path().to_owned()
    }

    /// `uploaded:1` is here already.
    pub async fn an_image_is_built(&self) {
        let browser = self.browser;
        self.open("/builds").await;
        self.picture("builds-empty").await;
        self.open("/builds/new").await;
        browser.fill("#df", "FROM uploaded:1\nMAINTAINER nobody\nRUN echo seen in the log\nRUN echo two >/two\n").await;
        if !self.person.scripts {
            browser.click("button[formaction='/builds/check']").await;
        }
        browser.until("#findings", "MaintainerDeprecated").await;
        browser.fill("#nm", "built:1").await;
        self.picture("build-new").await;
        browser.click("#go").await;
        let address = self.build_page("/builds/new").await;
        self.until(&address, "main .state.done", "").await;
        self.until(&address, "#logs ol", "seen in the log").await;
        browser.until("#logs ol", "Successfully built").await;
        browser.until("#steps", "RUN echo seen in the log").await;
        self.picture("build").await;
        self.open(&format!("{address}?step=4")).await;
        assert!(!browser.shows("#logs ol", "seen in the log").await, "only the chosen step's output is shown");
        browser.click("main .head a[href^='/images/']").await;
        browser.until("main h1", "built").await;
        assert!(browser.has(&format!("a[href='{address}']")).await, "the image knows its build");

        self.open(&address).await;
        browser.click(&format!("form[action='{address}/again'] button")).await;
        let again = self.build_page(&address).await;
        self.until(&again, "main .state.done", "").await;
        browser.until("#logs ol", "Using cache").await;
        self.open(&format!("{again}/remove")).await;
        browser.click("form[data-question] button.primary").await;
        browser.find("main h1").await;
        self.open("/builds").await;
        assert!(!browser.has(&format!("a[href='{again}']")).await, "its record is gone");
        self.picture("builds").await;
        browser.assert_quiet(&[]).await;
    }

    pub async fn a_build_is_cancelled(&self) {
        let browser = self.browser;
        self.open("/builds/new").await;
        browser.fill("#df", "FROM uploaded:1\nRUN echo it waits; sleep 73914\n").await;
        browser.click("#go").await;
        let address = self.build_page("/builds/new").await;
        self.until(&address, "#logs ol", "it waits").await;
        self.picture("build-running").await;
        browser.click(&format!("form[action='{address}/cancel'] button")).await;
        self.until(&address, "main .state.paused", "").await;
        assert!(!self.darsena.space().output("ps", &["-ww", "-eo", "args"]).lines().any(|line| line == "sleep 73914"));
        browser.assert_quiet(&[]).await;
    }

    pub async fn a_folder_is_uploaded_and_built(&self) {
        let browser = self.browser;
        let file = self.darsena.space().side().join("context.tar");
        let context = Layer::new().file("Dockerfile", "FROM uploaded:1\nCOPY note /note\n").file("note", "hi\n");
        std::fs::write(&file, context.tar()).unwrap();
        self.open("/builds/new?way=upload").await;
        browser.fill("#nm", "folder:1").await;
        browser.fill("#ar", file.to_str().unwrap()).await;
        self.picture("build-upload").await;
        browser.click("#go").await;
        let address = self.build_page("/builds/new").await;
        self.until(&address, "main .state.done", "").await;
        self.open("/builds/cache").await;
        browser.until("main table", "COPY note /note").await;
        self.picture("build-cache").await;
        browser.assert_quiet(&[]).await;
    }
}
