//! Every page in both looks, both languages and on three widths: it fits, and nothing fails.

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive};

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite.alone("every_page_fits_in_each_look_and_width", every_page)
}

const PAGES: &[(&str, &str)] = &[
    ("/", "overview"),
    ("/containers", "containers"),
    ("/containers/new", "new"),
    ("/containers/runs", "container"),
    ("/containers/runs/logs", "logs"),
    ("/containers/runs/stats", "stats"),
    ("/containers/runs/remove", "remove"),
    ("/containers/a-container-with-quite-a-long-name-that-has-ended", "ended"),
    ("/images", "images"),
    ("/operations", "operations"),
    ("/audit", "audit"),
    ("/account", "account"),
    ("/search?q=runs", "search"),
];

fn every_page() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("a/rather/long/repository/name:with-a-long-tag")).ok();
    let image = "a/rather/long/repository/name:with-a-long-tag";
    // Were any of it markup, the browser would ask for the picture and complain.
    let line = "echo a line; echo '<img src=/log>'; echo '<img src=/err>' >&2; exec sleep 1000";
    docker
        .run(&[
            "run",
            "-d",
            "--name",
            "runs",
            "-e",
            "LONG=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "-e",
            "MARKUP=<img src=/env>",
            "--label",
            "markup=\"><img src=/label>",
            image,
            "sh",
            "-c",
            line,
        ])
        .ok();
    docker.run(&["run", "--name", "a-container-with-quite-a-long-name-that-has-ended", image, "false"]).fails();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        for look in [Look::Light, Look::Dark] {
            for width in [1440, 768, 390, 360] {
                browser.present(width, 800, look).await;
                for (path, name) in PAGES {
                    browser.open(&darsena.url(path)).await;
                    browser.find("main h1").await;
                    browser.assert_fits().await;
                    if width != 768 {
                        browser.shoot(&shots(), &format!("{name}-{width}-{look:?}").to_lowercase()).await;
                    }
                    browser.assert_quiet(&[]).await;
                }
            }
        }
        browser.open(&darsena.url("/containers/nobody")).await;
        browser.find("main h1").await;
        browser.assert_quiet(&["404"]).await;
        browser.close().await;

        let spanish = Browser::start(darsena.space(), "es").await;
        spanish.open(&darsena.url("/session")).await;
        let language = spanish.driver().execute("return document.documentElement.lang", Vec::new()).await.unwrap();
        assert_eq!(language, "es");
        spanish.assert_quiet(&[]).await;
        spanish.close().await;
    });
    docker.run(&["rm", "-f", "runs", "a-container-with-quite-a-long-name-that-has-ended"]).ok();
    darsena.assert_clean();
}
