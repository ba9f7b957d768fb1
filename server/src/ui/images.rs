//! Images: the list with its filters, and what is done to several at once.

use std::collections::HashSet;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::{Error, ErrorKind},
    view::{ContainerView, ImageSummary},
};

use super::{
    encode,
    error::Fault,
    image_remove,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
};
use crate::{
    app::App,
    i18n::Texts,
    ops::{self, image_choice::Choice},
};

/// One row: one name of an image.
pub struct Row {
    id: String,
    short_id: String,
    repository: String,
    tag: String,
    digests: Vec<String>,
    size: String,
    shared: String,
    unique: String,
    used_by: String,
    since: When,
}

/// An image's name for people: its first tag, its digest's name, or its short id.
pub(in crate::ui) fn name_of(image: &ImageSummary) -> String {
    image.tags.first().or(image.digests.first()).cloned().unwrap_or_else(|| image.id.short())
}

/// `name` and `:tag`.
pub(in crate::ui) fn split_name(name: &str) -> (String, String) {
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
    fn all(
        image: &ImageSummary,
        (tags, digests): (&[&str], &[&str]),
        containers: &[ContainerView],
        t: Texts,
        now: Timestamp,
    ) -> Vec<Self> {
        let row = |(repository, tag): (String, String)| Self {
            id: image.id.to_string(),
            short_id: image.id.short(),
            repository,
            tag,
            digests: digests.iter().map(|one| (*one).to_owned()).collect(),
            size: t.size(image.size_bytes),
            shared: t.size(image.size_bytes.saturating_sub(image.unique_bytes)),
            unique: t.size(image.unique_bytes),
            used_by: used_by(image, containers, t),
            since: When::ago(t, image.added_at, now),
        };
        if tags.is_empty() {
            return vec![row((t.get("images-no-tag"), format!(" {}", image.id.short())))];
        }
        tags.iter().map(|name| row(split_name(name))).collect()
    }

    /// `name:tag`, or the id of one without.
    fn reference(&self) -> String {
        if self.tag.starts_with(':') { format!("{}{}", self.repository, self.tag) } else { self.id.clone() }
    }
}

/// The list's filters, and what else its address says.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Filter {
    q: String,
    u: String,
    reference: String,
    label: String,
    before: String,
    since: String,
    digests: String,
    pull: String,
    #[serde(rename = "ref")]
    wanted: String,
}

impl Filter {
    /// What only the fold shows is in use.
    fn is_open(&self) -> bool {
        [&self.reference, &self.label, &self.before, &self.since, &self.digests].iter().any(|one| !one.is_empty())
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    async fn choice(&self, app: &App, signed: &Signed) -> Result<Choice, Error> {
        let mut choice = Choice {
            references: Self::words(&self.reference),
            labels: Self::words(&self.label),
            dangling: match self.u.as_str() {
                "untagged" => Some(true),
                "tagged" => Some(false),
                _ => None,
            },
            ..Choice::default()
        };
        if !self.before.is_empty() {
            choice.before = ops::images::get(app, &signed.actor, self.before.trim()).await?.summary.created_at;
        }
        if !self.since.is_empty() {
            choice.since = ops::images::get(app, &signed.actor, self.since.trim()).await?.summary.created_at;
        }
        Ok(choice)
    }
}

/// The list.
#[derive(Template)]
#[template(path = "images/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    address: String,
    filter: Filter,
    /// Why the filters can't be used.
    pub wrong: String,
    total: usize,
    lead: String,
    rows: Vec<Row>,
    known: Vec<String>,
}

impl ListPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        address: String,
        (filter, choice): (Filter, &Choice),
        images: &[ImageSummary],
        containers: &[ContainerView],
        now: Timestamp,
    ) -> Self {
        let bytes: u64 = images.iter().map(|image| image.size_bytes).sum();
        let words = filter.q.trim().to_lowercase();
        let takes = |image: &ImageSummary| {
            let used = containers.iter().any(|one| one.image_id == image.id);
            let by_use = match filter.u.as_str() {
                "used" => used,
                "unused" => !used,
                _ => true,
            };
            let text = [image.tags.join(" "), image.digests.join(" "), image.id.to_string()].join(" ").to_lowercase();
            by_use && (words.is_empty() || text.contains(&words))
        };
        let shows_digests = !filter.digests.is_empty();
        let rows = images
            .iter()
            .filter(|image| takes(image))
            .filter_map(|image| choice.names(image).map(|names| (image, names)))
            .flat_map(|(image, names)| {
                let digests = if shows_digests { names.digests.as_slice() } else { &[] };
                Row::all(image, (&names.tags, digests), containers, t, now)
            })
            .collect();
        Self {
            page,
            t,
            address,
            wrong: String::new(),
            total: images.len(),
            lead: t.two("images-lead", "count", images.len(), "size", t.size(bytes)),
            filter,
            rows,
            known: images.iter().flat_map(|image| image.tags.clone()).collect(),
        }
    }

    fn uses(&self) -> Vec<(&'static str, String, bool)> {
        [
            ("", "operations-all"),
            ("used", "images-in-use"),
            ("unused", "images-not-used"),
            ("tagged", "images-tagged"),
            ("untagged", "images-no-tag"),
        ]
        .into_iter()
        .map(|(value, key)| (value, self.t.get(key), value == self.filter.u))
        .collect()
    }
}

/// `GET /images`; `?ref=` goes to the image of that name.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(filter): Query<Filter>) -> Result<Response, Fault> {
    if !filter.wanted.is_empty() {
        let image = ops::images::get(&app, &signed.actor, &filter.wanted).await?;
        return Ok(see_other(&format!("/images/{}", image.summary.id)));
    }
    let (choice, wrong) = match filter.choice(&app, &signed).await {
        Ok(choice) => (choice, String::new()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {
            (Choice::default(), error.message().to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    let page = Page::new(&app, &signed, signed.t.get("nav-images"), "images").await?.listening("images,operations");
    let mut whole = ListPage::new(
        page,
        signed.t,
        signed.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        (filter, &choice),
        &ops::images::list(&app, &signed.actor)?,
        &ops::containers::list(&app, &signed.actor)?,
        Timestamp::now(),
    );
    let is_wrong = !wrong.is_empty();
    whole.wrong = wrong;
    let mut response = signed.answer(&whole, &whole.as_rows())?;
    if is_wrong && !signed.fragment {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `POST /images/bulk`.
///
/// # Errors
/// [`Fault`].
pub async fn bulk(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, fields) = (posted.signed, posted.fields);
    let mut seen = HashSet::new();
    let names: Vec<String> = fields.all("id").filter(|name| seen.insert(*name)).map(str::to_owned).collect();
    if names.is_empty() {
        notify(&signed, false, signed.t.get("images-none-chosen"));
        return Ok(see_other("/images"));
    }
    match fields.text("do").as_str() {
        "save" => {
            let query: Vec<String> = names.iter().map(|name| format!("id={}", encode(name))).collect();
            Ok(see_other(&format!("/images/save?{}", query.join("&"))))
        }
        "remove" if fields.is_on("sure") => image_remove::several(&app, &signed, &names).await,
        "remove" => image_remove::ask_several(&app, &signed, &names).await,
        _ => Err(Fault::NoPage),
    }
}

#[cfg(test)]
pub(in crate::ui) mod samples {
    //! Images to draw pages with.

    use runtime::{
        digest::{DiffId, Digest},
        view::{HistoryView, ImageDefaults, ImageView},
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
