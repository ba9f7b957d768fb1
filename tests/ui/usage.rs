//! What containers used: recorded whether somebody looks or not, and kept when the server ends.

use std::time::{Duration, Instant};

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive};

use crate::{set_up, sign_in, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite.alone("use_is_recorded_while_nobody_looks_and_kept_when_the_server_ends", recorded)
}

/// Two samples take twenty seconds.
const PATIENCE: Duration = Duration::from_secs(90);

fn recorded() {
    let mut darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("busy:1")).ok();
    let busy = ["run", "-d", "--name", "busy", "--cpus", "0.2", "busy:1", "sh", "-c", "while :; do :; done"];
    docker.run(&busy).ok();
    docker.run(&["create", "--name", "idle", "busy:1", "true"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.open(&darsena.url("/containers/busy/stats")).await;
        browser.click("nav.seg a[href$='range=1h']").await;
        browser.scripting(false).await;
        let until = Instant::now() + PATIENCE;
        while !browser.has("figure svg path.fill[d^='M']").await {
            assert!(Instant::now() < until, "two samples are recorded");
            browser.open(&darsena.url("/containers/busy/stats?range=1h")).await;
        }
        assert_eq!(browser.text("nav.seg [aria-current]").await, "1 h");
        browser.scripting(true).await;
        for look in [Look::Light, Look::Dark] {
            browser.present(1440, 900, look).await;
            browser.open(&darsena.url("/containers/busy/stats?range=1h")).await;
            browser.find("figure .uplot canvas").await;
            browser.assert_fits().await;
            browser.shoot(&shots(), &format!("usage-{look:?}").to_lowercase()).await;
        }
        browser.open(&darsena.url("/containers/idle/stats?range=30d")).await;
        browser.until("main", "Nothing is recorded").await;
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    darsena.kill9();
    darsena.restart();
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "es").await;
        browser.open(&darsena.url("/")).await;
        sign_in(&browser, &darsena).await;
        browser.open(&darsena.url("/containers/busy/stats?range=24h")).await;
        browser.find("figure .uplot canvas").await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "busy", "idle"]).ok();
    docker.run(&["rmi", "busy:1"]).ok();
    darsena.assert_clean();
}
