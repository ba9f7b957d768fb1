//! A container's changes in the story: looked at, saved as an image, its files taken out.

use harness::{Docker, wait::eventually};

use crate::story::Told;

impl Told<'_> {
    /// `uploaded:1` is here already.
    pub async fn changes_become_an_image(&self, docker: &Docker) {
        let browser = self.browser;
        let downloads = self.keeps_downloads().await;
        let change = "echo from the container >/note; mkdir -p '/a/<img src=x>'; rm /bin/wc";
        docker.run(&["run", "--name", "changed", "uploaded:1", "sh", "-c", change]).ok();
        self.open("/containers/changed").await;
        browser.click("nav.tabs a[href$='/changes']").await;
        browser.until("main tbody", "/a/<img src=x>").await;
        for (path, word) in [("/note", "Added"), ("/bin", "Changed"), ("/bin/wc", "Removed")] {
            let script = "return [...document.querySelectorAll('tbody tr')].some(row =>
                row.cells[0].textContent === arguments[0] && row.cells[1].textContent === arguments[1])";
            browser.until_true(script, vec![path.into(), word.into()], &format!("{path} {word}")).await;
        }
        self.picture("changes").await;
        browser.click("nav.seg a[href$='kind=removed']").await;
        browser.until("nav.seg [aria-current]", "Removed").await;
        assert!(!browser.shows("main tbody", "/note").await, "only what was removed");

        browser.click("a[href$='/commit'].primary").await;
        browser.fill("#nm", "committed:1").await;
        browser.fill("#ms", "by hand").await;
        browser.fill("#cg", "RUN true").await;
        browser.click("form[action='/containers/changed/commit'] button.primary").await;
        browser.until(".note[role=alert]", "RUN").await;
        browser.fill("#cg", "CMD [\"cat\", \"/note\"]\nENV A=b").await;
        self.picture("commit").await;
        browser.click("form[action='/containers/changed/commit'] button.primary").await;
        browser.until(".note[role=status]", "committed:1").await;
        browser.until("main h1", "committed").await;
        self.picture("committed").await;
        assert_eq!(docker.run(&["run", "--rm", "committed:1"]).ok(), "from the container");
        let said = docker.run(&["image", "inspect", "-f", "{{.Author}} {{.Comment}}", "committed:1"]).ok();
        assert_eq!(said, format!("{} by hand", crate::USER));
        browser.assert_quiet(&["422"]).await;

        self.open("/containers/changed/changes").await;
        browser.click("main a[href='/containers/changed/export'].btn").await;
        let files = downloads.join("changed.tar");
        eventually("the files are downloaded", || files.exists().then_some(()));
        docker.run(&["import", files.to_str().unwrap(), "exported:1"]).ok();
        let note = docker.run(&["run", "--rm", "exported:1", "cat", "/note"]).ok();
        assert_eq!(note, "from the container");
        docker.run(&["rm", "changed"]).ok();
        browser.assert_quiet(&[]).await;
    }
}
