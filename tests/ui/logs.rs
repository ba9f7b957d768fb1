//! What a live log had to skip is said in its place, and fetched on a click.

use harness::{Browser, Darsena, Suite, image::busybox_archive};
use serde_json::json;

use crate::set_up;

pub fn tests(suite: Suite) -> Suite {
    suite.alone("skipped_lines_of_a_log_are_loaded_into_their_place", skipped)
}

/// Makes of lines 11 to 20 a gap, as the server does when a page is too slow for them.
const LOSSY: &str = "window.WebSocket = class extends WebSocket {
    set onmessage(heard) {
        const gone = line => Number(line.line) > 10 && Number(line.line) < 21;
        let before = [];
        super.onmessage = event => {
            const all = JSON.parse(event.data);
            const sent = [];
            for (const line of all) {
                if (!gone(line)) sent.push(line);
                else if (Number(line.line) === 11) {
                    const after = before.filter(time => time === line.t).length;
                    sent.push({ skipped: 10, from: line.t, after });
                }
                before.push(line.t);
            }
            heard({ data: JSON.stringify(sent) });
        };
    }
}";

fn skipped() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("counts:1")).ok();
    docker.run(&["run", "-di", "--name", "counts", "counts:1", "sh", "-c", "echo ready; read go; seq 1 40"]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": LOSSY })).await;
        browser.open(&darsena.url("/containers/counts/logs")).await;
        browser.until("#log-state", "Following").await;
        browser.until("#logs ol", "ready").await;
        docker.run_with(&["attach", "counts"], b"go\n").ok();
        browser.until("#logs ol", "40").await;
        browser.until("#logs .gap", "10 lines were skipped here").await;
        let link = "return document.querySelector('#logs .gap a').href";
        let link = browser.driver().execute(link, Vec::new()).await.unwrap().as_str().unwrap().to_owned();
        browser.click("#logs .gap a").await;
        let script = "const all = [...document.querySelectorAll('#logs li .t')].map(text => text.textContent);
            return all.join(' ') === ['ready', ...Array(40).keys()].map(n => n === 'ready' ? n : n + 1).join(' ')
                && document.querySelector('#logs .gap') === null";
        browser.until_true(script, Vec::new(), "every line once, in order").await;
        browser.assert_quiet(&[]).await;

        // The same part as a page of its own, which stands still.
        browser.open(&link).await;
        browser.until("#log-state", "From ").await;
        let script = "return [...document.querySelectorAll('#logs li .t')].map(text => text.textContent).join(' ')";
        let shown = browser.driver().execute(script, Vec::new()).await.unwrap();
        assert_eq!(shown, "11 12 13 14 15 16 17 18 19 20");
        browser.assert_quiet(&[]).await;
        browser.close().await;
    });
    docker.run(&["rm", "-f", "counts"]).ok();
    darsena.assert_clean();
}
