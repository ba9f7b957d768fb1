//! A log that comes faster than a page can take it: what was skipped is said, and fetched on a click.

use harness::{Browser, Darsena, Suite, image::busybox_archive};

use crate::set_up;

pub fn tests(suite: Suite) -> Suite {
    suite.alone("skipped_lines_of_a_log_are_loaded_into_their_place", skipped)
}

/// Lines at once: many more than wait for one page.
const FLOOD: usize = 60_000;

fn skipped() {
    let darsena = Darsena::start();
    let docker = darsena.docker();
    docker.run_with(&["load"], &busybox_archive("flood:1")).ok();
    let line = format!("echo ready; read go; seq 1 {FLOOD}");
    docker.run(&["run", "-di", "--name", "flood", "flood:1", "sh", "-c", &line]).ok();
    darsena.space().relay(8080);
    darsena.space().inside_neighbour(|| async {
        let browser = Browser::start(darsena.space(), "en").await;
        set_up(&browser, &darsena).await;
        browser.open(&darsena.url("/containers/flood/logs")).await;
        browser.until("#log-state", "Following").await;
        browser.until("#logs ol", "ready").await;
        docker.run_with(&["attach", "flood"], b"go\n").ok();
        let script = "return document.querySelector('#logs ol').lastElementChild.textContent.endsWith(arguments[0])";
        browser.until_true(script, vec![FLOOD.to_string().into()], "the last line").await;
        browser.until("#logs .gap a", "Load them").await;
        // Between the line before a gap and the one after it, no number is missing any more.
        let count = "return [...document.querySelectorAll('#logs li:not(.gap) .t')].length";
        let before = browser.driver().execute(count, Vec::new()).await.unwrap().as_u64().unwrap();
        browser.click("#logs li.gap a").await;
        let more = format!("{count} > {before}");
        browser.until_true(&more, Vec::new(), "lines that were skipped").await;
        let script = "const all = [...document.querySelectorAll('#logs li')];
            return all.every((item, at) => {
                const number = one => one && !one.matches('.gap') ? Number(one.querySelector('.t').textContent) : NaN;
                const [here, next] = [number(item), number(all[at + 1])];
                return Number.isNaN(here) || Number.isNaN(next) || next === here + 1;
            })";
        browser.until_true(script, Vec::new(), "no number is missing but where a gap says so").await;
        browser.assert_quiet(&[]).await;

        // The same part as a page of its own.
        let link = "return document.querySelector('#logs .gap a') ? document.querySelector('#logs .gap a').href : ''";
        let link = browser.driver().execute(link, Vec::new()).await.unwrap().as_str().unwrap_or_default().to_owned();
        if !link.is_empty() {
            browser.open(&link).await;
            browser.until("#log-state", "From ").await;
            browser.assert_quiet(&[]).await;
        }
        browser.close().await;
    });
    docker.run(&["rm", "-f", "flood"]).ok();
    darsena.assert_clean();
}
