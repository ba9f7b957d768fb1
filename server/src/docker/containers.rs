//! Looking at containers: list, inspect, top.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use jiff::Timestamp;
use runtime::{
    digest::ImageId,
    request::{ContainerMount, ContainerPort},
    view::{ContainerState, ContainerView, ImageSummary},
};
use serde_json::json as value;

use super::{
    error::{Failure, Result},
    filters::{Filters, Patterns},
    json,
    model::{
        container::{Summary, word},
        health,
        inspect::Container,
    },
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

pub(super) async fn list(State(app): State<App>, Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    let mut containers = ops::containers::list(&app, &actor)?;
    let mut selection = Selection::of(&query, |name| Ok(ops::containers::get(&app, &actor, name)?))?;
    if let Some(names) = selection.ancestor_names.take() {
        let mut ids = BTreeSet::new();
        for name in names {
            if let Ok(image) = ops::images::get(&app, &actor, &name).await {
                ids.insert(image.summary.id);
            }
        }
        selection.ancestors = Some(ids);
    }
    selection.apply(&mut containers);
    let mut sizes = BTreeMap::new();
    if query.flag("size") {
        for container in &containers {
            sizes.insert(&container.id, ops::containers::size(&app, &actor, container.id.as_str()).await?);
        }
    }
    let images = ops::images::list(&app, &actor)?;
    let tags = tags(&images);
    let ids: Vec<_> = containers.iter().map(|container| container.image_id.to_string()).collect();
    let now = Timestamp::now();
    let lines: Vec<_> = containers
        .iter()
        .zip(&ids)
        .map(|(container, id)| {
            let size = sizes.get(&container.id).copied();
            Summary::of(container, image_name(container, id, &tags), id, size, now)
        })
        .collect();
    json(&lines)
}

pub(super) async fn inspect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let container = ops::containers::get(&app, &actor, &name)?;
    let size = if query.flag("size") { Some(ops::containers::size(&app, &actor, &name).await?) } else { None };
    json(&Container::of(&container, size))
}

pub(super) async fn top(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let table = ops::containers::top(&app, &actor, &name, query.text("ps_args").unwrap_or("-ef")).await?;
    json(&value!({ "Titles": table.titles, "Processes": table.rows }))
}

pub(super) fn tags(images: &[ImageSummary]) -> BTreeMap<&str, ImageId> {
    images.iter().flat_map(|image| image.tags.iter().map(|tag| (tag.as_str(), image.id))).collect()
}

/// The name as asked for while it still means this image; else the image's id.
pub(super) fn image_name<'a>(container: &'a ContainerView, id: &'a str, tags: &BTreeMap<&str, ImageId>) -> &'a str {
    let asked = container.request.image.as_str();
    let familiar = asked.strip_prefix("docker.io/").unwrap_or(asked);
    let familiar = familiar.strip_prefix("library/").unwrap_or(familiar);
    let means = if familiar.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        tags.get(familiar)
    } else {
        tags.get(format!("{familiar}:latest").as_str())
    };
    let is_prefix = || id.starts_with(asked) || id["sha256:".len()..].starts_with(asked);
    if means == Some(&container.image_id) || (means.is_none() && (is_prefix() || asked.contains('@'))) {
        asked
    } else {
        id
    }
}

/// Which containers of a list are wanted.
struct Selection {
    all: bool,
    limit: usize,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    names: Patterns,
    ids: Patterns,
    filters: Filters,
    exited: Vec<i32>,
    is_task: Option<bool>,
    published: Vec<Ports>,
    exposed: Vec<Ports>,
    ancestor_names: Option<Vec<String>>,
    ancestors: Option<BTreeSet<ImageId>>,
}

impl Selection {
    fn of(query: &Query, find: impl Fn(&str) -> Result<ContainerView>) -> Result<Self> {
        let filters = Filters::of(query, FILTERS)?;
        let wrong = |name: &str, value: &str| Failure::invalid(format!("invalid filter '{name}={value}'"));
        for status in filters.values("status") {
            let known = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
            if !known.contains(&status.as_str()) {
                return Err(wrong("status", status));
            }
        }
        for health in filters.values("health") {
            if !["none", "starting", "healthy", "unhealthy"].contains(&health.as_str()) {
                return Err(wrong("health", health));
            }
        }
        let exited = |code: &String| code.parse().map_err(|_| wrong("exited", code));
        let created = |name: &str| {
            filters.values(name).first().map(|name| find(name).map(|container| container.created_at)).transpose()
        };
        let ports = |name: &str| {
            let ports = filters.values(name).iter().map(|text| Ports::parse(text).ok_or_else(|| wrong(name, text)));
            ports.collect::<Result<Vec<_>>>()
        };
        let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
        Ok(Self {
            all: query.flag("all") || limit > 0 || !filters.values("status").is_empty(),
            limit,
            before: created("before")?,
            since: created("since")?,
            names: filters.patterns("name"),
            ids: filters.patterns("id"),
            exited: filters.values("exited").iter().map(exited).collect::<Result<_>>()?,
            is_task: filters.flag("is-task")?,
            published: ports("publish")?,
            exposed: ports("expose")?,
            ancestor_names: Some(filters.values("ancestor").to_vec()).filter(|names| !names.is_empty()),
            ancestors: None,
            filters,
        })
    }

    fn apply(&self, containers: &mut Vec<ContainerView>) {
        containers.retain(|container| self.takes(container));
        if self.limit > 0 {
            containers.truncate(self.limit);
        }
    }

    fn takes(&self, container: &ContainerView) -> bool {
        (self.all || container.state.is_running() || matches!(container.state, ContainerState::Restarting(_)))
            && self.before.is_none_or(|before| container.created_at < before)
            && self.since.is_none_or(|since| container.created_at > since)
            && (self.names.matches(&container.name) || self.names.matches(&format!("/{}", container.name)))
            && self.ids.matches(container.id.as_str())
            && self.filters.labels(&container.labels)
            && self.filters.exact("status", word(&container.state))
            && self.filters.exact("health", health::word(container))
            && in_network(&self.filters, container)
            && self.mounts(container)
            && self.is_task != Some(true)
            && (self.exited.is_empty()
                || matches!(&container.state, ContainerState::Exited(exit)
                    if exit.started_at.is_some() && self.exited.contains(&exit.code)))
            && self.ancestors.as_ref().is_none_or(|images| images.contains(&container.image_id))
            && self.ports(container)
    }

    /// Whether it publishes one of the wanted host ports or exposes one of the wanted ones; as in Docker, either is enough.
    fn ports(&self, container: &ContainerView) -> bool {
        let published = |port: ContainerPort| {
            let places = container.endpoint.iter().flat_map(|place| &place.ports);
            places.into_iter().any(|one| one.host_port == port.port && one.container.protocol == port.protocol)
        };
        let exposed = |port: ContainerPort| container.exposed_ports.contains(&port);
        (self.published.is_empty() && self.exposed.is_empty())
            || self.published.iter().any(|ports| ports.any(published))
            || self.exposed.iter().any(|ports| ports.any(exposed))
    }
}

impl Selection {
    /// Whether it mounts one of the wanted volumes or host paths, or mounts something on one of the wanted paths.
    fn mounts(&self, container: &ContainerView) -> bool {
        let wanted = self.filters.values("volume");
        let matches = |mount: &ContainerMount| {
            let name = mount.volume().and_then(|volume| volume.name.as_deref());
            let source = name.or(mount.bind().map(|bind| bind.path.as_str()));
            wanted.iter().any(|wanted| source == Some(wanted) || mount.target == *wanted)
        };
        wanted.is_empty() || container.mounts.iter().any(matches)
    }
}

/// Not filtered by network, or it is in one of these, by name or id.
fn in_network(filters: &Filters, container: &ContainerView) -> bool {
    let wanted = filters.values("network");
    let is = |name: &String| {
        container.request.network.to_string() == *name
            || container.attachments.iter().any(|one| one.network == *name)
            || container
                .endpoints()
                .any(|one| one.network_id.as_ref().is_some_and(|id| id.as_str().starts_with(&**name)))
    };
    wanted.is_empty() || wanted.iter().any(is)
}

/// A port or a range of them, `8000-8080/tcp`.
#[derive(Debug)]
struct Ports(std::ops::RangeInclusive<u16>, ContainerPort);

impl Ports {
    fn parse(text: &str) -> Option<Self> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let port: ContainerPort = format!("{first}/{protocol}").parse().ok()?;
        let last: u16 = last.parse().ok().filter(|last| *last >= port.port)?;
        Some(Self(port.port..=last, port))
    }

    fn any(&self, has: impl Fn(ContainerPort) -> bool) -> bool {
        self.0.clone().any(|port| has(ContainerPort { port, ..self.1 }))
    }
}

#[cfg(test)]
mod tests {
    use runtime::{digest::Digest, view::Exit};

    use super::{
        super::model::{container::tests::web, image::tests::summary},
        *,
    };

    fn stopped(name: &str, code: i32, created: i64) -> ContainerView {
        let at = Timestamp::new(created, 0).unwrap();
        ContainerView {
            id: runtime::id::ContainerId::random(),
            name: name.to_owned(),
            created_at: at,
            state: ContainerState::Exited(Exit {
                code,
                oom_killed: false,
                started_at: Some(at),
                finished_at: at,
                error: None,
            }),
            endpoint: None,
            labels: BTreeMap::new(),
            exposed_ports: Vec::new(),
            ..web()
        }
    }

    fn picked(query: &str) -> String {
        let mut containers = vec![web(), stopped("db", 3, 800), stopped("job", 0, 700)];
        let all = containers.clone();
        let find = |name: &str| Ok(all.iter().find(|one| one.name == name).cloned().unwrap());
        Selection::of(&Query::parse(query), find).unwrap().apply(&mut containers);
        containers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lists_are_narrowed_as_docker_narrows_them() {
        for (query, names) in [
            ("", "web"),
            ("all=1", "web db job"),
            ("limit=2", "web db"),
            (r#"filters={"status":["exited"]}"#, "db job"),
            (r#"all=1&filters={"exited":["3"]}"#, "db"),
            (r#"filters={"exited":["3"]}"#, ""),
            (r#"all=1&filters={"name":["^/?(db|job)$"]}"#, "db job"),
            (r#"all=1&filters={"name":["e"]}"#, "web"),
            (r#"all=1&filters={"id":["^abab"]}"#, "web"),
            (r#"all=1&filters={"label":["tier"]}"#, "web"),
            (r#"all=1&filters={"before":["web"]}"#, "db job"),
            (r#"all=1&filters={"since":["job"]}"#, "web db"),
            (r#"all=1&filters={"publish":["8080"]}"#, "web"),
            (r#"all=1&filters={"publish":["80"]}"#, ""),
            (r#"all=1&filters={"publish":["80"],"expose":["443"]}"#, "web"),
            (r#"all=1&filters={"publish":["443"]}"#, ""),
            (r#"all=1&filters={"expose":["400-500/tcp"]}"#, "web"),
            (r#"all=1&filters={"network":["bridge"]}"#, "web db job"),
            (r#"all=1&filters={"network":["none"]}"#, ""),
            (r#"all=1&filters={"health":["healthy"]}"#, ""),
            (r#"all=1&filters={"health":["none"]}"#, "web db job"),
            (r#"all=1&filters={"is-task":["true"]}"#, ""),
            (r#"all=1&filters={"volume":["x"]}"#, ""),
        ] {
            assert_eq!(picked(query), names, "{query}");
        }
    }

    #[test]
    fn wrong_filters_are_refused() {
        for query in [
            r#"filters={"status":["asleep"]}"#,
            r#"filters={"exited":["x"]}"#,
            r#"filters={"publish":["80-70"]}"#,
            r#"filters={"health":["fine"]}"#,
            r#"filters={"colour":["red"]}"#,
            "limit=many",
        ] {
            assert!(Selection::of(&Query::parse(query), |_| Ok(web())).is_err(), "{query}");
        }
    }

    #[test]
    fn ancestors_are_images() {
        let mut selection = Selection::of(&Query::default(), |_| Ok(web())).unwrap();
        selection.ancestors = Some(BTreeSet::from([Digest::of(b"image")]));
        assert!(selection.takes(&web()));
        selection.ancestors = Some(BTreeSet::new());
        assert!(!selection.takes(&web()));
    }

    #[test]
    fn the_image_is_named_while_the_name_means_it() {
        let mut nginx = summary(&["nginx:latest"], 0);
        let mut container = web();
        container.image_id = nginx.id;
        let id = nginx.id.to_string();
        let name = |container: &ContainerView, image: &ImageSummary| {
            image_name(container, &id, &tags(std::slice::from_ref(image))).to_owned()
        };
        for asked in ["nginx", "nginx:latest", "docker.io/library/nginx", &id, &id[7..19]] {
            container.request.image = asked.to_owned();
            assert_eq!(name(&container, &nginx), asked);
        }
        container.request.image = "other".to_owned();
        assert_eq!(name(&container, &nginx), id);
        container.request.image = "nginx".to_owned();
        nginx.id = Digest::of(b"newer");
        assert_eq!(name(&container, &nginx), id);
    }

    #[test]
    fn a_thousand_containers_are_listed_fast_enough_to_be_whole() {
        let container = web();
        let id = container.image_id.to_string();
        let lines: Vec<_> =
            (0..1000).map(|_| Summary::of(&container, "nginx", &id, None, Timestamp::UNIX_EPOCH)).collect();
        let text = serde_json::to_string(&lines).unwrap();
        assert_eq!(text.matches("\"Names\":[\"/web\"]").count(), 1000);
    }
}
