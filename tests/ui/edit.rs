//! A container made anew from its page: what changes is shown first, the version before is kept, there is a way back, and
//! one that can't start changes nothing.

use harness::{Browser, Darsena, Docker, Look, Suite, image::busybox_archive};

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("a_container_is_made_anew_and_goes_back", with_script)
        .alone("a_container_is_made_anew_without_script", without_script)
        .alone("a_container_that_ended_is_not_moored", moored)
}

const SAVE: &str = "form[action='/containers/shop/edit'] button[name=sure]";
const REVIEW: &str = ".submit button.primary";

fn run(docker: &Docker) {
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    docker.run(&["network", "create", "--subnet", "10.77.0.0/24", "quay"]).ok();
    docker.run(&["network", "create", "back"]).ok();
    let place = ["--network", "name=quay,alias=front,ip=10.77.0.9", "--network", "back"];
    let more = ["-e", "GREETING=hello", "-m", "32m", "-v", "data:/d", "-v", "/own", "-p", "8099:80", "--init"];
    let health = ["--health-cmd", "true", "--health-interval", "1s", "--stop-timeout", "0", "test:1", "sleep", "1000"];
    docker.run(&[&["run", "-d", "--name", "shop"], &place[..], &more[..], &health[..]].concat()).ok();
}

fn inspect(docker: &Docker, format: &str) -> String {
    docker.run(&["inspect", "-f", format, "shop"]).ok()
}

const ASKED: &str = "{{.HostConfig.Memory}} {{index .Config.Env 1}} {{.State.Status}} {{.HostConfig.Init}}";
/// Its places in networks.
const PLACES: &str =
    "{{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{$one.IPAMConfig}} {{$one.Aliases}};{{end}}";
const VOLUMES: &str = "{{range .Mounts}}{{.Name}} {{.Destination}};{{end}}";

fn with_script() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    run(&docker);
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1440, 900, Look::Light).await;
        let (id, volumes) = (inspect(&docker, "{{.Id}}"), inspect(&docker, VOLUMES));
        let places = inspect(&docker, PLACES);
        assert!(places.contains("back") && places.contains("10.77.0.9"), "{places}");
        browser.open(&darsena.url("/containers/shop")).await;
        browser.click(".head details.menu summary").await;
        browser.click(".head a[href='/containers/shop/edit']").await;
        browser.until("main h1", "Edit shop").await;
        browser.until("#preview-room", "Nothing changes.").await;
        browser.fill("#ev0", "good day").await;
        browser.fill("#l1", "48").await;
        browser.until("#preview-room .diff", "-e 'GREETING=good day'").await;
        browser.until("#preview-room .diff .goes", "GREETING=hello").await;
        browser.shoot(&shots(), "edit-form").await;
        browser.click(REVIEW).await;
        browser.until(".diff", "-m 48m").await;
        browser.shoot(&shots(), "edit-review").await;
        assert_eq!(inspect(&docker, "{{.Id}}"), id, "nothing is done yet");
        browser.click("button[name=back]").await;
        browser.find("#ev0").await;
        browser.click(REVIEW).await;
        browser.present(390, 800, Look::Dark).await;
        browser.assert_fits().await;
        browser.shoot(&shots(), "edit-review-390-dark").await;
        browser.click(SAVE).await;
        browser.until(".note[role=status]", "shop was made anew").await;
        assert_eq!(inspect(&docker, ASKED), "50331648 GREETING=good day running true");
        assert_eq!(inspect(&docker, VOLUMES), volumes, "the same volumes");
        assert_eq!(inspect(&docker, PLACES), places, "the same networks");
        assert_eq!(inspect(&docker, "{{.NetworkSettings.Networks.quay.IPAddress}}"), "10.77.0.9");
        assert_ne!(inspect(&docker, "{{.Id}}"), id);
        browser.until("#versions", "shop-previous-").await;
        browser.assert_fits().await;
        browser.shoot(&shots(), "edit-versions-390-dark").await;
        browser.present(1440, 900, Look::Light).await;
        browser.shoot(&shots(), "edit-versions").await;

        // One that can't be started: the container is as it was, and the form says why.
        browser.open(&darsena.url("/containers/shop/edit")).await;
        let open = "document.querySelectorAll('main details').forEach(one => { one.open = true }); return true";
        browser.until_true(open, vec![], "the sections are open").await;
        browser.fill("#cm", "/no/such/program").await;
        let now = inspect(&docker, "{{.Id}}");
        browser.click(REVIEW).await;
        browser.click(SAVE).await;
        browser.until(".note.bad", "/no/such/program").await;
        browser.find(".field:has(#cm) .err").await;
        browser.shoot(&shots(), "edit-failed").await;
        assert_eq!((inspect(&docker, "{{.Id}}"), inspect(&docker, "{{.State.Status}}")), (now, "running".into()));
        assert_eq!(docker.run(&["ps", "-aq"]).ok().lines().count(), 2, "nothing is left of it");
        browser.assert_quiet(&["422"]).await;

        browser.open(&darsena.url("/containers/shop")).await;
        browser.click("#versions form button").await;
        browser.until(".note[role=status]", "shop is as it was").await;
        assert_eq!(inspect(&docker, "{{.Id}}"), id);
        assert_eq!(inspect(&docker, ASKED), "33554432 GREETING=hello running true");
        browser.click("#versions li > span a").await;
        browser.until("#replaced", "shop").await;
        browser.open(&darsena.url("/containers/shop")).await;
        browser.click("#versions a[href*='/forget?']").await;
        browser.click("form[action='/containers/shop/forget'] button.primary").await;
        browser.until(".note[role=status]", "was removed").await;
        assert!(!browser.has("#versions").await);
        assert_eq!(docker.run(&["ps", "-aq"]).ok().lines().count(), 1);
        browser.open(&darsena.url("/audit")).await;
        for action in ["container.replace", "container.go_back", "container.forget"] {
            browser.until("main table", action).await;
        }
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "-v", "shop"]).ok();
    docker.run(&["volume", "rm", "data"]).ok();
    docker.run(&["network", "rm", "quay", "back"]).ok();
    darsena.assert_clean();
}

fn without_script() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    run(&docker);
    docker.run(&["stop", "shop"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "es").await;
        set_up(&browser, &darsena).await;
        browser.present(390, 800, Look::Light).await;
        browser.scripting(false).await;
        browser.open(&darsena.url("/containers/shop/edit")).await;
        browser.until("main h1", "Editar shop").await;
        browser.fill("#ev0", "buenas").await;
        let update = "document.querySelector(\"footer button[formaction='/containers/new']\").click(); return true";
        browser.until_true(update, vec![], "the preview is asked for").await;
        browser.until("#preview-room .diff", "GREETING=buenas").await;
        browser.shoot(&shots(), "es-edit-form-390").await;
        browser.click(REVIEW).await;
        browser.until(".diff", "GREETING=buenas").await;
        browser.shoot(&shots(), "es-edit-review-390").await;
        browser.click(SAVE).await;
        browser.until(".note[role=status]", "shop").await;
        let asked = inspect(&docker, ASKED);
        assert_eq!(asked, "33554432 GREETING=buenas created true", "what did not run is not started");
        browser.scripting(true).await;
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    for name in docker.run(&["ps", "-a", "--format", "{{.Names}}"]).ok().lines() {
        docker.run(&["rm", "-f", "-v", name]).ok();
    }
    docker.run(&["volume", "rm", "data"]).ok();
    docker.run(&["network", "rm", "quay", "back"]).ok();
    darsena.assert_clean();
}

fn moored() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    docker.run(&["run", "-d", "--name", "runs", "test:1", "sleep", "1000"]).ok();
    docker.run(&["run", "--name", "ended", "test:1", "true"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.open(&darsena.url("/networks")).await;
        browser.find("svg.topo").await;
        let script = "return document.querySelectorAll('svg.topo circle').length === 1
            && document.querySelectorAll('svg.topo rect.box').length === 2";
        browser.until_true(script, vec![], "one ring, two boxes").await;
        browser.shoot(&shots(), "networks-ended").await;
        browser.open(&darsena.url("/containers/ended")).await;
        browser.until("section[aria-labelledby=h11]", "Past runs").await;
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "runs", "ended"]).ok();
    darsena.assert_clean();
}
