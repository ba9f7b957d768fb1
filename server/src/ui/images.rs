//! Images: the list, one with its layers, pulling, loading a file, removing.

use askama::Template;
use axum::{
    extract::{Multipart, Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::{Error, ErrorKind},
    request::PullImage,
    view::{ContainerView, ImageSummary, ImageView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
    upload,
};
use crate::{app::App, i18n::Texts, ops};

/// One row.
pub struct Row {
    id: String,
    short_id: String,
    repository: String,
    tag: String,
    size: String,
    unique: String,
    used_by: String,
    since: When,
}

/// An image's name for people: its first tag, its digest's name, or its short id.
fn name_of(image: &ImageSummary) -> String {
    image.tags.first().or(image.digests.first()).cloned().unwrap_or_else(|| image.id.short())
}

/// `name` and `:tag`.
fn split_name(name: &str) -> (String, String) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') && !repository.contains('@') => {
            (repository.to_owned(), format!(":{tag}"))
        }
        _ => (name.to_owned(), String::new()),
    }
}

fn used_by(image: &ImageSummary, containers: &[ContainerView], t: Texts) -> String {
    let mut names = containers.iter().filter(|one| one.image_id == image.id).map(|one| one.name.clone());
    match (names.next(), names.count()) {
        (None, _) => String::new(),
        (Some(name), 0) => name,
        (Some(_), more) => t.one("images-used-by-count", "count", more + 1),
    }
}

impl Row {
    fn all(image: &ImageSummary, containers: &[ContainerView], t: Texts, now: Timestamp) -> Vec<Self> {
        let names = if image.tags.is_empty() { vec![name_of(image)] } else { image.tags.clone() };
        let row = |name: String| {
            let (repository, tag) = if image.tags.is_empty() {
                (t.get("images-no-tag"), format!(" {}", image.id.short()))
            } else {
                split_name(&name)
            };
            Self {
                id: image.id.to_string(),
                short_id: image.id.short(),
                repository,
                tag,
                size: t.size(image.size_bytes),
                unique: t.size(image.unique_bytes),
                used_by: used_by(image, containers, t),
                since: When::ago(t, image.added_at, now),
            }
        };
        names.into_iter().map(row).collect()
    }

    /// `name:tag`, or the id of one without.
    fn reference(&self) -> String {
        if self.tag.starts_with(':') { format!("{}{}", self.repository, self.tag) } else { self.id.clone() }
    }
}

/// The list's filters.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Filter {
    #[serde(default)]
    q: String,
    #[serde(default)]
    u: String,
    #[serde(default)]
    pull: String,
    #[serde(default, rename = "ref")]
    reference: String,
}

/// The list.
#[derive(Template)]
#[template(path = "images/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    address: String,
    filter: Filter,
    total: usize,
    lead: String,
    rows: Vec<Row>,
}

impl ListPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        address: String,
        filter: Filter,
        images: &[ImageSummary],
        containers: &[ContainerView],
        now: Timestamp,
    ) -> Self {
        let bytes: u64 = images.iter().map(|image| image.size_bytes).sum();
        let words = filter.q.trim().to_lowercase();
        let takes = |image: &&ImageSummary| {
            let used = containers.iter().any(|one| one.image_id == image.id);
            let by_use = match filter.u.as_str() {
                "used" => used,
                "unused" => !used,
                "untagged" => image.tags.is_empty(),
                _ => true,
            };
            let text = [image.tags.join(" "), image.id.to_string()].join(" ").to_lowercase();
            by_use && (words.is_empty() || text.contains(&words))
        };
        let rows = images.iter().filter(takes).flat_map(|image| Row::all(image, containers, t, now)).collect();
        Self {
            page,
            t,
            address,
            total: images.len(),
            lead: t.two("images-lead", "count", images.len(), "size", t.size(bytes)),
            filter,
            rows,
        }
    }
}

/// `GET /images`; `?ref=` goes to the image of that name.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(filter): Query<Filter>) -> Result<Response, Fault> {
    if !filter.reference.is_empty() {
        let image = ops::images::get(&app, &signed.actor, &filter.reference).await?;
        return Ok(see_other(&format!("/images/{}", image.summary.id)));
    }
    let page = Page::new(&app, &signed, signed.t.get("nav-images"), "images").await?.listening("images,operations");
    let whole = ListPage::new(
        page,
        signed.t,
        signed.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        filter,
        &ops::images::list(&app, &signed.actor)?,
        &ops::containers::list(&app, &signed.actor)?,
        Timestamp::now(),
    );
    signed.answer(&whole, &whole.as_rows())
}

/// A layer, as a bar.
pub struct LayerRow {
    number: usize,
    percent: u64,
    size: String,
    instruction: String,
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
    settings: Vec<String>,
    runs: Vec<(String, String)>,
    env: Vec<String>,
    labels: Vec<(String, String)>,
    names: Vec<String>,
    used_by: Vec<String>,
    config: String,
}

impl DetailPage {
    /// From plain views.
    pub fn new(page: Page, t: Texts, image: &ImageView, containers: &[ContainerView], now: Timestamp) -> Self {
        let (repository, tag) = split_name(&name_of(&image.summary));
        let largest = image.history.iter().map(|line| line.size_bytes).max().unwrap_or(0).max(1);
        let plain = |line: &str| {
            let line = line.trim_start_matches("/bin/sh -c ").trim_start_matches("#(nop)").trim();
            line.trim_end_matches("# buildkit").trim().to_owned()
        };
        let mut layers = Vec::new();
        let mut settings = Vec::new();
        for line in &image.history {
            if line.diff_id.is_some() {
                let text = if line.created_by.is_empty() { &line.comment } else { &line.created_by };
                layers.push(LayerRow {
                    number: layers.len() + 1,
                    percent: (line.size_bytes * 100 / largest).max(1),
                    size: t.size(line.size_bytes),
                    instruction: plain(text),
                });
            } else {
                settings.push(plain(&line.created_by));
            }
        }
        if layers.is_empty() {
            layers = image
                .layers
                .iter()
                .enumerate()
                .map(|(at, layer)| LayerRow {
                    number: at + 1,
                    percent: 1,
                    size: "–".to_owned(),
                    instruction: layer.to_string(),
                })
                .collect();
        }
        layers.reverse();
        settings.reverse();
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
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (t.get(key), value))
        .collect();
        let platform = [image.os.as_str(), &image.architecture, &image.variant];
        let platform = platform.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Self {
            page,
            t,
            repository,
            tag,
            id: image.summary.id.to_string(),
            short_id: image.summary.id.short(),
            lead: format!(
                "{} · {platform} · {}",
                t.size(image.summary.size_bytes),
                t.one("image-came", "when", t.ago(image.summary.added_at, now, &super::page::ZONE))
            ),
            layers,
            settings,
            runs,
            env: defaults.env.clone(),
            labels: image.summary.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            names: image.summary.tags.iter().chain(&image.summary.digests).cloned().collect(),
            used_by: containers
                .iter()
                .filter(|one| one.image_id == image.summary.id)
                .map(|one| one.name.clone())
                .collect(),
            config: serde_json::to_string_pretty(&image.config).unwrap_or_default(),
        }
    }

    /// The name it is offered to be pushed under.
    fn push_name(&self) -> &str {
        self.names.iter().find(|name| !name.contains('@')).map_or("", String::as_str)
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
    let whole = DetailPage::new(page, signed.t, &image, &containers, Timestamp::now());
    signed.answer(&whole, &whole)
}

/// `POST /images/pull`.
///
/// # Errors
/// [`Fault`].
pub async fn pull(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    let reference = posted.fields.text("image");
    if reference.is_empty() {
        notify(&signed, false, signed.t.get("images-pull-what"));
        return Ok(see_other("/images"));
    }
    let request = PullImage { reference, ..PullImage::default() };
    match ops::images::pull(&app, &signed.actor, request, posted.fields.is_on("all")).await {
        Ok(watch) => Ok(see_other(&format!("/operations/{}", watch.id))),
        Err(error) if error.kind() == ErrorKind::Invalid => {
            notify(&signed, false, error.message().to_owned());
            Ok(see_other("/images"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /images/{id}/push`: uploads it under a name, which it gets if it doesn't have it.
///
/// # Errors
/// [`Fault`].
pub async fn push(State(app): State<App>, Path(id): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    match ops::images::push_as(&app, &signed.actor, &id, &posted.fields.text("name")).await {
        Ok(watch) => Ok(see_other(&format!("/operations/{}", watch.id))),
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Conflict) => {
            notify(&signed, false, error.message().to_owned());
            Ok(see_other(&format!("/images/{id}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /images/load`: an archive, passed on as it comes in.
///
/// # Errors
/// [`Fault`].
pub async fn load(State(app): State<App>, signed: Signed, mut parts: Multipart) -> Result<Response, Fault> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        Fault::Failed(Error::with_source(ErrorKind::Invalid, "the upload broke off", error))
    };
    let mut trusted = false;
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name() {
            Some("csrf") => {
                let token = field.text().await.map_err(broken)?;
                trusted = signed.secret.is_form_token(&token);
            }
            Some("archive") if trusted => {
                let file_name: String = field.file_name().unwrap_or("archive").chars().take(200).collect();
                if file_name.is_empty() {
                    break;
                }
                let (sender, reader) = upload::bridge();
                let watch = ops::images::load(&app, &signed.actor, &file_name, reader).await?;
                let id = watch.id;
                upload::pass(field, sender).await.map_err(broken)?;
                // The file is here; reading and storing it goes on as an operation.
                return Ok(see_other(&format!("/operations/{id}")));
            }
            _ => return Err(Fault::StaleForm),
        }
    }
    if !trusted {
        return Err(Fault::StaleForm);
    }
    notify(&signed, false, signed.t.get("images-load-what"));
    Ok(see_other("/images"))
}

/// `GET /images/{id}/remove`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Path(id): Path<String>) -> Result<Response, Fault> {
    let t = signed.t;
    let image = ops::images::get(&app, &signed.actor, &id).await?;
    let containers = ops::containers::list(&app, &signed.actor)?;
    let name = name_of(&image.summary);
    let page =
        Page::new(&app, &signed, t.one("question", "title", t.one("remove-one", "name", &name)), "images").await?;
    let names =
        if image.summary.tags.is_empty() { vec![image.summary.id.to_string()] } else { image.summary.tags.clone() };
    let count = names.len();
    let mut lines: Vec<Line> = names
        .into_iter()
        .map(|name| Line {
            detail: t.two(
                "images-remove-size",
                "size",
                t.size(image.summary.size_bytes),
                "unique",
                t.size(image.summary.unique_bytes),
            ),
            address: format!("/images/{}", image.summary.id),
            field: Some(name.clone()),
            name,
        })
        .collect();
    let users: Vec<&ContainerView> = containers.iter().filter(|one| one.image_id == image.summary.id).collect();
    for user in &users {
        lines.push(Line {
            name: user.name.clone(),
            address: format!("/containers/{}", user.name),
            detail: t.get("images-remove-user"),
            field: None,
        });
    }
    let confirm = Confirm {
        page,
        t,
        crumb: ("/images", t.get("nav-images")),
        action: format!("/images/{}/remove", image.summary.id),
        note: t.get(if users.is_empty() { "images-remove-effect" } else { "images-remove-used" }),
        lines,
        hidden: Vec::new(),
        button: t.two("images-remove-button", "count", count, "size", t.size(image.summary.unique_bytes)),
        icon: "trash",
        danger: true,
        back: format!("/images/{}", image.summary.id),
    };
    confirm.answer()
}

/// `POST /images/{id}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(_): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let signed = posted.signed;
    let names: Vec<String> = posted.fields.all("id").map(str::to_owned).collect();
    for name in &names {
        match ops::images::remove(&app, &signed.actor, name, false).await {
            Ok(_) => notify(&signed, true, signed.t.one("images-removed", "name", name)),
            Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Forbidden) => {
                return Err(error.into());
            }
            Err(error) => {
                notify(&signed, false, signed.t.two("images-not-removed", "name", name, "why", error.message()));
            }
        }
    }
    Ok(see_other("/images"))
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Images to draw pages with.

    use runtime::{
        digest::{DiffId, Digest},
        view::{HistoryView, ImageDefaults},
    };

    use super::*;

    /// An image with a name and a size.
    pub fn summary(name: &str, size_bytes: u64) -> ImageSummary {
        ImageSummary {
            id: Digest::of(name.as_bytes()),
            tags: if name.is_empty() { Vec::new() } else { vec![name.to_owned()] },
            digests: Vec::new(),
            created_at: None,
            added_at: "2026-11-24T13:58:00Z".parse().expect("a time"),
            size_bytes,
            unique_bytes: size_bytes / 9,
            labels: [("org.opencontainers.image.source".to_owned(), "shop".to_owned())].into(),
        }
    }

    /// An image in full.
    pub fn image(name: &str) -> ImageView {
        let line = |text: &str, size_bytes, layer: bool| HistoryView {
            created_at: None,
            created_by: text.to_owned(),
            comment: String::new(),
            size_bytes,
            diff_id: layer.then(|| DiffId(Digest::of(text.as_bytes()))),
        };
        ImageView {
            summary: summary(name, 83_400_000),
            architecture: "amd64".into(),
            variant: String::new(),
            os: "linux".into(),
            author: String::new(),
            config: serde_json::json!({ "architecture": "amd64", "os": "linux" }),
            defaults: ImageDefaults {
                user: "10001".into(),
                exposed_ports: vec!["8080/tcp".parse().expect("a port")],
                env: vec!["PATH=/usr/bin".into()],
                entrypoint: vec!["/usr/bin/api".into()],
                ..ImageDefaults::default()
            },
            layers: Vec::new(),
            history: vec![
                line("ADD rootfs.tar.xz /", 52_000_000, true),
                line("/bin/sh -c #(nop)  CMD [\"bash\"]", 0, false),
                line("RUN apt-get install -y --no-install-recommends ca-certificates libpq5 tzdata", 22_300_000, true),
                line("COPY --from=build /src/target/release/api /usr/bin/", 8_900_000, true),
                line("COPY --chmod=0644 api.toml /etc/", 2_000, true),
            ],
            manifest: None,
        }
    }

    #[test]
    fn names_are_split_at_the_tag_and_not_at_the_port() {
        assert_eq!(split_name("shop/api:2.14.0"), ("shop/api".into(), ":2.14.0".into()));
        assert_eq!(split_name("127.0.0.1:5000/web"), ("127.0.0.1:5000/web".into(), String::new()));
        assert_eq!(split_name("127.0.0.1:5000/web:1"), ("127.0.0.1:5000/web".into(), ":1".into()));
        assert_eq!(split_name("web@sha256:00"), ("web@sha256:00".into(), String::new()));
    }
}
