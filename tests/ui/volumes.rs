//! Volumes in the browser: made, browsed, edited, filled, emptied, removed; in a new container and on its page.

use std::fs;

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive, wait::eventually};
use serde_json::json;

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("volumes_are_made_looked_into_and_removed", story)
        .alone("volume_pages_fit_every_width_and_language", pages)
}

async fn press(browser: &Browser, css: &str, status: &str) {
    browser.click(css).await;
    browser.until(".note", status).await;
}

fn story() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1280, 900, Look::Light).await;
        let open = |path: &str| darsena.url(path);
        browser.open(&open("/volumes")).await;
        browser.until("main h2", "No volumes yet").await;
        browser.fill("#vn", "shop-db").await;
        press(&browser, "form[action='/volumes'] button.primary", "shop-db was created").await;
        browser.until_path("/volumes/shop-db").await;

        // A folder, a text in it, and what happens when it changes meanwhile.
        browser.open(&open("/volumes/shop-db/files")).await;
        browser.fill("#nf", "con f<i>g").await;
        press(&browser, "form[action$='/files/folder'] button", "con f<i>g was created").await;
        browser.click("tbody th a").await;
        browser.until("main h1", "con f<i>g").await;
        browser.fill("#nt", "app.conf").await;
        browser.click("form[action$='/files/text'] button").await;
        browser.fill("#tx", "port = 80\n").await;
        press(&browser, "form[action$='/files/edit'] button.primary", "was saved").await;
        let place = darsena.space().data().join("volumes/shop-db/data/con f<i>g");
        assert_eq!(fs::read_to_string(place.join("app.conf")).unwrap(), "port = 80\n");
        browser.click("tbody th a").await;
        browser.find("#tx").await;
        fs::write(place.join("app.conf"), "port = 81\n").unwrap();
        browser.fill("#tx", "port = 82\n").await;
        press(&browser, "form[action$='/files/edit'] button.primary", "changed meanwhile").await;
        browser.until("pre.code", "port = 81").await;
        browser.shoot(&shots(), "volume-conflict").await;
        assert_eq!(fs::read_to_string(place.join("app.conf")).unwrap(), "port = 81\n", "not overwritten");
        browser.assert_quiet(&["422"]).await;
        press(&browser, "form[action$='/files/edit'] button.primary", "was saved").await;
        assert_eq!(fs::read_to_string(place.join("app.conf")).unwrap(), "port = 82\n");

        // Up and down.
        let local = darsena.space().side().join("big.bin");
        fs::write(&local, vec![7; 5_000_000]).unwrap();
        browser.fill("#uf", local.to_str().unwrap()).await;
        press(&browser, "form[action$='/files/upload'] button.primary", "big.bin was uploaded").await;
        assert_eq!(fs::metadata(place.join("big.bin")).unwrap().len(), 5_000_000);
        fs::write(&local, "short").unwrap();
        browser.fill("#uf", local.to_str().unwrap()).await;
        press(&browser, "form[action$='/files/upload'] button.primary", "is there already").await;
        browser.fill("#uf", local.to_str().unwrap()).await;
        browser.click("input[name=replace]").await;
        press(&browser, "form[action$='/files/upload'] button.primary", "was uploaded").await;
        assert_eq!(fs::read_to_string(place.join("big.bin")).unwrap(), "short");
        let downloads = darsena.space().side().join("downloads");
        fs::create_dir_all(&downloads).unwrap();
        let parameters = json!({ "behavior": "allow", "downloadPath": downloads });
        browser.command("Browser.setDownloadBehavior", parameters).await;
        browser.open(&open("/volumes/shop-db")).await;
        browser.click("a[href='/volumes/shop-db/files/download']").await;
        eventually("the tar is there", || downloads.join("shop-db.tar").exists().then_some(()));
        browser.open(&open("/volumes/shop-db/files?p=con%20f%3Ci%3Eg")).await;
        browser.shoot(&shots(), "volume-files").await;

        // Another name, and none.
        browser.open(&open("/volumes/shop-db/files/rename?p=con%20f%3Ci%3Eg/big.bin")).await;
        browser.fill("#rn", "small.bin").await;
        press(&browser, "form[action$='/files/rename'] button.primary", "small.bin").await;
        assert!(place.join("small.bin").exists() && !place.join("big.bin").exists());
        browser.open(&open("/volumes/shop-db/files/remove?p=con%20f%3Ci%3Eg")).await;
        press(&browser, "form[data-question] button.primary", "was removed").await;
        assert!(!place.exists());
        browser.assert_quiet(&[]).await;

        // In a new container, on its page, and back.
        browser.open(&open("/containers/new?image=test:1")).await;
        browser.fill("#nm", "db").await;
        let unfold = "document.querySelectorAll('details.sect').forEach(d => d.open = true)";
        browser.driver().execute(unfold, Vec::new()).await.unwrap();
        browser.fill("#ms0", "shop-db").await;
        browser.fill("#mt0", "/data").await;
        browser.until("#preview", "-v shop-db:/data").await;
        browser.click(".submit button[value=no]").await;
        browser.until_path("/containers/db").await;
        browser.until("main", "/data").await;
        browser.shoot(&shots(), "container-mounts").await;
        browser.open(&open("/volumes/shop-db/remove")).await;
        browser.until(".note", "used by db").await;
        browser.until("table", "/data").await;

        // A container's own volumes go when that is ticked.
        docker.run(&["create", "--name", "own", "-v", "/own", "test:1"]).ok();
        browser.open(&open("/volumes")).await;
        browser.until("tbody", "anonymous").await;
        browser.open(&open("/containers/own/remove")).await;
        browser.shoot(&shots(), "container-remove-volumes").await;
        browser.click("input[name=volumes]").await;
        press(&browser, "form[data-question] button.primary", "own").await;
        assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "shop-db");
        docker.run(&["rm", "db"]).ok();

        // Names that are words of addresses.
        for name in ["bulk", "prune", "new"] {
            docker.run(&["volume", "create", name]).ok();
            browser.open(&open(&format!("/volumes/{name}"))).await;
            browser.until("main h1", name).await;
        }
        // Several at once; what nothing uses.
        browser.open(&open("/volumes")).await;
        browser.click("input[name=id][value='bulk']").await;
        browser.click("input[name=id][value='new']").await;
        browser.click("button[name=do][value=remove]").await;
        browser.find("form[action='/bulk/volumes'] button.primary").await;
        press(&browser, "form[action='/bulk/volumes'] button.primary", "2 volumes were removed").await;
        browser.open(&open("/prune/volumes?what=all")).await;
        browser.shoot(&shots(), "volumes-prune").await;
        press(&browser, "form[action='/prune/volumes'] button.primary", "2 volumes were removed").await;
        assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    darsena.assert_clean();
}

fn pages() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    let long = "a-volume-with-a-name-that-is-longer-than-most-people-would-choose";
    let bind = format!("{long}:/a/place/with/a/long/way/down:ro");
    let line = "mkdir -p /d/deep; echo text > /d/a-file-with-a-long-name-and-no-spaces-at-all.conf; ln -s /etc/passwd /d/link; mkfifo /d/pipe";
    docker.run(&["run", "--rm", "-v", &format!("{long}:/d"), "test:1", "sh", "-c", line]).ok();
    docker.run(&["create", "--name", "uses", "-v", &bind, "-v", "/own", "--tmpfs", "/memory", "test:1"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "es").await;
        set_up(&browser, &darsena).await;
        for (width, look) in [(1440, Look::Light), (768, Look::Dark), (390, Look::Dark), (360, Look::Light)] {
            browser.present(width, 800, look).await;
            for (path, name) in [
                ("/volumes".to_owned(), "volumes"),
                (format!("/volumes/{long}"), "volume"),
                (format!("/volumes/{long}/files"), "volume-folder"),
                (
                    format!("/volumes/{long}/files/edit?p=a-file-with-a-long-name-and-no-spaces-at-all.conf"),
                    "volume-edit",
                ),
                (format!("/volumes/{long}/files/rename?p=deep"), "volume-rename"),
                (format!("/volumes/{long}/files/remove?p=deep"), "volume-unlink"),
                ("/prune/volumes".to_owned(), "volumes-prune"),
                ("/containers/uses".to_owned(), "uses"),
                ("/containers/uses/remove".to_owned(), "uses-remove"),
                ("/containers/new?like=uses".to_owned(), "uses-new"),
            ] {
                browser.open(&darsena.url(&path)).await;
                browser.find("main h1").await;
                browser.assert_fits().await;
                browser.shoot(&shots(), &format!("es-{name}-{width}")).await;
                browser.assert_quiet(&[]).await;
            }
        }
        browser.close().await;
    });
    docker.run(&["rm", "-v", "uses"]).ok();
    docker.run(&["volume", "rm", long]).ok();
    darsena.assert_clean();
}
