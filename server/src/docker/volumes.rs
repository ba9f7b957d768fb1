//! `/volumes`.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use runtime::{
    request::{CreateVolume, PruneVolumes},
    view::VolumeView,
};
use serde_json::json as value;

use super::{
    create::no_driver,
    error::{Failure, Result},
    filters::{Filters, Patterns},
    json,
    model::volume::{CreateBody, Volume},
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

pub(super) async fn list(State(app): State<App>, Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    let selection = Selection::of(&query)?;
    let volumes = ops::volumes::list(&app, &actor)?;
    let lines: Vec<_> = volumes.iter().filter(|volume| selection.takes(volume)).map(Volume::of).collect();
    json(&value!({ "Volumes": lines, "Warnings": null }))
}

/// Which volumes of a list are wanted.
struct Selection {
    filters: Filters,
    names: Patterns,
    dangling: Option<bool>,
}

impl Selection {
    fn of(query: &Query) -> Result<Self> {
        let filters = Filters::of(query, &["dangling", "driver", "label", "name"])?;
        Ok(Self { names: filters.patterns("name"), dangling: filters.flag("dangling")?, filters })
    }

    fn takes(&self, volume: &VolumeView) -> bool {
        self.dangling.is_none_or(|wanted| wanted == volume.users.is_empty())
            && self.filters.exact("driver", "local")
            && self.filters.labels(&volume.labels)
            && self.names.matches(&volume.name)
    }
}

pub(super) async fn inspect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<Response> {
    json(&Volume::of(&ops::volumes::get(&app, &actor, &name)?))
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    body: Bytes,
) -> Result<Response> {
    let volume = ops::volumes::create(&app, &actor, asked(&body)?).await?;
    Ok((StatusCode::CREATED, json(&Volume::of(&volume))?).into_response())
}

fn asked(body: &[u8]) -> Result<CreateVolume> {
    let body: CreateBody = if body.is_empty() {
        CreateBody::default()
    } else {
        serde_json::from_slice(body).map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))?
    };
    if let Some(driver) = body.driver.as_deref().filter(|driver| !matches!(*driver, "" | "local" | "default")) {
        return Err(no_driver(driver));
    }
    if body.cluster_volume_spec.is_some_and(|spec| !spec.is_null()) {
        return Err(Failure::unsupported("Darsena does not support cluster volumes"));
    }
    Ok(CreateVolume {
        name: body.name.filter(|name| !name.is_empty()),
        labels: body.labels.unwrap_or_default(),
        options: body.driver_opts.unwrap_or_default(),
    })
}

pub(super) async fn remove(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    ops::volumes::remove(&app, &actor, &name, query.flag("force")).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn prune(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let filters = Filters::of(&query, &["all", "label", "label!"])?;
    let request = PruneVolumes {
        named: filters.flag("all")?.unwrap_or(false),
        labels: filters.values("label").to_vec(),
        labels_not: filters.values("label!").to_vec(),
    };
    let pruned = ops::volumes::prune(&app, &actor, request).await?;
    json(&value!({ "VolumesDeleted": pruned.removed, "SpaceReclaimed": pruned.reclaimed_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, users: usize) -> VolumeView {
        VolumeView {
            name: name.to_owned(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            labels: [("tier".to_owned(), name.to_owned())].into(),
            options: std::collections::BTreeMap::new(),
            mountpoint: format!("/data/volumes/{name}/data").into(),
            users: (0..users).map(|_| runtime::id::ContainerId::random()).collect(),
        }
    }

    #[test]
    fn lists_are_narrowed() {
        let volumes = [volume("db", 1), volume("cache", 0)];
        for (query, names) in [
            ("", "db cache"),
            (r#"filters={"dangling":["true"]}"#, "cache"),
            (r#"filters={"dangling":{"false":true}}"#, "db"),
            (r#"filters={"name":["ach"]}"#, "cache"),
            (r#"filters={"label":["tier=db"]}"#, "db"),
            (r#"filters={"driver":["local"]}"#, "db cache"),
            (r#"filters={"driver":["other"]}"#, ""),
        ] {
            let selection = Selection::of(&Query::parse(query)).unwrap();
            let taken: Vec<_> = volumes.iter().filter(|one| selection.takes(one)).map(|one| &*one.name).collect();
            assert_eq!(taken.join(" "), names, "{query}");
        }
        assert!(Selection::of(&Query::parse(r#"filters={"colour":["red"]}"#)).is_err());
    }

    #[test]
    fn a_body_is_read_and_a_volume_written() {
        let made = asked(br#"{"Name":"db","Driver":"local","DriverOpts":{"type":"tmpfs"},"Labels":null}"#).unwrap();
        assert_eq!((made.name.as_deref(), made.options["type"].as_str()), (Some("db"), "tmpfs"));
        assert_eq!(asked(b"").unwrap(), CreateVolume::default());
        assert!(format!("{:?}", asked(br#"{"Driver":"sshfs"}"#).unwrap_err()).contains("plugin"));
        let shown = serde_json::to_value(Volume::of(&volume("db", 0))).unwrap();
        assert_eq!((&shown["Mountpoint"], &shown["Scope"]), (&"/data/volumes/db/data".into(), &"local".into()));
        assert!(shown["Options"].is_null() && shown.get("UsageData").is_none());
        assert_eq!(shown["CreatedAt"], "1970-01-01T00:00:00Z");
        let known = serde_json::to_value(Volume::of(&volume("db", 2)).with_usage(Some(7), 2)).unwrap();
        assert_eq!(known["UsageData"], value!({ "Size": 7, "RefCount": 2 }));
    }
}
