//! One image: its layers and history, how it runs, its names, who uses it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::view::{ContainerView, HistoryView, ImageView};

use super::{
    error::Fault,
    images::{name_of, split_name},
    page::{Page, When, see_other},
    request::Signed,
};
use crate::{app::App, i18n::Texts, ops};

/// A layer, as a bar.
pub struct LayerRow {
    number: usize,
    percent: u64,
    size: String,
    instruction: String,
}

/// A line of the history.
pub struct HistoryRow {
    number: usize,
    instruction: String,
    comment: String,
    size: String,
    is_empty: bool,
    when: Option<When>,
}

/// A name, and whether it is one that can be taken off.
pub struct NameRow {
    name: String,
    is_tag: bool,
}

/// One image.
#[derive(Template)]
#[template(path = "images/detail.html")]
pub struct DetailPage {
    page: Page,
    t: Texts,
    repository: String,
    tag: String,
    id: String,
    short_id: String,
    lead: String,
    layers: Vec<LayerRow>,
    history: Vec<HistoryRow>,
    runs: Vec<(String, String)>,
    env: Vec<String>,
    labels: Vec<(String, String)>,
    names: Vec<NameRow>,
    used_by: Vec<String>,
    config: String,
    /// The build that made it, if it is on record.
    pub build: Option<i64>,
}

/// An instruction without what builders put around it.
fn plain(line: &str) -> String {
    let line = line.trim_start_matches("/bin/sh -c ").trim_start_matches("#(nop)").trim();
    line.trim_end_matches("# buildkit").trim().to_owned()
}

fn layers(image: &ImageView, t: Texts) -> Vec<LayerRow> {
    let largest = image.history.iter().map(|line| line.size_bytes).max().unwrap_or(0).max(1);
    let made = image.history.iter().filter(|line| line.diff_id.is_some());
    let mut layers: Vec<LayerRow> = made
        .enumerate()
        .map(|(at, line)| LayerRow {
            number: at + 1,
            percent: (line.size_bytes * 100 / largest).max(1),
            size: t.size(line.size_bytes),
            instruction: plain(if line.created_by.is_empty() { &line.comment } else { &line.created_by }),
        })
        .collect();
    if layers.is_empty() {
        let bare = |(at, layer): (usize, &runtime::digest::DiffId)| LayerRow {
            number: at + 1,
            percent: 1,
            size: "–".to_owned(),
            instruction: layer.to_string(),
        };
        layers = image.layers.iter().enumerate().map(bare).collect();
    }
    layers.reverse();
    layers
}

fn history(image: &ImageView, t: Texts, now: Timestamp) -> Vec<HistoryRow> {
    let row = |(at, line): (usize, &HistoryView)| HistoryRow {
        number: at + 1,
        instruction: plain(&line.created_by),
        comment: line.comment.clone(),
        size: t.size(line.size_bytes),
        is_empty: line.diff_id.is_none(),
        when: line.created_at.map(|at| When::ago(t, at, now)),
    };
    let mut rows: Vec<HistoryRow> = image.history.iter().enumerate().map(row).collect();
    rows.reverse();
    rows
}

impl DetailPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, image: &ImageView, containers: &[ContainerView], now: Timestamp) -> Self {
        let (repository, tag) = split_name(&name_of(&image.summary));
        let defaults = &image.defaults;
        let ports: Vec<String> = defaults.exposed_ports.iter().map(ToString::to_string).collect();
        let line = |words: &[String]| super::launch_form::shell_line(words);
        let runs = [
            ("launch-entrypoint", line(&defaults.entrypoint)),
            ("launch-command", line(&defaults.cmd)),
            ("container-user", defaults.user.clone()),
            ("launch-folder", defaults.working_dir.clone()),
            ("launch-ports", ports.join(", ")),
            ("image-volumes", defaults.volumes.join(", ")),
            ("image-stop-signal", defaults.stop_signal.clone()),
            ("image-author", image.author.clone()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (t.get(key), value))
        .collect();
        let platform = [image.os.as_str(), &image.architecture, &image.variant];
        let platform = platform.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        let tags = image.summary.tags.iter().map(|name| NameRow { name: name.clone(), is_tag: true });
        let digests = image.summary.digests.iter().map(|name| NameRow { name: name.clone(), is_tag: false });
        Self {
            page,
            t,
            repository,
            tag,
            id: image.summary.id.to_string(),
            short_id: image.summary.id.short(),
            lead: format!(
                "{} · {platform} · {}",
                t.two(
                    "images-remove-size",
                    "size",
                    t.size(image.summary.size_bytes),
                    "unique",
                    t.size(image.summary.unique_bytes)
                ),
                t.one("image-came", "when", t.ago(image.summary.added_at, now, &super::page::ZONE))
            ),
            layers: layers(image, t),
            history: history(image, t, now),
            runs,
            env: defaults.env.clone(),
            labels: image.summary.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            names: tags.chain(digests).collect(),
            used_by: containers
                .iter()
                .filter(|one| one.image_id == image.summary.id)
                .map(|one| one.name.clone())
                .collect(),
            config: serde_json::to_string_pretty(&image.config).unwrap_or_default(),
            build: None,
        }
    }

    /// The name it is offered to be pushed under.
    fn push_name(&self) -> &str {
        self.names.iter().find(|one| one.is_tag).map_or("", |one| one.name.as_str())
    }

    fn reference(&self) -> String {
        if self.tag.is_empty() { self.id.clone() } else { format!("{}{}", self.repository, self.tag) }
    }
}

/// `GET /images/{id}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(id): Path<String>) -> Result<Response, Fault> {
    let image = ops::images::get(&app, &signed.actor, &id).await?;
    if image.summary.id.to_string() != id {
        return Ok(see_other(&format!("/images/{}", image.summary.id)));
    }
    let containers = ops::containers::list(&app, &signed.actor)?;
    let page = Page::new(&app, &signed, name_of(&image.summary), "images").await?;
    let mut whole = DetailPage::new(page, signed.t, &image, &containers, Timestamp::now());
    whole.build = ops::builds::of_image(&app, &signed.actor, &id).await?;
    signed.answer(&whole, &whole)
}
