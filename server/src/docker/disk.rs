//! `GET /system/df`: what takes room on the disk.

use std::collections::{BTreeMap, HashMap};

use axum::{Extension, extract::State, response::Response};
use jiff::Timestamp;
use runtime::{digest::DiffId, view::ImageView};
use serde_json::{Value, json as value};

use super::{
    containers::{image_name, tags},
    error::{Failure, Result},
    json,
    model::{build_cache::CacheRecord, container, image, volume},
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

const KINDS: [&str; 4] = ["container", "image", "volume", "build-cache"];

pub(super) async fn usage(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let wanted = query.all("type");
    if let Some(other) = wanted.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(Failure::invalid(format!("unknown object type: {other}")));
    }
    let wants = |kind: &str| wanted.is_empty() || wanted.iter().any(|one| one == kind);
    let containers = ops::containers::list(&app, &actor)?;
    let images = ops::images::list(&app, &actor)?;
    let mut answer = serde_json::Map::new();
    let mut put = |name: &str, what: Value| drop(answer.insert(name.to_owned(), what));
    if wants("image") {
        let mut views = Vec::with_capacity(images.len());
        for one in &images {
            // One that was removed meanwhile takes no room.
            views.extend(ops::images::get(&app, &actor, &one.id.to_string()).await);
        }
        let lines: Vec<_> = images
            .iter()
            .map(|one| {
                let users = containers.iter().filter(|container| container.image_id == one.id).count();
                let tags = one.tags.iter().map(String::as_str).collect();
                let digests = one.digests.iter().map(String::as_str).collect();
                image::Summary::of(one, tags, digests, true).used_by(users)
            })
            .collect();
        put("LayersSize", value!(layers_bytes(&views)));
        put("Images", value!(lines));
    }
    if wants("container") {
        let known = tags(&images);
        let now = Timestamp::now();
        let mut lines = Vec::with_capacity(containers.len());
        for one in &containers {
            let size = ops::containers::size(&app, &actor, one.id.as_str()).await.ok();
            let id = one.image_id.to_string();
            lines.push(value!(container::Summary::of(one, image_name(one, &id, &known), &id, size, now)));
        }
        put("Containers", value!(lines));
    }
    if wants("volume") {
        let volumes = ops::volumes::list(&app, &actor)?;
        let mut lines = Vec::with_capacity(volumes.len());
        for one in &volumes {
            let size = ops::volumes::size(&app, &actor, &one.name).await.ok().flatten();
            lines.push(value!(volume::Volume::of(one).with_usage(size, one.users.len())));
        }
        put("Volumes", value!(lines));
    }
    if wants("build-cache") {
        let kept = ops::builds::cache(&app, &actor).await?;
        put("BuildCache", value!(kept.iter().map(CacheRecord::of).collect::<Vec<_>>()));
        put("BuilderSize", value!(0));
    }
    json(&answer)
}

/// Bytes of all layers, each counted once whichever images have it.
fn layers_bytes(images: &[ImageView]) -> u64 {
    let mut layers: HashMap<Vec<DiffId>, u64> = HashMap::new();
    let mut rest = BTreeMap::new();
    for image in images {
        let mut stack = Vec::new();
        let mut told = 0;
        for line in &image.history {
            let Some(layer) = line.diff_id else { continue };
            stack.push(layer);
            told += line.size_bytes;
            layers.insert(stack.clone(), line.size_bytes);
        }
        // Layers that no line of the history tells of.
        rest.insert(image.layers.clone(), image.summary.size_bytes.saturating_sub(told));
    }
    layers.values().sum::<u64>() + rest.values().sum::<u64>()
}
