//! Images in lists and in full, their history, and what removing them did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runtime::view::{HistoryView, ImageRemoval, ImageSummary, ImageView};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// One image of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Summary<'a> {
    id: String,
    parent_id: &'a str,
    repo_tags: Vec<&'a str>,
    repo_digests: Vec<&'a str>,
    created: i64,
    size: u64,
    shared_size: i64,
    labels: Option<&'a BTreeMap<String, String>>,
    containers: i64,
}

impl<'a> Summary<'a> {
    /// For a list that shows these of its names.
    pub(in crate::docker) fn of(
        image: &'a ImageSummary,
        tags: Vec<&'a str>,
        digests: Vec<&'a str>,
        shared_size: bool,
    ) -> Self {
        Self {
            id: image.id.to_string(),
            parent_id: "",
            repo_tags: tags,
            repo_digests: digests,
            created: image.created_at.map_or(0, Timestamp::as_second),
            size: image.size_bytes,
            shared_size: if shared_size { image.size_bytes.saturating_sub(image.unique_bytes) as i64 } else { -1 },
            labels: Some(&image.labels).filter(|labels| !labels.is_empty()),
            containers: -1,
        }
    }
}

impl Summary<'_> {
    /// Also says how many containers use it.
    pub(in crate::docker) fn used_by(mut self, containers: usize) -> Self {
        self.containers = containers as i64;
        self
    }
}

/// An image in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Image<'a> {
    id: String,
    repo_tags: &'a [String],
    repo_digests: &'a [String],
    parent: &'a str,
    comment: &'a str,
    created: Option<String>,
    docker_version: &'a str,
    author: &'a str,
    /// Docker has dropped it; Compose 1.29 relies on it whatever version is spoken.
    container_config: Value,
    config: Value,
    architecture: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    variant: &'a str,
    os: &'a str,
    size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: Metadata,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct GraphDriver {
    name: &'static str,
    data: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: &'static str,
    layers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    last_tag_time: String,
}

impl<'a> Image<'a> {
    /// For inspect. The configuration is shown as the image has it.
    pub(in crate::docker) fn of(image: &'a ImageView) -> Self {
        let field = |name: &str| image.config.get(name);
        let config = field("config").filter(|config| config.is_object()).cloned();
        let config = config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Self {
            id: image.summary.id.to_string(),
            repo_tags: &image.summary.tags,
            repo_digests: &image.summary.digests,
            parent: "",
            comment: image.history.last().map_or("", |last| &last.comment),
            created: image.summary.created_at.map(|at| at.to_string()),
            docker_version: field("docker_version").and_then(Value::as_str).unwrap_or_default(),
            author: &image.author,
            container_config: config.clone(),
            config,
            architecture: &image.architecture,
            variant: &image.variant,
            os: &image.os,
            size: image.summary.size_bytes,
            graph_driver: GraphDriver { name: "overlay2", data: BTreeMap::new() },
            root_fs: RootFs { kind: "layers", layers: image.layers.iter().map(ToString::to_string).collect() },
            metadata: Metadata { last_tag_time: image.summary.added_at.to_string() },
        }
    }
}

/// One line of an image's history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct HistoryLine<'a> {
    id: String,
    created: i64,
    created_by: &'a str,
    tags: Option<&'a [String]>,
    size: u64,
    comment: &'a str,
}

/// The history, newest first; only the newest line has an id.
pub(in crate::docker) fn history(image: &ImageView) -> Vec<HistoryLine<'_>> {
    image.history.iter().rev().enumerate().map(|(index, step)| line(image, step, index == 0)).collect()
}

fn line<'a>(image: &'a ImageView, step: &'a HistoryView, newest: bool) -> HistoryLine<'a> {
    HistoryLine {
        id: if newest { image.summary.id.to_string() } else { "<missing>".to_owned() },
        created: step.created_at.map_or(0, Timestamp::as_second),
        created_by: &step.created_by,
        tags: Some(&image.summary.tags[..]).filter(|tags| newest && !tags.is_empty()),
        size: step.size_bytes,
        comment: &step.comment,
    }
}

/// One step of a removal.
#[derive(Debug)]
pub(in crate::docker) struct Removal<'a>(pub &'a ImageRemoval);

impl Serialize for Removal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (what, which) = match self.0 {
            ImageRemoval::Untagged(name) => ("Untagged", name.clone()),
            ImageRemoval::Deleted(digest) => ("Deleted", digest.to_string()),
        };
        BTreeMap::from([(what, which)]).serialize(serializer)
    }
}

#[cfg(test)]
pub(in crate::docker) mod tests {
    use runtime::{
        digest::{DiffId, Digest},
        view::ImageDefaults,
    };
    use serde_json::json;

    use super::*;

    /// An image with these names.
    pub(in crate::docker) fn summary(tags: &[&str], created: i64) -> ImageSummary {
        ImageSummary {
            id: Digest::of(tags.join(" ").as_bytes()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            digests: tags
                .iter()
                .map(|tag| format!("{}@{}", tag.split(':').next().unwrap(), Digest::of(b"m")))
                .collect(),
            created_at: Some(Timestamp::new(created, 0).unwrap()),
            added_at: Timestamp::new(5_000, 0).unwrap(),
            size_bytes: 100,
            unique_bytes: 30,
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        }
    }

    fn image() -> ImageView {
        let step = |by: &str, size_bytes| HistoryView {
            created_at: None,
            created_by: by.to_owned(),
            comment: String::new(),
            size_bytes,
            diff_id: None,
        };
        ImageView {
            summary: summary(&["web:1"], 60),
            architecture: "amd64".to_owned(),
            variant: String::new(),
            os: "linux".to_owned(),
            author: String::new(),
            config: json!({ "config": { "Cmd": ["sh"], "Labels": null }, "docker_version": "20" }),
            defaults: ImageDefaults::default(),
            layers: vec![DiffId(Digest::of(b"layer"))],
            history: vec![step("ADD rootfs", 100), step("CMD sh", 0)],
            manifest: None,
        }
    }

    #[test]
    fn an_image_is_shown_in_full() {
        let json = serde_json::to_value(Image::of(&image())).unwrap();
        assert_eq!(json["RepoTags"], json!(["web:1"]));
        assert_eq!((&json["Created"], &json["Os"]), (&"1970-01-01T00:01:00Z".into(), &"linux".into()));
        assert_eq!(json["Config"], json!({ "Cmd": ["sh"], "Labels": null }));
        assert_eq!(json["RootFS"]["Layers"][0], Digest::of(b"layer").to_string());
        assert!(json.get("Variant").is_none());
    }

    #[test]
    fn history_is_newest_first_and_only_the_newest_has_an_id() {
        let image = image();
        let json = serde_json::to_value(history(&image)).unwrap();
        assert_eq!((&json[0]["CreatedBy"], &json[0]["Size"]), (&"CMD sh".into(), &0.into()));
        assert_eq!((&json[0]["Id"], &json[0]["Tags"]), (&image.summary.id.to_string().into(), &json!(["web:1"])));
        assert_eq!((&json[1]["CreatedBy"], &json[1]["Id"]), (&"ADD rootfs".into(), &"<missing>".into()));
        assert!(json[1]["Tags"].is_null());
    }

    #[test]
    fn removals_name_what_they_did() {
        let steps = [ImageRemoval::Untagged("a:b".to_owned()), ImageRemoval::Deleted(Digest::of(b"x"))];
        let json = serde_json::to_value(steps.iter().map(Removal).collect::<Vec<_>>()).unwrap();
        assert_eq!(json, json!([{ "Untagged": "a:b" }, { "Deleted": Digest::of(b"x").to_string() }]));
    }
}
