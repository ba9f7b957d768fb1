//! The pages of images, and of what a container changed of its own.

use askama::Template;
use runtime::view::ContainerView;

use super::{page, samples::changes};
use crate::{
    i18n::Texts,
    ops::image_choice::Choice,
    ui::{
        container_changes::{self, ChangesPage},
        container_commit::{CommitForm, CommitPage},
        container_prune,
        container_settings::{SettingsForm, SettingsPage},
        containers::samples::now,
        image,
        image_import::{ImportForm, ImportPage},
        image_prune::{self, PrunePage},
        image_remove::RemovePage,
        image_search::SearchPage,
        images::{self, samples::summary},
    },
};

/// Their names and texts.
pub(super) fn all(t: Texts, views: &[ContainerView], running: &ContainerView) -> Vec<(&'static str, String)> {
    let pictures = [summary("shop/api:2.14.0", 83_400_000), summary("postgres:16.4", 431_000_000), summary("", 12_000)];
    let images_page = images::ListPage::new(
        page(t, &t.get("nav-images"), "images"),
        t,
        "/images".into(),
        (images::Filter::default(), &Choice::default()),
        &pictures,
        views,
        now(),
    );
    let image = images::samples::image("shop/api:2.14.0");
    vec![
        (
            "container-changes",
            ChangesPage::new(
                page(t, "shop-worker", "containers"),
                t,
                running,
                &changes(),
                &container_changes::Asked::default(),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "container-commit",
            CommitPage::new(
                page(t, "shop-worker", "containers"),
                t,
                running,
                CommitForm::default(),
                "unknown instruction: FOO <b>".into(),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "container-settings",
            SettingsPage::new(
                page(t, "shop-worker", "containers"),
                t,
                running,
                SettingsForm::of(running),
                "Conflict <b>".into(),
                Some(crate::ui::containers::samples::usage()),
                now(),
            )
            .render()
            .expect("drawn"),
        ),
        (
            "containers-prune",
            container_prune::PrunePage::new(
                page(t, &t.get("containers-prune-question"), "containers"),
                t,
                container_prune::Asked::default(),
                views,
            )
            .render()
            .expect("drawn"),
        ),
        (
            "image-prune",
            PrunePage::new(
                page(t, &t.get("images-prune-question"), "images"),
                t,
                image_prune::Asked::default(),
                &pictures,
                91_000_000,
            )
            .render()
            .expect("drawn"),
        ),
        (
            "images-search",
            SearchPage {
                page: page(t, &t.get("images-search-title"), "images"),
                t,
                term: "<nginx>".into(),
                here: Vec::new(),
            }
            .render()
            .expect("drawn"),
        ),
        (
            "image-import",
            ImportPage {
                page: page(t, &t.get("image-import-title"), "images"),
                t,
                form: ImportForm::default(),
                wrong: t.get("image-import-what"),
            }
            .render()
            .expect("drawn"),
        ),
        (
            "image-remove",
            RemovePage {
                page: page(t, &t.one("question", "title", t.one("remove-one", "name", "shop/api:2.14.0")), "images"),
                t,
                action: "/images/bulk".into(),
                note: t.get("images-remove-stopped"),
                wrong: "conflict: it is used".into(),
                lines: Vec::new(),
                users: Vec::new(),
                hidden: vec![("name", "shop/api:2.14.0".into())],
                button: t.two("images-remove-button", "count", 1, "size", t.size(91_000_000)),
                force: Some(true),
                back: "/images".into(),
            }
            .render()
            .expect("drawn"),
        ),
        ("images", images_page.render().expect("drawn")),
        (
            "image",
            image::DetailPage::new(page(t, "shop/api:2.14.0", "images"), t, &image, views, now())
                .render()
                .expect("drawn"),
        ),
    ]
}
