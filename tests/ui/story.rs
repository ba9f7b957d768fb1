//! What a person does: sets it up, runs a container, looks at it, removes it, gets images, reads who did what.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use harness::{
    Browser, Darsena, Look, Registry, Space, Suite,
    image::{Compression, Layer, busybox},
};
use serde_json::json;

use crate::{PASSWORD, USER, set_up, sign_in};

pub fn tests(suite: Suite) -> Suite {
    let people = [
        ("the_story_on_a_desk_in_light", Person { width: 1440, look: Look::Light, scripts: true, name: "desk" }),
        ("the_story_on_a_phone_in_dark", Person { width: 390, look: Look::Dark, scripts: true, name: "phone" }),
        ("the_story_without_javascript", Person { width: 1440, look: Look::Light, scripts: false, name: "plain" }),
    ];
    people.into_iter().fold(suite, |suite, (name, person)| suite.alone(name, move || story(&person)))
}

/// Who tells the story.
pub struct Person {
    width: u32,
    look: Look,
    pub scripts: bool,
    name: &'static str,
}

/// Where pictures of the pages go.
pub fn shots() -> PathBuf {
    let own = std::env::var_os("DARSENA_TESTS_SHOTS").map(PathBuf::from);
    own.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.shots"))
}

fn story(person: &Person) {
    let darsena = Darsena::start();
    let space = darsena.space();
    for port in [8080, 8081] {
        space.relay(port);
    }
    let registry = Registry::start(space);
    let slow = Slow::start(space, 200_000);
    let filler = Layer::new().file("filler", noise(6 << 20));
    registry.push("some/image", "1", &busybox().layer(filler), Compression::Gzip);
    space.inside_neighbour(|| async {
        let browser = Browser::start(space, "en").await;
        browser.present(person.width, 900, person.look).await;
        browser.scripting(person.scripts).await;
        let told = Told { browser: &browser, darsena: &darsena, person };
        told.first_run().await;
        told.a_container_lives().await;
        told.an_image_is_uploaded().await;
        told.an_image_is_pulled(&slow).await;
        told.an_image_is_built().await;
        told.a_build_is_cancelled().await;
        told.a_folder_is_uploaded_and_built().await;
        told.arguments_are_rows().await;
        told.records_go_together().await;
        let docker = darsena.docker();
        told.an_image_is_named_saved_and_removed(&docker).await;
        told.images_are_narrowed_and_removed(&docker).await;
        told.the_search_says_what_works().await;
        told.a_file_system_is_imported(&docker).await;
        told.changes_become_an_image(&docker).await;
        told.settings_change_what_runs(&docker).await;
        told.all_of_it_is_in_the_audit().await;
        browser.assert_quiet(&["422"]).await;
        browser.close().await;
    });
    darsena.assert_clean();
}

/// The story as it is told to one person.
pub struct Told<'a> {
    pub browser: &'a Browser,
    pub darsena: &'a Darsena,
    pub person: &'a Person,
}

impl Told<'_> {
    pub async fn open(&self, path: &str) {
        self.browser.open(&self.darsena.url(path)).await;
    }

    pub async fn picture(&self, page: &str) {
        if self.person.scripts {
            self.browser.assert_fits().await;
        }
        self.browser.shoot(&shots(), &format!("story-{}-{page}", self.person.name)).await;
    }

    /// Waits for words on a page that may have to be asked again: without JavaScript nothing comes by itself.
    pub async fn until(&self, path: &str, css: &str, words: &str) {
        self.open(path).await;
        if self.person.scripts {
            return self.browser.until(css, words).await;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !self.browser.shows(css, words).await {
            assert!(tokio::time::Instant::now() < deadline, "{path} has no {css} with {words:?}");
            self.open(path).await;
        }
    }

    async fn first_run(&self) {
        let browser = self.browser;
        self.open("/").await;
        browser.find("form[action^='/setup']").await;
        self.picture("set-up").await;
        browser.fill("#w", "not-the-word").await;
        browser.fill("#u", USER).await;
        browser.fill("#p", "short").await;
        browser.click("form[action^='/setup'] button.primary").await;
        browser.find(".err").await;
        set_up(browser, self.darsena).await;
        self.open("/").await;
        browser.find("main h1").await;
        self.picture("overview").await;
        browser.click("header details.menu summary").await;
        browser.click("form[action='/session/end'] button").await;
        browser.find("form[action^='/session'] #p").await;
        self.picture("sign-in").await;
        sign_in(browser, self.darsena).await;
        browser.assert_quiet(&["422"]).await;
    }

    async fn a_container_lives(&self) {
        let browser = self.browser;
        self.open("/containers").await;
        self.picture("containers-empty").await;
        self.open("/containers/new").await;
        browser.fill("#im", "darsena/welcome").await;
        browser.fill("#nm", "web").await;
        if !browser.has("#ph0").await {
            browser.click("button[name=add][value=port]").await;
        }
        browser.fill("#ph0", "8081").await;
        browser.fill("#pc0", "8080").await;
        self.picture("new").await;
        browser.click(".submit button[value=yes]").await;
        browser.find(".state.running").await;
        self.picture("container").await;

        browser.open("http://127.0.0.1:8081/").await;
        browser.until("h1", "Your container answers.").await;

        self.until("/containers/web/logs", "#logs ol", "GET / 200").await;
        self.picture("logs").await;
        let asked = harness::client().get("http://127.0.0.1:8081/now").send().await.unwrap();
        assert_eq!(asked.status(), 404);
        if self.person.scripts {
            browser.until("#logs ol", "GET /now 404").await;
        } else {
            self.until("/containers/web/logs", "#logs ol", "GET /now 404").await;
        }

        self.open("/containers/web/stats").await;
        browser.until("main table", "/welcome").await;
        if self.person.scripts {
            // The first reading from the socket takes away what the server had written beside the number.
            let script = "return document.querySelector('#stats canvas') !== null
                && document.querySelectorAll('#stats [data-of]').length === 2
                && [...document.querySelectorAll('[data-now]')].every(e => /[0-9]/.test(e.textContent))";
            browser.until_true(script, Vec::new(), "live charts").await;
        }
        self.picture("stats").await;

        self.open("/containers/web/stop").await;
        self.picture("stop").await;
        browser.click("form[action='/containers/web/stop'] button.primary").await;
        self.until("/containers/web", ".state.exited", "").await;
        browser.click("button[formaction='/containers/web/start']").await;
        self.until("/containers/web", ".state.running", "").await;
        self.open("/containers").await;
        browser.until("main", "web").await;
        self.picture("containers").await;

        self.open("/containers/web/remove").await;
        self.picture("remove").await;
        browser.click("form[action='/containers/web/remove'] button.primary").await;
        browser.find("main h1").await;
        self.open("/containers").await;
        assert!(!browser.has("a[href='/containers/web']").await, "it is gone from the list");
        browser.assert_quiet(&[]).await;
    }

    async fn an_image_is_uploaded(&self) {
        let browser = self.browser;
        let file = self.darsena.space().side().join("upload.tar");
        std::fs::write(&file, busybox().docker_archive(&["uploaded:1"])).unwrap();
        self.open("/images").await;
        browser.fill("#lf", file.to_str().unwrap()).await;
        browser.click("form[action='/images/load'] button").await;
        browser.until_path("/operations/").await;
        self.until("/images", "#live", "uploaded").await;
        browser.assert_quiet(&[]).await;
    }

    async fn an_image_is_pulled(&self, slow: &Slow) {
        let browser = self.browser;
        self.open("/images").await;
        browser.fill("#pi", &format!("127.0.0.1:{}/some/image:1", Slow::PORT)).await;
        browser.click("form[action='/images/pull'] button.primary").await;
        browser.until_path("/operations/").await;
        let address = browser.driver().current_url().await.unwrap();
        // The registry holds the big layer back: the bar stands there, and again after a reload.
        for _ in 0..2 {
            browser.open(address.as_str()).await;
            browser.find("main progress").await;
            browser.find("main .state.running").await;
        }
        self.picture("operation").await;
        slow.let_go();
        self.until(address.path(), "main .state.done", "").await;
        self.until("/images", "#live", "some/image").await;
        self.picture("images").await;
        self.open("/operations").await;
        self.picture("operations").await;
        browser.assert_quiet(&[]).await;
    }

    async fn all_of_it_is_in_the_audit(&self) {
        let browser = self.browser;
        self.open("/audit").await;
        let actions = [
            "setup",
            "session.end",
            "session.begin",
            "container.create",
            "container.start",
            "container.stop",
            "container.remove",
            "image.load",
            "image.pull",
            "image.build",
            "build.remove",
        ];
        let by_images = [
            "image.save",
            "image.tag",
            "image.remove",
            "image.prune",
            "image.import",
            "container.commit",
            "container.export",
        ];
        for action in by_images {
            self.open(&format!("/audit?action={action}")).await;
            browser.until("tbody", USER).await;
        }
        self.open("/audit").await;
        for action in actions {
            let script = "return [...document.querySelectorAll('tbody tr')].some(row =>
                [arguments[0], arguments[1], '127.0.0.1'].every(word => row.textContent.includes(word)))";
            browser
                .until_true(script, vec![json!(action), json!(USER)], &format!("{action} by {USER} from 127.0.0.1"))
                .await;
        }
        assert!(!browser.driver().source().await.unwrap().contains(PASSWORD));
        self.picture("audit").await;
        browser.click("tbody a[href^='/audit/']").await;
        browser.until_path("/audit/").await;
        self.picture("audit-entry").await;
    }
}

/// A registry's slow line: after some bytes it waits to be let go.
struct Slow(Arc<Gate>);

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Slow {
    const PORT: u16 = 5001;

    fn start(space: &Space, bytes: usize) -> Self {
        let gate = Arc::new(Gate::default());
        let listener = space.inside(|| async { TcpListener::bind(("127.0.0.1", Self::PORT)).unwrap() });
        let mine = gate.clone();
        let connect = space.dialler(5000);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Some(far) = connect() else { continue };
                let (up, down) = ((near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near));
                thread::spawn(move || carry(up.0, up.1, &Gate::default(), usize::MAX));
                let gate = mine.clone();
                thread::spawn(move || carry(down.0, down.1, &gate, bytes));
            }
        });
        Self(gate)
    }

    fn let_go(&self) {
        *self.0.open.lock().unwrap() = true;
        self.0.opened.notify_all();
    }
}

/// Carries bytes one way; after `free` of them only while the gate is open.
fn carry(mut from: TcpStream, mut to: TcpStream, gate: &Gate, free: usize) {
    let (mut chunk, mut carried) = ([0; 16 * 1024], 0);
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        carried += count;
        if carried > free {
            let open = gate.open.lock().unwrap();
            drop(gate.opened.wait_while(open, |open| !*open).unwrap());
        }
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Bytes that don't compress.
fn noise(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
