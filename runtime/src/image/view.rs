//! What is shown of images. Pure: all of it is memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Error, Image, State, Store};
use crate::{
    digest::{ChainId, ImageId},
    view::{HistoryView, ImageSummary, ImageView},
};

/// All images people see, newest first.
pub(super) fn summaries(state: &State) -> Vec<ImageSummary> {
    let mut uses: HashMap<ChainId, u32> = HashMap::new();
    for chain in state.images.values().flat_map(|image| &image.chains) {
        *uses.entry(*chain).or_default() += 1;
    }
    let mut names: BTreeMap<ImageId, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for (name, id) in &state.names {
        let (tags, digests) = names.entry(*id).or_default();
        if name.digest().is_some() { digests.push(name.familiar()) } else { tags.push(name.familiar()) }
    }
    let mut all: Vec<ImageSummary> = state
        .images
        .values()
        .filter(|image| !image.record.removed)
        .map(|image| {
            let (mut tags, mut digests) = names.remove(&image.record.id).unwrap_or_default();
            tags.sort();
            digests.sort();
            let sized = || image.chains.iter().zip(&image.record.layers);
            let unique = |(chain, _): &(&ChainId, _)| uses.get(chain) == Some(&1);
            ImageSummary {
                id: image.record.id,
                tags,
                digests,
                created_at: image.config.created_at(),
                added_at: image.record.added_at,
                size_bytes: sized().map(|(_, layer)| layer.size_bytes).sum(),
                unique_bytes: sized().filter(unique).map(|(_, layer)| layer.size_bytes).sum(),
                labels: image.config.labels().clone(),
            }
        })
        .collect();
    let age = |summary: &ImageSummary| summary.created_at.unwrap_or(summary.added_at);
    all.sort_by(|a, b| age(b).cmp(&age(a)).then(b.added_at.cmp(&a.added_at)).then(a.id.cmp(&b.id)));
    all
}

impl Store {
    /// All images, newest first.
    pub fn list(&self) -> Arc<Vec<ImageSummary>> {
        Arc::clone(&self.state().summaries)
    }

    /// One image in full.
    pub fn view(&self, name: &str) -> Result<ImageView, Error> {
        let image = self.get(name)?;
        let list = self.list();
        let summary = list.iter().find(|summary| summary.id == image.record.id);
        let summary = summary.cloned().ok_or_else(|| Error::NotFound(name.to_owned()))?;
        let config = &image.config;
        Ok(ImageView {
            summary,
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            author: config.author.clone(),
            config: serde_json::Value::clone(&image.raw),
            defaults: config.defaults(),
            layers: config.diff_ids().to_vec(),
            history: history(&image),
            manifest: image.record.manifests.first().copied(),
        })
    }
}

fn history(image: &Image) -> Vec<HistoryView> {
    let mut layers = image.record.layers.iter();
    let line = |line: &crate::oci::History| {
        let layer = if line.empty_layer { None } else { layers.next() };
        HistoryView {
            created_at: line.created_at(),
            created_by: line.created_by.clone(),
            comment: line.comment.clone(),
            size_bytes: layer.map_or(0, |layer| layer.size_bytes),
            diff_id: layer.map(|layer| layer.diff_id),
        }
    };
    let mut lines: Vec<HistoryView> = image.config.history.iter().map(line).collect();
    // Some builders write no history; the layers are there all the same.
    lines.extend(layers.map(|layer| HistoryView {
        created_at: None,
        created_by: String::new(),
        comment: String::new(),
        size_bytes: layer.size_bytes,
        diff_id: Some(layer.diff_id),
    }));
    lines
}
