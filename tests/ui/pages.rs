//! Every page in both looks, both languages and on three widths: it fits, and nothing fails.

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive};

use crate::{PASSWORD, set_up, sign_in, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("every_page_fits_in_each_look_and_width", every_page)
        .alone("a_full_list_its_menus_and_forms_fit_in_each_look_and_language", full_list)
}

/// The Escape key, as drivers of browsers know it.
const ESCAPE: &str = "\u{e00c}";

const PAGES: &[(&str, &str)] = &[
    ("/", "overview"),
    ("/containers", "containers"),
    ("/containers/new", "new"),
    ("/containers/runs", "container"),
    ("/containers/runs/logs", "logs"),
    ("/containers/runs/stats", "stats"),
    ("/containers/runs/stats?range=24h", "stats-day"),
    ("/containers/runs/terminal", "terminal"),
    ("/containers/runs/remove", "remove"),
    ("/containers/a-container-with-quite-a-long-name-that-has-ended", "ended"),
    ("/containers/runs/changes", "changes"),
    ("/containers/runs/commit", "commit"),
    ("/containers/runs/settings", "settings"),
    ("/containers/runs/edit", "edit"),
    ("/containers/prune", "containers-prune"),
    ("/containers/runs/inspect", "inspect"),
    ("/containers/runs/inspect?q=env", "inspect-found"),
    ("/images", "images"),
    ("/images?reference=a/*&digests=on", "images-narrowed"),
    ("/images/prune?what=all", "images-prune"),
    ("/images/import", "images-import"),
    ("/images/search", "images-search"),
    ("/builds/new?way=upload", "build-new"),
    ("/networks", "networks"),
    ("/networks/a-network-with-quite-a-long-name", "network"),
    ("/networks/bridge", "network-bridge"),
    ("/networks/a-network-with-quite-a-long-name/remove", "network-remove"),
    ("/operations", "operations"),
    ("/audit", "audit"),
    ("/account", "account"),
    ("/teams", "teams"),
    ("/teams/a-team-with-quite-a-long-name", "team"),
    ("/teams/a-team-with-quite-a-long-name/remove", "team-remove"),
    ("/users/a-person.with_a-long-name", "person"),
    ("/search?q=runs", "search"),
];

/// A team with somebody in it.
async fn make_team(browser: &Browser, darsena: &Darsena) {
    browser.open(&darsena.url("/teams")).await;
    browser.fill("#pn", "a-person.with_a-long-name").await;
    browser.fill("#pw", PASSWORD).await;
    browser.click("form[action='/users'] button.primary").await;
    browser.until_path("/users/a-person.with_a-long-name").await;
    browser.open(&darsena.url("/teams")).await;
    browser.fill("#tn", "a-team-with-quite-a-long-name").await;
    browser.click("form[action='/teams'] button.primary").await;
    browser.until_path("/teams/a-team-with-quite-a-long-name").await;
    browser.fill("#mu", "a-person.with_a-long-name").await;
    browser.click("form.stackv[action$='/members'] button.primary").await;
    browser.until("table", "a-person.with_a-long-name").await;
}

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
    docker
        .run(&["network", "create", "--internal", "--ipv6", "--label", "tier=back", "a-network-with-quite-a-long-name"])
        .ok();
    docker.run(&["network", "connect", "--alias", "api", "a-network-with-quite-a-long-name", "runs"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        make_team(&browser, &darsena).await;
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
    docker.run(&["network", "rm", "a-network-with-quite-a-long-name"]).ok();
    darsena.assert_clean();
}

/// Name, image, options and command of a container in a list like people's own.
const FLEET: &[(&str, &str, &[&str], &str)] = &[
    ("shop-web", "shop/web:5.2.0", &["-p", "8090:80", "-m", "256m"], "while :; do :; done & sleep 1000"),
    ("shop-api", "shop/api:2.14.0", &["-p", "8091:8080", "-m", "512m"], "sleep 1000"),
    ("shop-worker", "shop/worker:2.14.0", &["-m", "128m"], "sleep 1000"),
    ("shop-db", "library/postgres:17", &["-p", "127.0.0.1:5432:5432", "-m", "1g"], "sleep 1000"),
    ("blog-web", "blog/web:3", &["-p", "8092:80"], "sleep 1000"),
    ("blog-cache", "library/redis:7.4", &["-m", "64m"], "sleep 1000"),
    ("nightly-report", "tools/report:1.9", &[], "exit 0"),
    ("import-orders", "tools/import:0.4", &[], "exit 3"),
];

/// Presses keys where the focus is.
async fn press(browser: &Browser, keys: &str) {
    browser.driver().active_element().await.unwrap().send_keys(keys).await.unwrap();
}

/// Rows, the list of keys and a question over the page, without a mouse.
async fn by_keys(browser: &Browser, darsena: &Darsena) {
    let closed = "return !document.querySelector('dialog[open]')";
    press(browser, "j").await;
    browser.find("tbody tr:first-child th a:focus").await;
    press(browser, "?").await;
    browser.find("#keys[open]").await;
    browser.assert_fits().await;
    browser.shoot(&shots(), "keys").await;
    press(browser, ESCAPE).await;
    browser.until_true(closed, Vec::new(), "the list of keys closes").await;
    let focus = "document.querySelector('#c-shop-api th a').focus()";
    browser.driver().execute(focus, Vec::new()).await.unwrap();
    press(browser, "x").await;
    browser.find("#c-shop-api input[name=id]:checked").await;
    press(browser, "s").await;
    browser.find("dialog[open] form[action='/containers/shop-api/stop'] button.primary").await;
    browser.assert_fits().await;
    browser.shoot(&shots(), "stop-dialog").await;
    browser.click("dialog[open] [data-keep]").await;
    browser.until_true(closed, Vec::new(), "the question closes").await;
    press(browser, "l").await;
    browser.until_path("/containers/shop-api/logs").await;
    for (state, css) in [("off", "body:not([data-keys])"), ("on again", "body[data-keys]")] {
        browser.open(&darsena.url("/account")).await;
        browser.click("input[name=keys]").await;
        browser.click("form[action='/account/preferences'] button.primary").await;
        browser.find(&format!("{css} .note[role=status]")).await;
        browser.open(&darsena.url("/containers")).await;
        assert_eq!(browser.has("#keys").await, state != "off", "keys {state}");
    }
    browser.assert_quiet(&[]).await;
}

fn full_list() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    for (name, image, options, command) in FLEET {
        docker.run_with(&["load"], &busybox_archive(image)).ok();
        let mut arguments = vec!["run", "-d", "--name", name];
        arguments.extend(*options);
        arguments.extend([*image, "sh", "-c", *command]);
        docker.run(&arguments).ok();
    }
    docker.run(&["create", "--name", "shop-web-next", "shop/web:5.2.0", "true"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1440, 600, Look::Light).await;
        browser.open(&darsena.url("/containers")).await;
        // Numbers come by themselves, on the open page.
        browser.until("#c-shop-api td", "KiB").await;
        browser.until("#c-import-orders td", "(3)").await;
        browser.shoot(&shots(), "full-containers").await;
        by_keys(&browser, &darsena).await;
        for (width, look) in [(1440, Look::Light), (390, Look::Dark), (360, Look::Light)] {
            browser.present(width, 800, look).await;
            let name = |page: &str| format!("full-{page}-{width}-{look:?}").to_lowercase();
            browser.open(&darsena.url("/containers")).await;
            browser.click("#c-shop-api input[name=id]").await;
            browser.click("#c-shop-db input[name=id]").await;
            // What is ticked stays so when rows come and go.
            let late = format!("late-{width}");
            darsena.docker().run(&["create", "--name", &late, "shop/web:5.2.0", "true"]).ok();
            browser.find(&format!("#c-{late}")).await;
            let ticked = "return document.querySelectorAll('tbody input[name=id]:checked').length === 2";
            browser.until_true(ticked, Vec::new(), "both rows are still ticked").await;
            darsena.docker().run(&["rm", &late]).ok();
            browser.assert_fits().await;
            browser.shoot(&shots(), &name("chosen")).await;
            browser.click("button[name=do][value=remove]").await;
            browser.find("form[action='/containers/bulk'] button.primary").await;
            browser.assert_fits().await;
            browser.shoot(&shots(), &name("ask")).await;
            browser.open(&darsena.url("/containers")).await;
            browser.click("[popovertarget=ops]").await;
            browser.find("#ops:popover-open").await;
            browser.assert_fits().await;
            browser.shoot(&shots(), &name("tray")).await;
            browser.open(&darsena.url("/images")).await;
            browser.click("tbody th a").await;
            browser.until_path("/images/").await;
            browser.assert_fits().await;
            browser.shoot(&shots(), &name("image")).await;
            browser.assert_quiet(&[]).await;
            browser.open(&darsena.url("/containers/new")).await;
            browser.fill("#im", "no such image").await;
            browser.fill("#l1", "lots").await;
            browser.click(".submit button[value=yes]").await;
            browser.find(".note.bad").await;
            browser.assert_fits().await;
            browser.shoot(&shots(), &name("wrong")).await;
            browser.assert_quiet(&["422"]).await;
            if width < 500 {
                browser.open(&darsena.url("/containers")).await;
                browser.click("[popovertarget=nav]").await;
                browser.find("#nav:popover-open").await;
                browser.shoot(&shots(), &name("drawer")).await;
            }
        }
        browser.close().await;

        let spanish = Browser::start(darsena.space(), "es").await;
        sign_in_at(&spanish, &darsena).await;
        for (width, look) in [(1440, Look::Dark), (390, Look::Light), (360, Look::Light)] {
            spanish.present(width, 800, look).await;
            let own = ["/", "/containers", "/containers/new", "/containers/shop-db", "/audit", "/account"];
            let images = ["/images", "/images?before=shop/web:5.2.0", "/images/prune?what=all", "/images/import"];
            let changes =
                ["/containers/shop-db/changes", "/containers/shop-db/commit", "/builds/new", "/images/search"];
            for path in own.into_iter().chain(images).chain(changes) {
                spanish.open(&darsena.url(path)).await;
                spanish.find("main h1").await;
                let language = spanish.driver().execute("return document.documentElement.lang", Vec::new()).await;
                assert_eq!(language.unwrap(), "es", "{path}");
                spanish.assert_fits().await;
                let page = path.trim_start_matches('/').replace(['/', '?', ':'], "-");
                spanish.shoot(&shots(), &format!("es-{page}-{width}")).await;
                spanish.assert_quiet(&[]).await;
            }
        }
        spanish.close().await;
    });
    let mut remove = vec!["rm", "-f", "shop-web-next"];
    remove.extend(FLEET.iter().map(|(name, ..)| *name));
    docker.run(&remove).ok();
    darsena.assert_clean();
}

async fn sign_in_at(browser: &Browser, darsena: &Darsena) {
    browser.open(&darsena.url("/session")).await;
    sign_in(browser, darsena).await;
}
