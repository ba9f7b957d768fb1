//! Health on the pages: the word in the list, the reason first, the probes.

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive};

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite.alone("health_is_shown_with_its_probes", shown)
}

fn shown() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("ward:1")).ok();
    let check = ["--health-interval", "300ms", "--health-retries", "1", "--health-cmd"];
    let run = |name: &str, line: &str| {
        let mut arguments = vec!["run", "-d", "--name", name];
        arguments.extend(check);
        arguments.extend([line, "ward:1", "sleep", "100000"]);
        docker.run(&arguments).ok();
    };
    run("well", "echo all is well");
    // Were it markup, the browser would ask for the picture and complain.
    run("unwell", "echo '<img src=/probe> no answer'; exit 7");
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1440, 900, Look::Light).await;
        browser.open(&darsena.url("/containers")).await;
        browser.until("main table .state.unhealthy", "Unhealthy").await;
        browser.until("main table .state.running", "Healthy").await;
        browser.shoot(&shots(), "health-list").await;
        browser.open(&darsena.url("/containers/unwell")).await;
        browser.until(".head .state.unhealthy", "Unhealthy").await;
        browser.until(".note.bad", "<img src=/probe> no answer").await;
        browser.until("section[aria-labelledby=h9]", "failed, code 7").await;
        browser.shoot(&shots(), "health-unwell").await;
        browser.present(390, 800, Look::Dark).await;
        browser.assert_fits().await;
        browser.open(&darsena.url("/containers/well")).await;
        browser.until("section[aria-labelledby=h9]", "all is well").await;
        browser.assert_fits().await;
        browser.shoot(&shots(), "health-well-390").await;
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "well", "unwell"]).ok();
    darsena.assert_clean();
}
