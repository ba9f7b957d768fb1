//! Looking at images, naming and removing them. Names have slashes, so the verb is the path's last part.

use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use runtime::{error::Error, request::PruneImages, view::ImageSummary};

use super::{
    error::{Failure, Result},
    filters::Filters,
    json,
    model::image::{Image, Removal, Summary, history},
    push,
    query::{Query, moment},
};
use crate::{
    app::App,
    auth::actor::Actor,
    ops::{self, image_choice::Choice},
};

const FILTERS: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

pub(super) async fn list(State(app): State<App>, Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    let filters = Filters::of(&query, FILTERS)?;
    let images = ops::images::list(&app, &actor)?;
    let mut window = Window { before: until(&filters)?, ..Window::default() };
    if let Some(name) = filters.values("before").first() {
        let before = ops::images::get(&app, &actor, name).await?.summary.created_at;
        window.before = window.before.into_iter().chain(before).min();
    }
    if let Some(name) = filters.values("since").first() {
        window.since = ops::images::get(&app, &actor, name).await?.summary.created_at;
    }
    json(&select(&images, &filters, window, query.flag("shared-size"))?)
}

/// Images built between these moments.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Option<Timestamp>,
    before: Option<Timestamp>,
}

pub(super) fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    let Some(text) = filters.values("until").first() else { return Ok(None) };
    let ago = || text.parse().ok().and_then(|span: jiff::SignedDuration| Timestamp::now().checked_sub(span).ok());
    moment(text).or_else(ago).map(Some).ok_or_else(|| Failure::invalid(format!("invalid filter 'until={text}'")))
}

fn select<'a>(
    images: &'a [ImageSummary],
    filters: &Filters,
    window: Window,
    shared_size: bool,
) -> Result<Vec<Summary<'a>>> {
    let choice = Choice {
        references: filters.values("reference").to_vec(),
        dangling: filters.flag("dangling")?,
        labels: filters.values("label").to_vec(),
        since: window.since,
        before: window.before,
    };
    let summary = |image| choice.names(image).map(|names| Summary::of(image, names.tags, names.digests, shared_size));
    Ok(images.iter().filter_map(summary).collect())
}

pub(super) async fn read(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<String>,
) -> Result<Response> {
    match split(&path) {
        Some((name, "json")) => json(&Image::of(&ops::images::get(&app, &actor, name).await?)),
        Some((name, "get")) => super::archive::save_one(&app, &actor, name).await,
        Some((name, "history")) => json(&history(&ops::images::get(&app, &actor, name).await?)),
        _ => Err(no_such_page()),
    }
}

pub(super) async fn change(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response> {
    let name = match split(&path) {
        Some((name, "push")) => return push::push(app, actor, name, &headers, &query).await,
        Some((name, "tag")) => name,
        _ => return Err(no_such_page()),
    };
    let Some(repository) = query.text("repo") else {
        return Err(Failure::invalid("a repository name is needed: repo=NAME"));
    };
    let reference = query.text("tag").map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"));
    ops::images::tag(&app, &actor, name, &reference).await?;
    Ok(StatusCode::CREATED.into_response())
}

pub(super) async fn remove(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    remove_named(app, actor, &name, query).await
}

/// For names that the API has paths of, too.
pub(super) async fn remove_named(app: App, actor: Actor, name: &str, query: Query) -> Result<Response> {
    let gone = ops::images::remove(&app, &actor, name, query.flag("force")).await?;
    json(&gone.steps.iter().map(Removal).collect::<Vec<_>>())
}

const PRUNE_FILTERS: &[&str] = &["dangling", "label", "label!", "until"];

pub(super) async fn prune(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let filters = Filters::of(&query, PRUNE_FILTERS)?;
    let request = PruneImages {
        named: !filters.flag("dangling")?.unwrap_or(true),
        until: until(&filters)?,
        labels: filters.values("label").to_vec(),
        labels_not: filters.values("label!").to_vec(),
    };
    let pruned = ops::images::prune(&app, &actor, request).await?;
    let steps: Vec<_> = pruned.steps.iter().map(Removal).collect();
    json(&serde_json::json!({ "ImagesDeleted": steps, "SpaceReclaimed": pruned.reclaimed_bytes }))
}

pub(super) async fn search(Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    if query.text("term").is_none() {
        return Err(Failure::invalid("what to search for is needed: term=WORD"));
    }
    Err(ops::images::search(&actor).into())
}

/// The image's name and the verb.
fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/').filter(|(name, verb)| !name.is_empty() && !verb.is_empty())
}

fn no_such_page() -> Failure {
    Error::not_found("page not found").into()
}

#[cfg(test)]
mod tests {
    use super::{super::model::image::tests::summary, *};

    #[test]
    fn names_may_have_slashes() {
        for (path, name, verb) in [
            ("busybox/json", "busybox", "json"),
            ("127.0.0.1:5000/a/b:1/history", "127.0.0.1:5000/a/b:1", "history"),
            ("a/json/json", "a/json", "json"),
            ("a@sha256:00/tag", "a@sha256:00", "tag"),
        ] {
            assert_eq!(split(path), Some((name, verb)));
        }
        for path in ["json", "", "/json", "a/"] {
            assert_eq!(split(path), None, "{path}");
        }
    }

    fn picked(json: &str, window: Window) -> Vec<String> {
        let images = [
            summary(&["busybox:latest", "me/busybox:1"], 300),
            summary(&["127.0.0.1:5000/web:2"], 200),
            summary(&[], 100),
        ];
        let filters = Filters::of(&Query::parse(&format!("filters={json}")), FILTERS).unwrap();
        let chosen = select(&images, &filters, window, false).unwrap();
        let tags = |image| serde_json::to_value(image).unwrap()["RepoTags"].to_string().replace('"', "");
        chosen.iter().map(tags).collect()
    }

    #[test]
    fn lists_are_narrowed_as_docker_narrows_them() {
        let all = Window::default();
        assert_eq!(picked("{}", all), ["[busybox:latest,me/busybox:1]", "[127.0.0.1:5000/web:2]", "[]"]);
        assert_eq!(picked(r#"{"reference":["busybox"]}"#, all), ["[busybox:latest]"]);
        assert_eq!(picked(r#"{"reference":["*/busybox:*"]}"#, all), ["[me/busybox:1]"]);
        assert_eq!(picked(r#"{"reference":["*/web"]}"#, all), ["[127.0.0.1:5000/web:2]"]);
        assert_eq!(picked(r#"{"dangling":["true"]}"#, all), ["[]"]);
        assert_eq!(picked(r#"{"dangling":["false"]}"#, all).len(), 2);
        assert_eq!(picked(r#"{"label":["a=b"]}"#, all).len(), 3);
        assert_eq!(picked(r#"{"label":["a=c"]}"#, all).len(), 0);
        let at = |second| Some(Timestamp::new(second, 0).unwrap());
        assert_eq!(picked("{}", Window { since: at(200), before: None }).len(), 1);
        assert_eq!(picked("{}", Window { since: None, before: at(200) }), ["[]"]);
    }

    #[test]
    fn until_is_a_moment_or_an_age() {
        let read = |text: &str| {
            let query = Query::parse(&format!("filters={{\"until\":[\"{text}\"]}}"));
            until(&Filters::of(&query, FILTERS).unwrap())
        };
        assert_eq!(read("1000").unwrap(), Some(Timestamp::new(1000, 0).unwrap()));
        assert!(read("24h").unwrap().unwrap() < Timestamp::now());
        assert!(read("whenever").is_err());
    }
}
