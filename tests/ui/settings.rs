//! A container's settings in the story: paused and resumed, its limits and policy changed while it runs, renamed, pruned.

use harness::{Docker, wait::eventually};

use crate::story::Told;

impl Told<'_> {
    /// `uploaded:1` is here already.
    pub async fn settings_change_what_runs(&self, docker: &Docker) {
        let browser = self.browser;
        docker
            .run(&["run", "-d", "--name", "tuned", "-l", "mark=tuned", "-m", "32m", "uploaded:1", "sleep", "1000"])
            .ok();
        let inspect = |name: &str, format: &str| docker.run(&["inspect", "-f", format, name]).ok();
        self.open("/containers/tuned/settings").await;
        browser.click(".head details.menu summary").await;
        browser.click(".head button[formaction='/containers/tuned/pause']").await;
        browser.until(".note[role=status]", "tuned").await;
        eventually("it is paused", || (inspect("tuned", "{{.State.Status}}") == "paused").then_some(()));
        browser.click(".head button[formaction='/containers/tuned/unpause']").await;
        eventually("it goes on", || (inspect("tuned", "{{.State.Status}}") == "running").then_some(()));

        self.open("/containers/tuned/settings").await;
        browser.fill("#sm", "much").await;
        browser.click("form[action='/containers/tuned/settings'] button.primary").await;
        browser.until(".note[role=alert]", "Memory").await;
        browser.fill("#sm", "96").await;
        browser.fill("#sp", "40").await;
        browser.fill("#sc", "0.5").await;
        let choose = "document.querySelector('#rp').value = 'unless-stopped'; return true";
        browser.until_true(choose, vec![], "a policy is chosen").await;
        self.picture("settings").await;
        browser.click("form[action='/containers/tuned/settings'] button.primary").await;
        browser.until(".note[role=status]", "tuned").await;
        let shown = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}} \
                     {{.HostConfig.RestartPolicy.Name}}";
        assert_eq!(inspect("tuned", shown), "100663296 40 500000000 unless-stopped");

        browser.fill("#nn", "tuned-well").await;
        browser.click("form[action='/containers/tuned/rename'] button").await;
        browser.until("main h1", "tuned-well").await;
        assert_eq!(inspect("tuned-well", "{{.State.Status}}"), "running");
        docker.run(&["stop", "-t", "0", "tuned-well"]).ok();
        browser.assert_quiet(&["422"]).await;

        self.open("/containers/prune").await;
        browser.fill("#pl", "mark=tuned").await;
        browser.click("form[action='/containers/prune'][method=get] button").await;
        browser.until("main .items", "tuned-well").await;
        self.picture("containers-prune").await;
        browser.click("form[action='/containers/prune'][method=post] button.danger").await;
        browser.until(".note[role=status]", "removed").await;
        docker.run(&["inspect", "tuned-well"]).fails();
        browser.assert_quiet(&[]).await;
    }
}
