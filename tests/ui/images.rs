//! Images in the story: named, looked at, saved, imported, removed one by one, by several and when nothing uses them; and
//! what the search says.

use std::path::PathBuf;

use harness::{
    Docker,
    image::{Layer, busybox},
    wait::eventually,
};
use serde_json::json;

use crate::story::Told;

impl Told<'_> {
    /// Where the browser puts what is downloaded from now on.
    pub async fn keeps_downloads(&self) -> PathBuf {
        let folder = self.darsena.space().side().join("downloads");
        std::fs::create_dir_all(&folder).unwrap();
        let parameters = json!({ "behavior": "allow", "downloadPath": folder });
        self.browser.command("Browser.setDownloadBehavior", parameters).await;
        folder
    }

    /// `uploaded:1` is here already, and `docker` is a client of this server.
    pub async fn an_image_is_named_saved_and_removed(&self, docker: &Docker) {
        let browser = self.browser;
        let downloads = self.keeps_downloads().await;
        self.open("/images?ref=uploaded:1").await;
        browser.until("main h1", "uploaded").await;
        let page = browser.driver().current_url().await.unwrap().path().to_owned();
        browser.click("#history summary").await;
        browser.until("#history tbody", "test harness").await;
        browser.fill("#tn", "team/second:1").await;
        browser.click(&format!("form[action='{page}/tag'] button")).await;
        browser.until("#names", "team/second:1").await;
        browser.until(".note[role=status]", "team/second:1").await;
        self.picture("image").await;
        browser.fill("#tn", "Not A Name").await;
        browser.click(&format!("form[action='{page}/tag'] button")).await;
        browser.find(".note[role=alert]").await;

        // Two names of one image, as one archive that docker reads.
        self.open("/images").await;
        browser.click("input[name=id][value='uploaded:1']").await;
        browser.click("input[name=id][value='team/second:1']").await;
        self.picture("images-chosen").await;
        browser.click("button[name=do][value=save]").await;
        let archive = downloads.join("2-images.tar");
        eventually("the archive is downloaded", || archive.exists().then_some(()));
        let said = docker.run(&["load", "-i", archive.to_str().unwrap()]).ok();
        assert!(said.contains("uploaded:1") && said.contains("team/second:1"), "{said}");
        self.open(&page).await;
        browser.click(&format!("a[href='{page}/save']")).await;
        eventually("one image is downloaded", || downloads.join("team-second-1.tar").exists().then_some(()));

        self.open(&format!("{page}/remove?name=team/second:1")).await;
        browser.until("form[data-question]", "stays under its other names").await;
        self.picture("image-untag").await;
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=status]", "still here").await;
        assert!(!browser.shows("#names", "team/second:1").await, "the name is gone");

        // A stopped container protects it until it is forced.
        let archive = busybox().layer(Layer::new().file("note", "forced")).docker_archive(&["forced:1"]);
        docker.run_with(&["load"], &archive).ok();
        docker.run(&["create", "--name", "holds", "forced:1", "true"]).ok();
        self.open("/images?ref=forced:1").await;
        browser.click("main .head a.danger").await;
        browser.until("form[data-question]", "holds").await;
        self.picture("image-remove-used").await;
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=alert]", "must be forced").await;
        self.picture("image-kept").await;
        browser.assert_quiet(&["409"]).await;
        browser.click("input[name=force]").await;
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=status]", "forced:1 was removed").await;
        docker.run(&["image", "inspect", "forced:1"]).fails();
        docker.run(&["rm", "holds"]).ok();
    }

    pub async fn images_are_narrowed_and_removed(&self, docker: &Docker) {
        let browser = self.browser;
        let with = |text: &str| busybox().layer(Layer::new().file("note", text)).docker_archive(&["moves:1"]);
        docker.run_with(&["load"], &with("old")).ok();
        let old = docker.run(&["images", "-q", "--no-trunc", "moves:1"]).ok();
        docker.run_with(&["load"], &with("new")).ok();
        docker.run(&["tag", "moves:1", "moves:2"]).ok();

        self.open("/images").await;
        browser.click("details.more summary").await;
        browser.fill("#fr", "moves*").await;
        browser.click("input[name=digests]").await;
        if browser.has("details.more:not([open])").await {
            browser.click("details.more summary").await;
        }
        browser.click("details.more button").await;
        browser.until("#live", "moves").await;
        assert!(!browser.shows("#live", "uploaded").await, "only what fits is listed");
        self.picture("images-narrowed").await;
        self.open("/images?before=nobody:1").await;
        browser.until(".note[role=alert]", "nobody:1").await;
        browser.assert_quiet(&["422"]).await;

        let short = &old.trim_start_matches("sha256:")[..12];
        self.open("/images/prune").await;
        browser.until("form[data-question]", short).await;
        assert!(!browser.shows("form[data-question]", "moves").await, "what has a tag stays");
        self.picture("images-prune").await;
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=status]", "1 image was removed").await;
        assert!(!browser.shows(".note[role=status]", "; 0\u{202f}B").await, "what it took is free");
        docker.run(&["image", "inspect", &old]).fails();
        self.open("/images/prune").await;
        browser.until("main", "Nothing would go").await;

        self.open("/images").await;
        browser.click("input[name=id][value='moves:1']").await;
        browser.click("input[name=id][value='moves:2']").await;
        browser.click("button[name=do][value=remove]").await;
        browser.find("form[data-question] button.primary").await;
        assert_eq!(browser.has("dialog[open]").await, self.person.scripts, "asked over the page where that works");
        self.picture("images-remove").await;
        browser.click("form[data-question] button.primary").await;
        browser.until(".note[role=status]", "2 names were removed").await;
        docker.run(&["image", "inspect", "moves:1"]).fails();
        browser.assert_quiet(&[]).await;
    }

    pub async fn the_search_says_what_works(&self) {
        let browser = self.browser;
        self.open("/images/search").await;
        browser.fill("#is", "uploaded").await;
        browser.click("form[action='/images/search'] button").await;
        browser.until("main .note", "No index of images can be reached.").await;
        browser.until("main .items", "uploaded:1").await;
        self.picture("images-search").await;
        browser.assert_quiet(&["501"]).await;
    }

    pub async fn a_file_system_is_imported(&self, docker: &Docker) {
        let browser = self.browser;
        let file = self.darsena.space().side().join("rootfs.tar");
        std::fs::write(&file, Layer::new().file("hello", "from outside\n").tar()).unwrap();
        self.open("/images/import").await;
        self.picture("image-import").await;
        browser.fill("#nm", "imported:1").await;
        browser.click("#go").await;
        browser.until(".note[role=alert]", "Nothing was imported.").await;
        browser.fill("#cg", "FROM scratch").await;
        browser.fill("#ar", file.to_str().unwrap()).await;
        browser.click("#go").await;
        browser.until(".note[role=alert]", "FROM").await;
        browser.fill("#cg", "CMD [\"/hello\"]\nLABEL from=outside").await;
        browser.fill("#ar", file.to_str().unwrap()).await;
        browser.click("#go").await;
        browser.until(".note[role=status]", "imported:1").await;
        browser.until_path("/images/sha256").await;
        let labels = docker.run(&["image", "inspect", "-f", "{{.Config.Labels}} {{.Config.Cmd}}", "imported:1"]).ok();
        assert_eq!(labels, "map[from:outside] [/hello]");
        browser.assert_quiet(&["422"]).await;
    }
}
