//! The pages of volumes, and what containers' pages say of them.

use askama::Template;
use runtime::{
    request::{BindMount, ContainerMount, MountFrom, TmpfsMount, VolumeMount},
    view::{ContainerView, FileEntry, FileKind, FolderView},
};

use super::page;
use crate::{
    i18n::Texts,
    ui::{
        container_mounts::RemovePage,
        containers::samples::now,
        volume::DetailPage,
        volume_edit::EditPage,
        volume_files::{FilesPage, RenamePage},
        volumes::{Filter, ListPage, PrunePage, Pruning, Sizes, samples::volume},
    },
};

fn mounts() -> Vec<ContainerMount> {
    let mount =
        |target: &str, source, read_only| ContainerMount { target: target.into(), source, read_only, spelled: None };
    let named = |name: &str, anonymous| {
        MountFrom::Volume(VolumeMount { name: Some(name.into()), anonymous, ..VolumeMount::default() })
    };
    vec![
        mount("/data", named("shop-db", false), false),
        mount("/own", named(&"ab".repeat(32), true), false),
        mount("/srv", MountFrom::Bind(BindMount { path: "/srv/<shop>".into(), ..BindMount::default() }), true),
        mount("/m", MountFrom::Tmpfs(TmpfsMount { size_bytes: Some(1 << 20), ..TmpfsMount::default() }), false),
    ]
}

fn entry(name: &str, kind: FileKind) -> FileEntry {
    FileEntry {
        name: name.into(),
        is_named: true,
        kind,
        size_bytes: 84_000,
        mode: 0o644,
        uid: 33,
        gid: 33,
        modified_at: now(),
        target: "../<elsewhere>".into(),
        version: "1-2-3".into(),
    }
}

/// Their names and texts.
pub(super) fn all(t: Texts, views: &[ContainerView], running: &ContainerView) -> Vec<(&'static str, String)> {
    let volumes = [volume("shop-db", 0), volume(&"ab".repeat(32), 0)];
    let sizes = Sizes::from([("shop-db".to_owned(), Some(84_000_000))]);
    let running = ContainerView { mounts: mounts(), ..running.clone() };
    let folder = FolderView {
        entries: vec![
            entry("conf", FileKind::Folder),
            entry("app <b>.conf", FileKind::File),
            entry("link", FileKind::Link),
            entry("pipe", FileKind::Other),
        ],
        more: 7,
    };
    let frame = |title: &str| page(t, title, "volumes");
    let list = ListPage::new(
        frame(&t.get("nav-volumes")),
        t,
        "/volumes".into(),
        Filter::default(),
        &volumes,
        (views, &sizes),
        now(),
    );
    let mut edit = EditPage::new(frame("app.conf"), t, "shop-db", "conf/app.conf");
    edit.text = Some("</textarea><script>alert(1)</script>".into());
    edit.theirs = Some("port = 81".into());
    edit.wrong = "conf/app.conf was changed meanwhile".into();
    edit.known = "1-2-3".into();
    let rename = RenamePage {
        page: frame(&t.one("files-rename-one", "name", "app.conf")),
        t,
        volume: "shop-db".into(),
        path: "conf/app.conf".into(),
        name: "app.conf".into(),
        back: "/volumes/shop-db/files?p=conf".into(),
    };
    let containers = [running.clone()];
    let remove = RemovePage::new(
        page(t, &t.one("question", "title", t.one("remove-one", "name", "shop-worker")), "containers"),
        t,
        &running,
        "shop/worker:2".into(),
        t.one("remove-one", "name", "shop-worker"),
    );
    vec![
        ("volumes", list.render().expect("drawn")),
        (
            "volume",
            DetailPage::new(frame("shop-db"), t, &volumes[0], &containers, &sizes, now()).render().expect("drawn"),
        ),
        ("volume-files", FilesPage::new(frame("conf"), t, "shop-db", "conf", &folder, now()).render().expect("drawn")),
        ("volume-edit", edit.render().expect("drawn")),
        ("volume-rename", rename.render().expect("drawn")),
        (
            "volumes-prune",
            PrunePage::new(frame(&t.get("volumes-prune-question")), t, &Pruning::default(), &volumes, &sizes)
                .render()
                .expect("drawn"),
        ),
        ("container-remove", remove.render().expect("drawn")),
    ]
}
