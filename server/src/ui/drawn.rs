//! Draws every page from sample views, in both languages, and checks what holds for all of them. With
//! `DARSENA_DRAWN=folder` the pages are also written there, to be looked at.

mod images;
mod samples;
mod volumes;

use std::collections::HashMap;

use askama::Template;
use bytes::Bytes;
use runtime::{
    error::Error,
    view::{LogEvent, LogLine, ProcessTable, Stream},
};

use self::samples::{host, kept, operation};
use super::{
    account::{AccountPage, Told},
    audit::{self, Asked},
    build_cache::CachePage,
    build_form::{BuildForm, Way},
    build_new::NewPage as NewBuildPage,
    builds::{
        self,
        samples::{records, view as build},
    },
    confirm::{Confirm, Line},
    container::{OverviewPage, StatsPage},
    container_logs::{LogsPage, Since},
    container_usage::{self, UsagePage},
    containers::{
        self, ListPage,
        samples::{container, now, usage},
    },
    launch::{NewPage, Presence},
    launch_form::LaunchForm,
    operations::{self, Item},
    overview,
    page::{Notice, Page},
    people::PersonPage,
    registries::RegistriesPage,
    registry::{self, samples::repository},
    sign_in::{SetUpPage, SignInPage},
    teams,
};
use crate::{
    auth::actor::TeamRole,
    i18n::{Language, Texts},
    ops::{
        self, api_tokens::ApiTokenRow, audit::Wholeness, registries::RegistryRow, sessions::SessionRow,
        users::Preferences,
    },
};

pub(in crate::ui) fn page(t: Texts, title: &str, section: &'static str) -> Page {
    let theme = std::env::var("DARSENA_DRAWN_THEME").unwrap_or_else(|_| "system".into());
    let tray: Vec<Item> =
        [operation(3, "running"), operation(2, "failed")].iter().map(|one| Item::new(one, t, now())).collect();
    Page {
        lang: t.language.code(),
        theme,
        density: "dense".into(),
        keys: true,
        title: title.into(),
        section,
        csrf: "f".repeat(64),
        person: "ana.ruiz".into(),
        sees_all: true,
        containers: 6,
        images: 4,
        volumes: 3,
        running: 1,
        tray,
        notices: vec![Notice { good: true, text: t.one("container-started", "name", "shop-<api>") }],
        uptime: t.duration(3_500_000),
        refresh: 0,
        topics: "operations",
        scripts: &[],
    }
}

/// Every page's name and text.
fn all(t: Texts) -> Vec<(&'static str, String)> {
    let views = || {
        vec![
            container("shop-api", "shop/api:2.14.0", "running"),
            container("shop-db", "postgres:16.4", "running"),
            container("etl-nightly", "datalab/etl:0.9.3", "exited"),
            container("etl-backfill", "registry.example:5000/datalab/etl-with-a-long-name:0.9.3-rc.1", "oom"),
            container("staging-api", "shop/api:2.15.0-rc.2", "created"),
        ]
    };
    let list = |views: Vec<_>, filter| {
        let known: HashMap<_, _> =
            views.iter().map(|view: &runtime::view::ContainerView| (view.id.clone(), usage())).collect();
        let page = page(t, &t.get("nav-containers"), "containers");
        ListPage::new(page, t, "/containers".into(), filter, views, &known, now()).render().expect("drawn")
    };
    let history: Vec<_> = (0..90)
        .map(|at| crate::ops::usage::Usage {
            at_ms: now().as_millisecond() - i64::from(90 - at) * 5000,
            cpu_percent: 40.0 + 30.0 * (f64::from(at) / 9.0).sin(),
            ..usage()
        })
        .collect();
    let running = container("shop-worker", "shop/worker:2.14.0", "running");
    let failed = container("etl-backfill", "datalab/etl:0.9.3", "oom");
    let entries = [
        audit::samples::entry(99, "container.start", "done"),
        audit::samples::entry(98, "session.begin", "refused"),
        audit::samples::entry(2, "image.pull", "failed"),
    ];
    let line = |text: &'static str, stream| {
        LogEvent::Line(LogLine { stream, at: now(), bytes: Bytes::from_static(text.as_bytes()) })
    };
    let log = [
        LogEvent::Skipped(12_000_000),
        line("INFO took job id=88412 kind=thumbnail attempt=1\n", Stream::Stdout),
        line("<script>alert(1)</script> & \"quotes\"\n", Stream::Stderr),
    ];
    let form = LaunchForm {
        image: "shop/api:2.15.0-rc.2".into(),
        name: "-api".into(),
        ports: vec![super::launch_form::PortRow {
            host: "8081".into(),
            container: "8080".into(),
            protocol: "tcp".into(),
        }],
        env: vec![super::launch_form::PairRow { name: "RUST_LOG".into(), value: "info debug".into() }],
        memory: "256".into(),
        memory_unit: "MiB".into(),
        cpus: "0.5".into(),
        pids: "256".into(),
        ..LaunchForm::default()
    };
    let (request, wrong) = form.parse(t, None);
    let new = NewPage {
        page: page(t, &t.get("launch-title"), "containers"),
        t,
        form,
        wrong,
        presence: Presence::Here(t.size(84_000_000)),
        known: vec!["shop/api:2.14.0".into()],
        volumes: vec!["shop-db".into()],
        networks: vec!["shop".into()],
        may_open: true,
        line: super::run_line::RunLine::new(&request),
        before: Vec::new(),
        editing: String::new(),
    };
    let whole = Wholeness {
        entries: 48_211,
        outcomes: 48_211,
        head: "9f2c41d0a7be03c6".repeat(4),
        broken_entry: None,
        broken_outcome: None,
        full_at: now().as_microsecond(),
    };
    let session = |id| SessionRow {
        id,
        user_id: 1,
        address: "10.0.4.12".into(),
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
        created_at: now().as_microsecond() - 4_000_000_000,
        seen_at: now().as_microsecond() - 60_000_000,
    };
    let token = ApiTokenRow {
        id: 1,
        user_id: 1,
        name: "ci <bot>".into(),
        hash: Vec::new(),
        rights: "operate".into(),
        created_at: now().as_microsecond() - 4_000_000_000,
        used_at: Some(now().as_microsecond()),
        expires_at: Some(now().as_microsecond() + 4_000_000_000),
    };
    let preferences =
        Preferences { theme: "system".into(), language: String::new(), density: "dense".into(), keys: true };
    let confirm = Confirm {
        page: page(t, &t.one("question", "title", t.one("remove-one", "name", "shop-worker")), "containers"),
        t,
        crumb: ("/containers", t.get("nav-containers")),
        action: "/containers/shop-worker/remove".into(),
        note: t.get("container-remove-effect"),
        lines: vec![Line {
            name: "shop-worker".into(),
            address: "/containers/shop-worker".into(),
            detail: "shop/worker:2.14.0".into(),
            field: None,
        }],
        hidden: Vec::new(),
        button: t.one("remove-one", "name", "shop-worker"),
        icon: "trash",
        danger: true,
        back: "/containers/shop-worker".into(),
    };
    let usages = [usage(), usage()];
    let processes = ProcessTable {
        titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"].map(str::to_owned).to_vec(),
        rows: vec![
            ["root", "4711", "4690", "0", "13:52", "?", "00:00:01", "worker --queue default"]
                .map(str::to_owned)
                .to_vec(),
        ],
    };
    let builds_page = |mut views: Vec<ops::builds::View>| {
        for (view, id) in views.iter_mut().zip(1..) {
            view.row.operation.id = id;
        }
        let page = page(t, &t.get("nav-builds"), "builds");
        builds::ListPage::new(page, t, "/builds".into(), builds::Filter::default(), &views, now())
            .render()
            .expect("drawn")
    };
    let build_page = |view: &ops::builds::View| {
        let page = page(t, "shop/api:2.15.0", "builds").with_scripts(&["logs.js"]);
        builds::DetailPage::new(page, t, view, &records(now()), Some(3), now()).render().expect("drawn")
    };
    let new_build = |way| {
        let form = BuildForm { way, text: "FROM <b>\nFOO".into(), memory: "much".into(), ..BuildForm::default() };
        let wrong = form.request(t).expect_err("a wrong number");
        let found = builds::Finding { check: "X".into(), line: 2, text: "<FOO>".into() };
        let page = page(t, &t.get("builds-new"), "builds");
        NewBuildPage { page, t, form, wrong, findings: Some(vec![found]) }.render().expect("drawn")
    };
    let teams_page = |sees_all| {
        let page = Page { sees_all, ..page(t, &t.get("nav-teams"), "teams") };
        let rows = [samples::team("datalab"), samples::team("shop")];
        let told = teams::Told { team: "<Shop>".into(), team_wrong: "no".into(), ..teams::Told::default() };
        let people = [samples::person("ana.ruiz"), samples::person("eva")];
        let repositories = ["shop/api".to_owned(), "shop/web".to_owned()];
        teams::ListPage::new(page, t, &rows, &repositories, &people, told, now()).render().expect("drawn")
    };
    let fault = super::error::samples::page(page(t, "x", ""), t, &Error::not_found("No such container: shop-worker-2"));
    let mut all = vec![
        (
            "overview",
            overview::OverviewPage::new(
                page(t, &t.get("nav-overview"), "overview"),
                t,
                &views(),
                &usages,
                &host(),
                &entries,
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        ("containers", list(views(), containers::Filter::default())),
        ("empty", list(Vec::new(), containers::Filter::default())),
        (
            "container",
            OverviewPage::new(page(t, "shop-worker", "containers"), t, &running, &history, &entries, now())
                .render()
                .expect("drawn"),
        ),
        (
            "container-failed",
            OverviewPage::new(page(t, "etl-backfill", "containers"), t, &failed, &[], &[], now())
                .render()
                .expect("drawn"),
        ),
        (
            "container-logs",
            LogsPage::new(
                page(t, "shop-worker", "containers").with_scripts(&["logs.js"]),
                t,
                &running,
                &log,
                Since::default(),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "container-stats",
            StatsPage::new(
                page(t, "shop-worker", "containers").with_scripts(&["uplot.js", "stats.js"]),
                t,
                &running,
                &history,
                processes,
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "container-usage",
            UsagePage::new(
                page(t, "shop-worker", "containers").with_scripts(&["uplot.js", "stats.js"]),
                t,
                &running,
                container_usage::day(),
                &samples::day_of_use(),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        ("container-new", new.render().expect("drawn")),
        (
            "registries",
            RegistriesPage::new(
                page(t, &t.get("registries-title"), "images"),
                t,
                &[RegistryRow {
                    host: "registry.example:5000".into(),
                    user: "ana <ruiz>".into(),
                    secret: Vec::new(),
                    added_at: now().as_microsecond() - 4_000_000_000,
                    added_by: "ana.ruiz".into(),
                }],
                super::registries::Given { host: "ghcr.io".into(), user: "ana".into() },
                "unauthorized: authentication required".into(),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "operations",
            operations::samples::list(
                page(t, &t.get("nav-operations"), ""),
                t,
                &[operation(3, "running"), operation(2, "failed"), operation(1, "done")],
                now(),
            ),
        ),
        ("builds", builds_page(["running", "failed", "done", "interrupted"].map(|one| build(one, now())).into())),
        ("builds-empty", builds_page(Vec::new())),
        ("build", build_page(&build("running", now()))),
        ("build-failed", build_page(&build("failed", now()))),
        ("build-done", build_page(&build("done", now()))),
        ("build-new", new_build(Way::Paste)),
        ("build-new-upload", new_build(Way::Upload)),
        ("build-new-address", new_build(Way::Address)),
        (
            "build-cache",
            CachePage::new(page(t, &t.get("cache-title"), "builds"), t, kept(), now()).render().expect("drawn"),
        ),
        ("operation", operations::samples::detail(page(t, "x", ""), t, &operation(3, "running"), now())),
        (
            "audit",
            audit::ListPage::new(
                page(t, &t.get("nav-audit"), "audit"),
                t,
                Asked::default(),
                whole,
                &entries,
                (vec!["ana.ruiz".into()], vec!["container.start".into()]),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "account",
            AccountPage::new(
                page(t, &t.get("account-title"), ""),
                t,
                preferences,
                (&[session(1), session(2)], 1),
                &[token],
                Told { present_wrong: t.get("account-present-wrong"), token: "darsena_1_ff".into(), ..Told::default() },
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "registry",
            registry::ListPage::new(
                page(t, &t.get("nav-registry"), "registry"),
                t,
                "127.0.0.1:8080".into(),
                &[repository("shop/api", now()), repository("datalab/etl", now())],
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "registry-empty",
            registry::ListPage::new(page(t, &t.get("nav-registry"), "registry"), t, "reg.example".into(), &[], now())
                .render()
                .expect("drawn"),
        ),
        (
            "repository",
            registry::DetailPage::new(
                page(t, "shop/api", "registry"),
                t,
                "127.0.0.1:8080",
                &repository("shop/api", now()),
                true,
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        ("teams", teams_page(true)),
        ("teams-member", teams_page(false)),
        (
            "team",
            teams::DetailPage::new(
                page(t, "shop", "teams"),
                t,
                ("shop", &[samples::member("ana.ruiz", TeamRole::Lead), samples::member("eva", TeamRole::Viewer)]),
                vec!["shop/api".into()],
                true,
                teams::Adding { user: "<eva>".into(), wrong: "there is no user named <eva>".into() },
            )
            .render()
            .expect("drawn"),
        ),
        (
            "person",
            PersonPage::new(page(t, "eva", "teams"), t, &samples::person("eva"), false, String::new(), now())
                .render()
                .expect("drawn"),
        ),
        ("confirm", confirm.render().expect("drawn")),
        ("error", fault),
        (
            "login",
            SignInPage {
                t,
                csrf: "f".repeat(64),
                back: "/".into(),
                name: String::new(),
                wrong: t.one("session-wait", "seconds", 8),
            }
            .render()
            .expect("drawn"),
        ),
        (
            "first-run",
            SetUpPage {
                t,
                csrf: "f".repeat(64),
                word: String::new(),
                name: String::new(),
                word_wrong: String::new(),
                name_wrong: String::new(),
                password_wrong: t.get("weakness-short"),
            }
            .render()
            .expect("drawn"),
        ),
    ];
    all.extend(images::all(t, &views(), &running));
    all.extend(volumes::all(t, &views(), &running));
    all
}

#[test]
fn every_page_keeps_the_rules_in_both_languages() {
    for language in [Language::English, Language::Spanish] {
        let t = Texts { language };
        for (name, text) in all(t) {
            let place = format!("{name} ({})", language.code());
            assert!(text.starts_with("<!doctype html>"), "{place}");
            assert_eq!(text.matches("<h1").count(), 1, "{place} has one title");
            assert!(!text.contains(" style=") && !text.contains("<style"), "{place} has no inline style");
            assert!(
                !text.contains("<script>") && !text.contains(" onclick=") && !text.contains("javascript:"),
                "{place} has no inline script"
            );
            for form in text.split("<form").skip(1) {
                let head = form.split('>').next().unwrap_or_default();
                if head.contains("method=\"post\"") {
                    assert!(
                        form.split("</form>").next().unwrap_or_default().contains("name=\"csrf\""),
                        "{place}: a form without token"
                    );
                }
            }
            for id in text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()) {
                assert_eq!(text.matches(&format!(" id=\"{id}\"")).count(), 1, "{place}: {id} is there twice");
            }
            if let Ok(folder) = std::env::var("DARSENA_DRAWN") {
                let statics = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/static/");
                let text = text.replace("\"/static/", &format!("\"{statics}"));
                std::fs::write(format!("{folder}/{name}.{}.html", language.code()), text).expect("written");
            }
        }
    }
}

#[test]
fn what_containers_write_is_shown_as_text() {
    let pages = all(Texts::default());
    let logs = &pages.iter().find(|(name, _)| *name == "container-logs").expect("there").1;
    assert!(logs.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "escaped");
    let notice = &pages.iter().find(|(name, _)| *name == "containers").expect("there").1;
    assert!(notice.contains("shop-&#60;api&#62;") && !notice.contains("shop-<api>"));
}
