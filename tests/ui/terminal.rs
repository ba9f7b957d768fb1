//! The terminal: what is typed in a browser runs in the container; a page that leaves finds its shell again.

use harness::{Browser, Darsena, Look, Suite, image::busybox_archive};
use serde_json::json;

use crate::{set_up, story::shots};

pub fn tests(suite: Suite) -> Suite {
    suite.alone("a_shell_is_typed_into_left_and_come_back_to", typed)
}

/// All a terminal shows.
const SHOWN: &str = "return [...document.querySelectorAll('.term-view:not([hidden]) .xterm-rows > div')]\
    .map(row => row.textContent.replaceAll('\\u00a0', ' ').trimEnd()).join('\\n')";

async fn until(browser: &Browser, text: &str) {
    let script = format!("{}.includes(arguments[0])", SHOWN.replacen("return ", "return (", 1) + ")");
    browser.until_true(&script, vec![json!(text)], &format!("the terminal shows {text:?}")).await;
}

async fn types(browser: &Browser, text: &str) {
    browser.find(".term-view:not([hidden]) .xterm-helper-textarea").await.send_keys(text).await.unwrap();
}

/// Keeps what the page connects by, so that it can be cut.
const SOCKETS: &str = "window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...all) { super(...all); if (all[0].pathname.endsWith('/terminal')) window.sockets.push(this); }
    }";

fn typed() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("shell:1")).ok();
    docker.run(&["run", "-d", "--name", "ship", "shell:1", "sleep", "100000"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.present(1440, 900, Look::Light).await;
        browser.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": SOCKETS })).await;
        let page = darsena.url("/containers/ship/terminal");
        browser.open(&page).await;
        browser.until("#term-none", "No terminal is open").await;
        browser.click("#term-new button").await;
        browser.until("#term-state", "Connected").await;
        types(&browser, "echo typed-$((40+2)); id -u; stty size\n").await;
        until(&browser, "typed-42\n0\n").await;
        // Colours are drawn by rules and declarations that the page's policy lets through.
        types(&browser, "printf '\\033[31mred \\033[38;2;1;130;3mgreen \\033[1mbold\\033[0m\\n'\n").await;
        until(&browser, "red green bold").await;
        let drawn = "const spans = [...document.querySelectorAll('.xterm-rows span')];
            const of = text => getComputedStyle(spans.findLast(span => span.textContent.includes(text))).color;
            const probe = document.createElement('i'); probe.style.color = 'var(--ansi-red)'; document.body.append(probe);
            const red = getComputedStyle(probe).color; probe.remove();
            return of('red') === red && of('green') !== of('red')";
        browser.until_true(drawn, Vec::new(), "colours as of the page").await;
        let rows = "return document.querySelector('.xterm-rows').children.length > 10
            && document.querySelector('.xterm-screen').getBoundingClientRect().width > 600";
        browser.until_true(rows, Vec::new(), "the terminal fills its room").await;
        browser.shoot(&shots(), "terminal-light").await;
        // A connection that breaks is taken up again, with all that was shown.
        browser.driver().execute("for (const one of window.sockets) one.close()", Vec::new()).await.unwrap();
        browser.until_true("return window.sockets.length > 1", Vec::new(), "it connects again").await;
        until(&browser, "typed-42\n0\n").await;
        until(&browser, "red green bold").await;
        browser.present(1440, 900, Look::Dark).await;
        browser.until_true(drawn, Vec::new(), "colours as of the page in the dark").await;
        browser.shoot(&shots(), "terminal-dark").await;
        browser.present(390, 800, Look::Dark).await;
        browser.assert_fits().await;
        browser.shoot(&shots(), "terminal-390").await;
        browser.present(1440, 900, Look::Light).await;

        // A second one, as another user.
        browser.fill("#tu", "web").await;
        browser.click("#term-new button").await;
        browser.until("#term-state", "Connected").await;
        types(&browser, "id -un; MARK=second\n").await;
        until(&browser, "web\n").await;

        // Left and come back to: both go on, and show what they showed.
        browser.open(&darsena.url("/containers")).await;
        browser.open(&page).await;
        let two = "return document.querySelectorAll('.term-tab').length === 2";
        browser.until_true(two, Vec::new(), "both terminals").await;
        browser.until("#term-state", "Connected").await;
        until(&browser, "MARK=second").await;
        types(&browser, "echo $MARK-again\n").await;
        until(&browser, "second-again\n").await;
        browser.shoot(&shots(), "terminal-again").await;

        // The shell's end is said, and the page knows no more of it.
        types(&browser, "exit 3\n").await;
        browser.until("#term-state", "ended with code 3").await;
        types(&browser, " ").await;
        browser.until_true("return document.querySelectorAll('.term-tab').length === 1", Vec::new(), "one is left").await;
        browser.click("[data-terminal] form button").await;
        browser.until("#term-none", "No terminal is open").await;
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "ship"]).ok();
    darsena.assert_clean();
}
