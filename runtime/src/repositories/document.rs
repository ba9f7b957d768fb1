//! Reading what is pushed as a manifest: enough to keep it whole and to say what it is. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    digest::Digest,
    oci::{self, Descriptor, Platform},
};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Configs of images that can be run.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Most annotations' bytes that are remembered for lists of referrers.
const MAX_ANNOTATIONS: usize = 64 << 10;

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error(transparent)]
    Document(#[from] oci::Error),
    /// It is not what it is said to be.
    #[error("{0}")]
    Kind(String),
}

/// A manifest or an index.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it is.
    pub media_type: String,
    /// The image's parts, or the choice.
    pub content: oci::Document,
    /// Blobs that must be here.
    pub blobs: Vec<Descriptor>,
    /// Manifests that must be here.
    pub manifests: Vec<Descriptor>,
    /// What it is about.
    pub subject: Option<Digest>,
    /// What kind of thing it is.
    pub artifact_type: String,
    /// Remarks.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    subject: Option<Descriptor>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Reads one that came as this media type; empty when none was said.
    pub fn read(bytes: &[u8], said: &str) -> Result<Self, Error> {
        let content = oci::Document::parse(bytes)?;
        let raw: Raw = serde_json::from_slice(bytes).map_err(|source| oci::Error::Json { what: "manifest", source })?;
        let said = said.split(';').next().unwrap_or_default().trim();
        let inside = raw.media_type.unwrap_or_default();
        if !said.is_empty() && !inside.is_empty() && said != inside {
            return Err(Error::Kind(format!("it was sent as {said} and says of itself that it is {inside}")));
        }
        let media_type = match (said, inside.as_str(), &content) {
            ("", "", oci::Document::Manifest(_)) => OCI_MANIFEST,
            ("", "", oci::Document::Index(_)) => OCI_INDEX,
            ("", inside, _) => inside,
            (said, ..) => said,
        };
        let fits = match &content {
            oci::Document::Manifest(_) => matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST),
            oci::Document::Index(_) => matches!(media_type, OCI_INDEX | DOCKER_LIST),
        };
        if !fits {
            return Err(Error::Kind(format!("{media_type:?} is not what this is, or not a manifest's media type")));
        }
        let (blobs, manifests, config) = match &content {
            oci::Document::Manifest(manifest) => {
                let layers = manifest.layers.iter().filter(|layer| !is_elsewhere(&layer.media_type));
                let blobs = std::iter::once(&manifest.config).chain(layers).cloned().collect();
                (blobs, Vec::new(), manifest.config.media_type.clone())
            }
            oci::Document::Index(index) => (Vec::new(), index.manifests.clone(), String::new()),
        };
        let mut annotations = raw.annotations.unwrap_or_default();
        if annotations.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
            annotations.clear();
        }
        Ok(Self {
            media_type: media_type.to_owned(),
            blobs,
            manifests,
            subject: raw.subject.map(|subject| subject.digest),
            artifact_type: raw.artifact_type.filter(|kind| !kind.is_empty()).unwrap_or(config),
            annotations,
            content,
        })
    }

    /// The image that can be run of it, as far as it says: its manifest has an image's config.
    pub fn image(&self) -> Option<&oci::Manifest> {
        match &self.content {
            oci::Document::Manifest(manifest) if CONFIGS.contains(&manifest.config.media_type.as_str()) => {
                Some(manifest)
            }
            _ => None,
        }
    }

    /// What this host would take from the choice.
    pub fn choice(&self) -> Option<Digest> {
        match &self.content {
            oci::Document::Index(index) => {
                let chosen = index.choose(&Platform::host())?;
                chosen.platform.as_ref().map(|_| chosen.digest)
            }
            oci::Document::Manifest(_) => None,
        }
    }
}

/// Layers their makers don't want copied stay where they are.
fn is_elsewhere(media_type: &str) -> bool {
    media_type.contains(".foreign.") || media_type.contains(".nondistributable.")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: &Value, said: &str) -> Result<Document, Error> {
        Document::read(&serde_json::to_vec(document).unwrap(), said)
    }

    fn descriptor(kind: &str, of: &[u8]) -> Value {
        json!({"mediaType": kind, "digest": Digest::of(of), "size": of.len()})
    }

    fn manifest() -> Value {
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(CONFIGS[0], b"config"),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", b"layer"),
                       descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", b"windows")],
        })
    }

    #[test]
    fn a_manifest_says_what_must_be_here() {
        let read_it = read(&manifest(), OCI_MANIFEST).unwrap();
        assert_eq!(
            read_it.blobs.iter().map(|blob| blob.digest).collect::<Vec<_>>(),
            [Digest::of(b"config"), Digest::of(b"layer")]
        );
        assert!(read_it.image().is_some() && read_it.choice().is_none());
        let index = json!({"schemaVersion": 2, "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": Digest::of(b"1"), "size": 1,
             "platform": {"os": "linux", "architecture": Platform::host().architecture}}]});
        let read_it = read(&index, &format!("{OCI_INDEX}; charset=utf-8")).unwrap();
        assert_eq!((read_it.choice(), read_it.media_type.as_str()), (Some(Digest::of(b"1")), OCI_INDEX));
        assert_eq!(read_it.manifests.len(), 1);
    }

    #[test]
    fn an_artifact_is_no_image_and_says_what_it_is_about() {
        let mut artifact = manifest();
        artifact["config"] = descriptor("application/vnd.oci.empty.v1+json", b"{}");
        artifact["artifactType"] = "application/vnd.example.sbom".into();
        artifact["subject"] = descriptor(OCI_MANIFEST, b"subject");
        artifact["annotations"] = json!({"a": "b"});
        let read_it = read(&artifact, "").unwrap();
        assert!(read_it.image().is_none());
        assert_eq!(read_it.artifact_type, "application/vnd.example.sbom");
        assert_eq!(read_it.subject, Some(Digest::of(b"subject")));
        assert_eq!(read_it.annotations["a"], "b");
        artifact["artifactType"] = Value::Null;
        assert_eq!(read(&artifact, "").unwrap().artifact_type, "application/vnd.oci.empty.v1+json");
    }

    #[test]
    fn what_is_not_as_it_says_is_refused() {
        assert!(read(&manifest(), DOCKER_MANIFEST).is_err(), "it says otherwise inside");
        let mut silent = manifest();
        silent.as_object_mut().unwrap().remove("mediaType");
        assert_eq!(read(&silent, DOCKER_MANIFEST).unwrap().media_type, DOCKER_MANIFEST);
        assert!(read(&silent, OCI_INDEX).is_err());
        assert!(read(&silent, "application/json").is_err());
        assert!(read(&json!({"schemaVersion": 1, "fsLayers": []}), "").is_err());
        assert!(Document::read(b"no json", "").is_err());
    }
}
