//! The New container form: every option reaches the container, its line says the same to the real client, mistakes are told
//! beside their fields and nothing typed is lost; and a duplicate has everything.

use std::process::Command;

use harness::{Browser, Darsena, Docker, Look, Suite, image::busybox_archive};
use serde_json::{Value, json};

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite
        .alone("every_option_of_the_form_reaches_the_container_and_its_line", every_option)
        .alone("mistakes_are_told_beside_their_fields_without_script", mistakes)
}

/// Fields and what is typed into them.
const TYPED: &[(&str, &str)] = &[
    ("#im", "test:1"),
    ("#nm", "rich"),
    ("#ph0", "127.0.0.1:8099"),
    ("#pc0", "80"),
    ("#en0", "GREETING"),
    ("#ev0", "it's $HOME & \"more\""),
    ("#l1", "64"),
    ("#l2", "0.5"),
    ("#l3", "50"),
    ("#mr", "32m"),
    ("#ms", "128m"),
    ("#sh", "16m"),
    ("#cw", "512"),
    ("#cs", "0"),
    ("#os", "100"),
    ("#ul", "nofile=1024:2048"),
    ("#ms0", "data"),
    ("#mt0", "/data"),
    ("#tm", "/run:size=1m"),
    ("#sg", "SIGINT"),
    ("#so", "3s"),
    ("#al", "api front"),
    ("#hn", "harbour"),
    ("#dn", "9.9.9.9"),
    ("#ds", "lan"),
    ("#do", "ndots:2"),
    ("#ho", "db:10.0.0.9"),
    ("#hc", "true || exit 1"),
    ("#hi", "1m30s"),
    ("#ht", "2s"),
    ("#hr", "2"),
    ("#hs", "4s"),
    ("#hv", "500ms"),
    ("#ca", "NET_ADMIN"),
    ("#cd", "MKNOD"),
    ("#sy", "net.ipv4.ip_forward=1"),
    ("#de", "/dev/null:/dev/nothing:r"),
    ("#lo", "max-size=1m"),
    ("#cm", "sh -c 'sleep 1000; echo \"$A\"'"),
    ("#us", "1:1"),
    ("#gr", "5"),
    ("#wd", "/tmp"),
];

const OPEN_ALL: &str = "document.querySelectorAll('main details').forEach(one => { one.open = true }); return true";

async fn fill(browser: &Browser, typed: &[(&str, &str)]) {
    browser.until_true(OPEN_ALL, vec![], "the sections are open").await;
    for (field, text) in typed {
        browser.fill(field, text).await;
    }
}

async fn choose(browser: &Browser, field: &str, value: &str) {
    let script = "const e = document.querySelector(arguments[0]); e.value = arguments[1];
        e.dispatchEvent(new Event('change', { bubbles: true })); return e.value === arguments[1]";
    browser.until_true(script, vec![json!(field), json!(value)], "it is chosen").await;
}

/// The words of a line, as a shell takes it apart.
fn words(line: &str) -> Vec<String> {
    let rest = line.strip_prefix("docker run ").expect("a run line");
    let output = Command::new("sh").arg("-c").arg(format!("printf '%s\\0' {rest}")).output().unwrap();
    assert!(output.status.success(), "{line}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// What was asked for, without what differs by nature.
fn asked(docker: &Docker, name: &str) -> Value {
    let text = docker.run(&["inspect", name]).ok();
    let all: Value = serde_json::from_str(&text).unwrap();
    let mut one = all[0].clone();
    let mut kept = json!({ "HostConfig": one["HostConfig"].take(), "Config": one["Config"].take() });
    let places = one["NetworkSettings"]["Networks"].as_object().unwrap();
    for (network, place) in places {
        kept["Networks"][network] = place["Aliases"].clone();
    }
    for part in [("HostConfig", "ContainerIDFile"), ("HostConfig", "ConsoleSize")] {
        kept[part.0].as_object_mut().unwrap().remove(part.1);
    }
    kept
}

fn every_option() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    docker.run(&["network", "create", "shop"]).ok();
    docker.run(&["network", "create", "back"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1440, 900, Look::Light).await;
        browser.open(&darsena.url("/containers/new?image=test:1")).await;
        browser.shoot(&shots(), "launch-new").await;
        fill(&browser, TYPED).await;
        for tick in ["#ro", "#in", "#np", "#sc", "#si", "#tt", "input[name=also][value=back]"] {
            let click = "document.querySelector(arguments[0]).click(); return true";
            browser.until_true(click, vec![json!(tick)], "it is ticked").await;
        }
        let shop = "document.querySelector('input[name=network][value=shop]').click(); return true";
        browser.until_true(shop, vec![], "the network is chosen").await;
        choose(&browser, "#ld", "local").await;
        choose(&browser, "#hk", "shell").await;
        choose(&browser, "#rp", "on-failure").await;
        browser.fill("#rr", "3").await;
        browser.until("#preview", "--restart on-failure:3").await;
        browser.until("#preview", "--log-driver local").await;
        let line = browser.text("#preview").await;
        browser.shoot(&shots(), "launch-full-light").await;
        browser.present(390, 800, Look::Dark).await;
        browser.assert_fits().await;
        browser.shoot(&shots(), "launch-full-390-dark").await;
        browser.present(1440, 900, Look::Dark).await;
        browser.shoot(&shots(), "launch-full-dark").await;
        browser.click(".submit button[value=no]").await;
        browser.until("main h1", "rich").await;

        // The real client, given the line, asks for the same.
        let line = line.replace("\\\n", " ").replace("--name rich", "--name told");
        let mut arguments = words(&line);
        assert_eq!(arguments.remove(0), "-dit");
        arguments.splice(0..0, ["create".to_owned(), "-it".to_owned()]);
        docker.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
        let rich = asked(&docker, "rich");
        assert_eq!(rich["HostConfig"]["LogConfig"]["Type"], "local");
        assert_eq!(rich["Config"]["Healthcheck"]["StartInterval"], 500_000_000);
        let told = asked(&docker, "told");
        let mut told = told;
        // What the client says it would attach to is of the client.
        for name in ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"] {
            told["Config"][name] = rich["Config"][name].clone();
        }
        assert_eq!(told, rich, "{line}");

        // A duplicate has all of it, and what no field says.
        let more = [
            "create",
            "--name",
            "strange",
            "--mount",
            "type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=700",
            "--mount",
            "type=volume,src=data,dst=/d,volume-nocopy,volume-label=a=b",
            "--annotation",
            "k=v",
            "--memory-swappiness",
            "5",
            "--expose",
            "99",
            "--link",
            "told:other",
            "--device-read-bps",
            "/dev/null:1mb",
            "-e",
            "LINES=a\nb",
            "--health-cmd",
            "x",
            "--health-interval",
            "9s",
            "test:1",
            "sh",
            "-c",
            "a\nb",
        ];
        docker.run(&more).ok();
        for (name, copy) in [("rich", "rich-2"), ("strange", "strange-2")] {
            browser.open(&darsena.url(&format!("/containers/new?like={name}"))).await;
            if name == "strange" {
                browser.until_true(OPEN_ALL, vec![], "the sections are open").await;
                browser.shoot(&shots(), "launch-like").await;
            }
            browser.fill("#nm", copy).await;
            browser.click(".submit button[value=no]").await;
            browser.until("main h1", copy).await;
            // Links are said with one's own name.
            let other = asked(&docker, copy).to_string().replace(copy, name);
            let (mut one, mut other) = (asked(&docker, name), serde_json::from_str::<Value>(&other).unwrap());
            for config in [&mut one, &mut other] {
                // A name nobody chose is the id's beginning.
                if name == "strange" {
                    config["Config"].as_object_mut().unwrap().remove("Hostname");
                }
            }
            assert_eq!(other, one);
        }
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "rich", "told", "strange", "rich-2", "strange-2"]).ok();
    docker.run(&["volume", "rm", "data"]).ok();
    docker.run(&["network", "rm", "shop", "back"]).ok();
    darsena.assert_clean();
}

/// Wrong values, and the field's id beside which it is said.
const WRONG: &[(&str, &str)] = &[
    ("#nm", "-x"),
    ("#l1", "1"),
    ("#mr", "much"),
    ("#cs", "x"),
    ("#ul", "nofile"),
    ("#tm", "run"),
    ("#sg", "a b"),
    ("#so", "500ms"),
    ("#dn", "here"),
    ("#ho", "db"),
    ("#hi", "soon"),
    ("#ca", "a-b"),
    ("#sy", "x"),
    ("#de", "fuse"),
    ("#lo", "colour=red"),
    ("#cm", "'open"),
    ("#wd", "srv"),
];

fn mistakes() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("test:1")).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "es").await;
        set_up(&browser, &darsena).await;
        for (width, look) in [(1440, Look::Light), (390, Look::Dark)] {
            browser.present(width, 900, look).await;
            browser.open(&darsena.url("/containers/new?image=test:1")).await;
            fill(&browser, WRONG).await;
            browser.scripting(false).await;
            browser.click("button[name=start][value=no]").await;
            for (field, text) in WRONG {
                assert!(browser.has(&format!("{field}[aria-invalid=true]")).await, "{field} is not said to be wrong");
                assert!(browser.has(&format!(".field:has({field}) .err")).await, "{field} has no reason beside it");
                let kept = browser.find(field).await.prop("value").await.unwrap();
                assert_eq!(kept.as_deref(), Some(*text), "{field}");
            }
            browser.assert_fits().await;
            browser.shoot(&shots(), &format!("launch-wrong-{width}")).await;
            browser.scripting(true).await;
            browser.assert_quiet(&["422"]).await;
        }
        // What only the engine knows to be wrong is told beside the field too; the preview comes without script by a button.
        browser.present(1440, 900, Look::Light).await;
        browser.open(&darsena.url("/containers/new?image=test:1")).await;
        fill(&browser, &[("#ca", "NO_SUCH")]).await;
        browser.scripting(false).await;
        browser.open(&darsena.url("/containers/new?image=test:1")).await;
        browser
            .find("noscript button[formaction='/containers/new'], footer button[formaction='/containers/new']")
            .await;
        for summary in ["#ca"] {
            let open = format!("document.querySelector('{summary}').closest('details').open = true; return true");
            browser.until_true(&open, vec![], "it is open").await;
        }
        browser.fill("#ca", "NO_SUCH").await;
        browser.click("footer button[formaction='/containers/new']").await;
        browser.until("#preview", "--cap-add CAP_NO_SUCH").await;
        browser.click("button[name=start][value=no]").await;
        browser.until(".field:has(#ca) .err", "NO_SUCH").await;
        browser.scripting(true).await;
        browser.assert_quiet(&["422", "400"]).await;
        browser.close().await;
    });
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
    darsena.assert_clean();
}
