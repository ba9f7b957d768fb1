//! Volumes: the list, making one, removing several and those that nobody uses.

use std::{collections::BTreeMap, time::Duration};

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    error::ErrorKind,
    request::{CreateVolume, PruneVolumes},
    view::{ContainerView, VolumeView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    page::{Page, When, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, i18n::Texts, ops};

/// How long a page waits for sizes; what is not counted by then shows a dash.
const COUNTING: Duration = Duration::from_millis(400);

/// Sizes by name; `None` inside is not ours to count.
pub type Sizes = BTreeMap<String, Option<u64>>;

/// A name for the eye: anonymous ones are long.
pub(in crate::ui) fn short(volume: &VolumeView) -> String {
    if volume.is_anonymous() { volume.name.chars().take(12).collect() } else { volume.name.clone() }
}

/// Counts what can be counted in time.
pub(in crate::ui) async fn sizes(app: &App, signed: &Signed, volumes: &[VolumeView]) -> Sizes {
    let deadline = tokio::time::Instant::now() + COUNTING;
    let mut sizes = Sizes::new();
    for volume in volumes {
        let counted = ops::volumes::size(app, &signed.actor, &volume.name);
        match tokio::time::timeout_at(deadline, counted).await {
            Ok(Ok(size)) => drop(sizes.insert(volume.name.clone(), size)),
            Ok(Err(_)) => {}
            Err(_) => break,
        }
    }
    sizes
}

/// A size, or a dash.
pub(in crate::ui) fn size_text(sizes: &Sizes, name: &str, t: Texts) -> String {
    sizes.get(name).copied().flatten().map_or_else(|| "–".to_owned(), |bytes| t.size(bytes))
}

/// One row.
pub struct Row {
    name: String,
    short: String,
    anonymous: bool,
    size: String,
    users: Vec<String>,
    since: When,
}

/// The list's filters.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Filter {
    q: String,
    u: String,
}

impl Filter {
    fn takes(&self, volume: &VolumeView) -> bool {
        let words = self.q.trim().to_lowercase();
        let use_fits = match self.u.as_str() {
            "used" => !volume.users.is_empty(),
            "unused" => volume.users.is_empty(),
            _ => true,
        };
        use_fits && (words.is_empty() || volume.name.to_lowercase().contains(&words))
    }
}

/// The page.
#[derive(Template)]
#[template(path = "volumes/list.html", blocks = ["rows"])]
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
        volumes: &[VolumeView],
        (containers, sizes): (&[ContainerView], &Sizes),
        now: Timestamp,
    ) -> Self {
        let names = names(containers);
        let row = |volume: &VolumeView| Row {
            name: volume.name.clone(),
            short: short(volume),
            anonymous: volume.is_anonymous(),
            size: size_text(sizes, &volume.name, t),
            users: volume.users.iter().filter_map(|id| names.get(id.as_str()).cloned()).collect(),
            since: When::ago(t, volume.created_at, now),
        };
        let all: u64 = sizes.values().flatten().sum();
        Self {
            page,
            t,
            address,
            total: volumes.len(),
            lead: t.two("volumes-lead", "count", volumes.len(), "size", t.size(all)),
            rows: volumes.iter().filter(|volume| filter.takes(volume)).map(row).collect(),
            filter,
        }
    }

    fn uses(&self) -> Vec<(&'static str, String, bool)> {
        [("", "volumes-all"), ("used", "volumes-used"), ("unused", "volumes-unused")]
            .into_iter()
            .map(|(value, key)| (value, self.t.get(key), value == self.filter.u))
            .collect()
    }
}

/// Containers' names by id.
pub(in crate::ui) fn names(containers: &[ContainerView]) -> BTreeMap<&str, String> {
    containers.iter().map(|one| (one.id.as_str(), one.name.clone())).collect()
}

/// `GET /volumes`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed, Query(filter): Query<Filter>) -> Result<Response, Fault> {
    let volumes = ops::volumes::list(&app, &signed.actor)?;
    let containers = ops::containers::list(&app, &signed.actor)?;
    let sizes = sizes(&app, &signed, &volumes).await;
    let page = Page::new(&app, &signed, signed.t.get("nav-volumes"), "volumes").await?.listening("volumes,operations");
    let address = signed.uri.path_and_query().map_or("/volumes", |path| path.as_str()).to_owned();
    let whole = ListPage::new(page, signed.t, address, filter, &volumes, (&containers, &sizes), Timestamp::now());
    signed.answer(&whole, &whole.as_rows())
}

/// Label lines and driver options of the form.
fn asked(posted: &Posted) -> CreateVolume {
    let text = |name: &str| posted.fields.text(name);
    let labels = text("labels");
    let labels = labels.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")));
    let options = [("type", text("type")), ("device", text("device")), ("o", text("options"))];
    CreateVolume {
        name: Some(text("name")).filter(|name| !name.is_empty()),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        options: options
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// `POST /volumes`.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let request = asked(&posted);
    let (signed, t) = (&posted.signed, posted.signed.t);
    if let Some(name) = &request.name
        && ops::volumes::get(&app, &signed.actor, name).is_ok()
    {
        notify(signed, false, t.one("volume-there", "name", name));
        return Ok(see_other("/volumes"));
    }
    match ops::volumes::create(&app, &signed.actor, request).await {
        Ok(volume) => {
            notify(signed, true, t.one("volume-made", "name", short(&volume)));
            Ok(see_other(&format!("/volumes/{}", volume.name)))
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            notify(signed, false, error.message().to_owned());
            Ok(see_other("/volumes"))
        }
        Err(error) => Err(error.into()),
    }
}

fn line(volume: &VolumeView, sizes: &Sizes, t: Texts, field: bool) -> Line {
    Line {
        name: short(volume),
        address: format!("/volumes/{}", volume.name),
        detail: size_text(sizes, &volume.name, t),
        field: field.then(|| volume.name.clone()),
    }
}

/// `POST /bulk/volumes`: asks, then removes.
///
/// # Errors
/// [`Fault`].
pub async fn bulk(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let chosen: Vec<VolumeView> =
        posted.fields.all("id").filter_map(|name| ops::volumes::get(&app, &signed.actor, name).ok()).collect();
    if chosen.is_empty() {
        notify(signed, false, t.get("volumes-none-chosen"));
        return Ok(see_other("/volumes"));
    }
    if posted.fields.get("sure").is_none() {
        let sizes = sizes(&app, signed, &chosen).await;
        let title = t.one("volumes-remove-some", "count", chosen.len());
        let confirm = Confirm {
            page: Page::new(&app, signed, t.one("question", "title", &title), "volumes").await?,
            t,
            crumb: ("/volumes", t.get("nav-volumes")),
            action: "/bulk/volumes".to_owned(),
            note: t.get("volume-remove-effect"),
            lines: chosen.iter().map(|volume| line(volume, &sizes, t, true)).collect(),
            hidden: vec![("do", "remove".to_owned()), ("sure", "yes".to_owned())],
            button: title,
            icon: "trash",
            danger: true,
            back: "/volumes".to_owned(),
        };
        return confirm.answer();
    }
    let mut removed = 0;
    for volume in &chosen {
        match ops::volumes::remove(&app, &signed.actor, &volume.name, true).await {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == ErrorKind::Forbidden => return Err(error.into()),
            Err(error) => notify(signed, false, error.message().to_owned()),
        }
    }
    if removed > 0 {
        notify(signed, true, t.one("volumes-removed", "count", removed));
    }
    Ok(see_other("/volumes"))
}

/// What is to go.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Pruning {
    what: String,
}

impl Pruning {
    fn request(&self) -> PruneVolumes {
        PruneVolumes { named: self.what == "all", ..PruneVolumes::default() }
    }
}

/// The question before the prune.
#[derive(Template)]
#[template(path = "volumes/prune.html")]
pub struct PrunePage {
    page: Page,
    t: Texts,
    all: bool,
    lines: Vec<Line>,
    button: String,
}

impl PrunePage {
    /// From plain views: those that would go.
    pub fn new(page: Page, t: Texts, asked: &Pruning, going: &[VolumeView], sizes: &Sizes) -> Self {
        let bytes: u64 = sizes.values().flatten().sum();
        Self {
            page,
            t,
            all: asked.what == "all",
            lines: going.iter().map(|volume| line(volume, sizes, t, false)).collect(),
            button: t.two("volumes-prune-button", "count", going.len(), "size", t.size(bytes)),
        }
    }
}

/// `GET /prune/volumes`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask_prune(
    State(app): State<App>,
    signed: Signed,
    Query(asked): Query<Pruning>,
) -> Result<Response, Fault> {
    let request = asked.request();
    let going: Vec<_> =
        ops::volumes::list(&app, &signed.actor)?.into_iter().filter(|volume| request.chooses(volume)).collect();
    let sizes = sizes(&app, &signed, &going).await;
    let page = Page::new(&app, &signed, signed.t.get("volumes-prune-question"), "volumes").await?;
    let whole = PrunePage::new(page, signed.t, &asked, &going, &sizes);
    signed.answer(&whole, &whole)
}

/// `POST /prune/volumes`.
///
/// # Errors
/// [`Fault`].
pub async fn prune(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let (signed, t) = (&posted.signed, posted.signed.t);
    let asked = Pruning { what: posted.fields.text("what") };
    let pruned = ops::volumes::prune(&app, &signed.actor, asked.request()).await?;
    let text = t.two("volumes-pruned", "count", pruned.removed.len(), "size", t.size(pruned.reclaimed_bytes));
    notify(signed, true, text);
    Ok(see_other("/volumes"))
}

#[cfg(test)]
pub mod samples {
    use super::*;
    use crate::ui::containers::samples::now;

    /// A volume of this name, used by so many.
    pub fn volume(name: &str, users: usize) -> VolumeView {
        VolumeView {
            name: name.into(),
            created_at: now(),
            labels: if name.len() == 64 {
                [(runtime::view::ANONYMOUS_LABEL.to_owned(), String::new())].into()
            } else {
                [("team".to_owned(), "shop-<web>".to_owned())].into()
            },
            options: BTreeMap::new(),
            mountpoint: format!("/var/lib/darsena/volumes/{name}/data").into(),
            users: (0..users).map(|_| runtime::id::ContainerId::random()).collect(),
        }
    }

    #[test]
    fn filters_narrow_by_name_and_use() {
        let filter = |q: &str, u: &str| Filter { q: q.into(), u: u.into() };
        let volume = volume("shop-db", 1);
        assert!(filter("", "").takes(&volume) && filter(" SHOP", "used").takes(&volume));
        assert!(!filter("", "unused").takes(&volume) && !filter("x", "").takes(&volume));
    }
}
