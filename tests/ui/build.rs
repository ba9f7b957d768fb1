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

    pub async fn arguments_are_rows(&self) {
        let browser = self.browser;
        self.open("/builds/new").await;
        browser.fill("#df", "FROM uploaded:1\nARG A\nARG B\nRUN echo \"$A and $B\"\n").await;
        browser.fill("#nm", "rows:1").await;
        browser.click("details:has(#an0) summary").await;
        browser.fill("#an0", "A").await;
        browser.fill("#av0", "one").await;
        for row in [1, 2] {
            // On a phone the main button sticks to the bottom, over what happens to be there.
            let script = "document.querySelector('button[name=add][value=arg]').scrollIntoView({ block: 'center' })";
            browser.driver().execute(script, Vec::new()).await.unwrap();
            browser.click("button[name=add][value=arg]").await;
            browser.find(&format!("#an{row}")).await;
        }
        browser.click("button[name=remove][value='arg:1']").await;
        let script = "return document.querySelectorAll('input[name=arg_name]').length === 2";
        browser.until_true(script, Vec::new(), "two rows").await;
        browser.fill(".line:nth-of-type(2) input[name=arg_name]", "B").await;
        browser.fill(".line:nth-of-type(2) input[name=arg_value]", "two words").await;
        self.picture("build-rows").await;
        browser.click("#go").await;
        let address = self.build_page("/builds/new").await;
        self.until(&address, "#logs ol", "one and two words").await;
        self.until(&address, "main .state.done", "").await;
        browser.assert_quiet(&[]).await;
    }

    pub async fn records_go_together(&self) {
        let browser = self.browser;
        self.open("/builds").await;
        let count = "return document.querySelectorAll('tbody tr').length";
        let before = browser.driver().execute(count, Vec::new()).await.unwrap().as_u64().unwrap();
        for row in [1, 2] {
            browser.click(&format!("tbody tr:nth-child({row}) input[name=id]")).await;
        }
        browser.click(".bulk button.danger").await;
        browser.find("form[data-question] button.primary").await;
        assert_eq!(browser.has("dialog[open]").await, self.person.scripts, "asked over the page where that works");
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=status]", "2 records were removed").await;
        let after = browser.driver().execute(count, Vec::new()).await.unwrap().as_u64().unwrap();
        assert_eq!(after, before - 2);
        browser.assert_quiet(&[]).await;
    }
}
