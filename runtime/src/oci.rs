//! The documents images are made of: manifests, indexes and configs, in OCI's and in Docker's dialect. Pure.
//!
//! Parsing is total and strict where documents could be read in two ways: one that is both an index and a manifest is
//! refused. Raw bytes are what counts for digests; these types are only a view of them.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    digest::{ChainId, DiffId, Digest},
    request::HealthCheck,
    view::ImageDefaults,
};

/// Largest manifest or index that is read.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// Largest config that is read.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;
/// Most layers an image may have; overlay takes no more in one mount option page, and Docker has the same limit.
pub const MAX_LAYERS: usize = 127;

/// What a client accepts when it asks for a manifest.
pub const ACCEPT_MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A document that can't be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the JSON it should be.
    #[error("invalid {what}: {source}")]
    Json {
        /// Which document.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Readable, but wrong.
    #[error("invalid {0}: {1}")]
    Invalid(&'static str, String),
    /// Valid, but of a kind this engine does not read.
    #[error("{0}")]
    Unsupported(String),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Json { .. } | Error::Invalid(..) => Self::invalid(error.to_string()),
            Error::Unsupported(text) => Self::unsupported(text.clone()),
        }
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A pointer to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it runs on; in indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Remarks.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Operating system and processor, `linux/arm64/v8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// `amd64`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `v8`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// What this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", ""),
            "x86" => ("386", ""),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            other => (other, ""),
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// How well something for `offered` suits this platform: 0 is not at all.
    fn fitness(&self, offered: &Self) -> u32 {
        let (offered, wanted) = (offered.normal(), self.normal());
        if offered.os != wanted.os || offered.architecture != wanted.architecture {
            return 0;
        }
        let level = |variant: &str| variant.strip_prefix('v').and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        match (level(&wanted.variant), level(&offered.variant)) {
            (wanted, offered) if wanted == offered => 100,
            // An older variant of the same processor runs on a newer one (OCI image spec, "Platform Variants").
            (wanted, offered) if offered < wanted => 1 + offered,
            _ => 0,
        }
    }

    /// With the variant that goes without saying made empty, and other names of processors replaced.
    fn normal(&self) -> Self {
        let (architecture, variant) = match (self.architecture.as_str(), self.variant.as_str()) {
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "v8" | "8") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("amd64", "v1") => ("amd64", ""),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            (architecture, variant) => (architecture, variant),
        };
        Self { os: self.os.to_ascii_lowercase(), architecture: architecture.to_owned(), variant: variant.to_owned() }
    }

    /// Something for `offered` runs here.
    pub fn accepts(&self, offered: &Self) -> bool {
        self.fitness(offered) > 0
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let valid = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let wrong = || Error::Invalid("platform", format!("{text:?} is not os/architecture[/variant]"));
        if !parts.iter().all(valid) {
            return Err(wrong());
        }
        let owned = |os: &str, architecture: &str, variant: &str| Self {
            os: os.to_ascii_lowercase(),
            architecture: architecture.to_ascii_lowercase(),
            variant: variant.to_ascii_lowercase(),
        };
        match parts[..] {
            ["linux"] => Ok(Self::host()),
            [architecture] => Ok(owned("linux", architecture, "").normal()),
            [os, architecture] => Ok(owned(os, architecture, "").normal()),
            [os, architecture, variant] => Ok(owned(os, architecture, variant).normal()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// What a manifest request brings: one image or a choice.
#[derive(Clone, Debug)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// A choice by platform.
    Index(Index),
}

/// One image's parts.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The config, whose digest is the image's id.
    pub config: Descriptor,
    /// Layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// A choice of images.
#[derive(Clone, Debug)]
pub struct Index {
    /// Manifests and further indexes.
    pub manifests: Vec<Descriptor>,
}

impl Document {
    /// Reads a manifest or an index.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            #[serde(default)]
            schema_version: u64,
            #[serde(default)]
            media_type: Option<String>,
            #[serde(default)]
            config: Option<Descriptor>,
            #[serde(default)]
            layers: Option<Vec<Descriptor>>,
            #[serde(default)]
            manifests: Option<Vec<Descriptor>>,
            #[serde(default, rename = "fsLayers")]
            fs_layers: Option<serde::de::IgnoredAny>,
        }
        let raw: Raw = serde_json::from_slice(bytes).map_err(|source| Error::Json { what: "manifest", source })?;
        if raw.schema_version == 1 || raw.fs_layers.is_some() {
            return Err(Error::Unsupported(
                "manifest schema 1 images are no longer supported; the image must be pushed again in a newer format"
                    .to_owned(),
            ));
        }
        let invalid = |why: &str| Err(Error::Invalid("manifest", why.to_owned()));
        let says = raw.media_type.as_deref().unwrap_or_default();
        match (raw.config, raw.manifests) {
            (Some(_), Some(_)) => invalid("it is an index and an image manifest at once"),
            (Some(_), None) if says.contains("index") || says.contains("manifest.list") => {
                invalid("its media type says index, its content says manifest")
            }
            (None, Some(_)) if raw.layers.is_some() => invalid("it is an index and an image manifest at once"),
            (None, Some(_)) if !says.is_empty() && !says.contains("index") && !says.contains("manifest.list") => {
                invalid("its media type says manifest, its content says index")
            }
            (Some(config), None) => {
                let layers = raw.layers.unwrap_or_default();
                if layers.len() > MAX_LAYERS {
                    return invalid(&format!("{} layers, more than the {MAX_LAYERS} an image may have", layers.len()));
                }
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            (None, Some(manifests)) => Ok(Self::Index(Index { manifests })),
            (None, None) => invalid("it has neither config nor manifests"),
        }
    }
}

impl Index {
    /// What suits the platform best, the first of equals.
    pub fn choose(&self, platform: &Platform) -> Option<&Descriptor> {
        let fitness = |descriptor: &Descriptor| match &descriptor.platform {
            // Says nothing: may be anything, so it's the last choice. BuildKit's attestations say `unknown`.
            None => 1,
            Some(offered) => platform.fitness(offered).saturating_mul(2),
        };
        let mut best: Option<(&Descriptor, u32)> = None;
        for descriptor in &self.manifests {
            let fitness = fitness(descriptor);
            if fitness > best.map_or(0, |(_, fitness)| fitness) {
                best = Some((descriptor, fitness));
            }
        }
        best.map(|(descriptor, _)| descriptor)
    }
}

/// An image's config: what it is and how it runs.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Config {
    /// `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// `amd64`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `v8`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub variant: String,
    /// Who made it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub author: String,
    /// When, as written.
    #[serde(default)]
    created: Option<String>,
    /// How it runs.
    #[serde(default, rename = "config", deserialize_with = "null_is_default")]
    run: Run,
    #[serde(default, deserialize_with = "null_is_default")]
    rootfs: RootFs,
    /// How it came to be.
    #[serde(default, deserialize_with = "null_is_default")]
    pub history: Vec<History>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<DiffId>,
}

/// One line of a config's history.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct History {
    #[serde(default)]
    created: Option<String>,
    /// The instruction.
    #[serde(default, deserialize_with = "null_is_default")]
    pub created_by: String,
    /// A remark.
    #[serde(default, deserialize_with = "null_is_default")]
    pub comment: String,
    /// It made no layer.
    #[serde(default, deserialize_with = "null_is_default")]
    pub empty_layer: bool,
}

impl History {
    /// When.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created.as_deref().and_then(time)
    }
}

fn time(text: &str) -> Option<Timestamp> {
    // Docker writes year 1 for "not known".
    text.parse::<Timestamp>().ok().filter(|time| time.as_second() > -60_000_000_000)
}

/// The config's `config`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Run {
    #[serde(default, deserialize_with = "null_is_default")]
    user: String,
    #[serde(default, deserialize_with = "null_is_default")]
    exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    env: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    entrypoint: Words,
    #[serde(default, deserialize_with = "null_is_default")]
    cmd: Words,
    #[serde(default, deserialize_with = "null_is_default")]
    volumes: BTreeMap<String, serde_json::Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    working_dir: String,
    #[serde(default, deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_default")]
    stop_signal: String,
    #[serde(default)]
    healthcheck: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "null_is_default")]
    shell: Vec<String>,
}

/// A health check as images carry it; one that can't be read is none.
fn health(value: &serde_json::Value) -> Option<HealthCheck> {
    let test = value.get("Test")?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned));
    let number = |name: &str| value.get(name).and_then(serde_json::Value::as_u64).filter(|number| *number > 0);
    let time = |name: &str| number(name).map(Duration::from_nanos);
    let check = HealthCheck {
        test: test.collect::<Option<_>>()?,
        interval: time("Interval"),
        timeout: time("Timeout"),
        start_period: time("StartPeriod"),
        start_interval: time("StartInterval"),
        retries: number("Retries").and_then(|count| u32::try_from(count).ok()),
    };
    check.check().is_ok().then_some(check)
}

/// A list of words; very old images wrote one string.
#[derive(Clone, Debug, Default)]
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            One(String),
            Many(Vec<String>),
        }
        Ok(Self(match Either::deserialize(from)? {
            Either::One(word) if word.is_empty() => Vec::new(),
            Either::One(word) => vec![word],
            Either::Many(words) => words,
        }))
    }
}

impl Config {
    /// Reads a config blob.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let config: Self =
            serde_json::from_slice(bytes).map_err(|source| Error::Json { what: "image config", source })?;
        if config.rootfs.diff_ids.len() > MAX_LAYERS {
            return Err(Error::Invalid("image config", format!("it names more than {MAX_LAYERS} layers")));
        }
        Ok(config)
    }

    /// Layers, lowest first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }

    /// The chain of each layer, lowest first.
    pub fn chains(&self) -> Vec<ChainId> {
        chains(self.diff_ids())
    }

    /// When it was built, if it says.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.created.as_deref().and_then(time)
    }

    /// What it runs on.
    pub fn platform(&self) -> Platform {
        Platform { os: self.os.clone(), architecture: self.architecture.clone(), variant: self.variant.clone() }
    }

    /// Labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.run.labels
    }

    /// How containers of it run by default. Ports that can't be read are left out.
    pub fn defaults(&self) -> ImageDefaults {
        let run = &self.run;
        ImageDefaults {
            user: run.user.clone(),
            exposed_ports: run.exposed_ports.keys().filter_map(|port| port.parse().ok()).collect(),
            env: run.env.clone(),
            entrypoint: run.entrypoint.0.clone(),
            cmd: run.cmd.0.clone(),
            volumes: run.volumes.keys().cloned().collect(),
            working_dir: run.working_dir.clone(),
            labels: run.labels.clone(),
            stop_signal: run.stop_signal.clone(),
            health: run.healthcheck.as_ref().and_then(health),
            shell: run.shell.clone(),
        }
    }
}

/// The chain of each of these layers, lowest first.
pub fn chains(layers: &[DiffId]) -> Vec<ChainId> {
    let mut below = None;
    layers
        .iter()
        .map(|layer| {
            let chain = ChainId::on(below, *layer);
            below = Some(chain);
            chain
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn descriptor(platform: Option<&str>, n: u8) -> Descriptor {
        Descriptor {
            media_type: String::new(),
            digest: Digest::of(&[n]),
            size: 1,
            platform: platform.map(|text| {
                let parts: Vec<&str> = text.split('/').collect();
                Platform {
                    os: parts[0].into(),
                    architecture: parts[1].into(),
                    variant: parts.get(2).copied().unwrap_or_default().into(),
                }
            }),
            annotations: BTreeMap::new(),
        }
    }

    fn choice(offered: &[Option<&str>], wanted: &str) -> Option<usize> {
        let manifests = offered.iter().zip(0..).map(|(platform, n)| descriptor(*platform, n)).collect();
        let index = Index { manifests };
        let chosen = index.choose(&wanted.parse().unwrap())?;
        index.manifests.iter().position(|descriptor| descriptor == chosen)
    }

    #[test]
    fn the_best_platform_is_chosen() {
        let all = [
            Some("unknown/unknown"),
            Some("linux/arm/v6"),
            Some("linux/arm/v7"),
            Some("linux/arm64/v8"),
            Some("linux/amd64"),
        ];
        assert_eq!(choice(&all, "linux/amd64"), Some(4));
        assert_eq!(choice(&all, "amd64"), Some(4));
        assert_eq!(choice(&all, "linux/arm64"), Some(3));
        assert_eq!(choice(&all, "linux/arm"), Some(2));
        assert_eq!(choice(&all, "linux/arm/v6"), Some(1));
        assert_eq!(choice(&all[..2], "linux/arm/v7"), Some(1), "an older variant runs too");
        assert_eq!(choice(&all, "linux/s390x"), None);
        assert_eq!(choice(&[None, Some("linux/amd64")], "linux/amd64"), Some(1));
        assert_eq!(choice(&[None], "linux/amd64"), Some(0));
        assert!("linux/amd64/v1/x".parse::<Platform>().is_err());
        assert!("".parse::<Platform>().is_err());
    }

    #[test]
    fn documents_that_can_be_read_in_two_ways_are_refused() {
        let d = serde_json::json!({"mediaType": "x", "digest": Digest::of(b"c"), "size": 3});
        let parse = |value: serde_json::Value| Document::parse(value.to_string().as_bytes());
        assert!(matches!(
            parse(serde_json::json!({"schemaVersion": 2, "config": d, "layers": [d]})),
            Ok(Document::Manifest(_))
        ));
        assert!(matches!(parse(serde_json::json!({"schemaVersion": 2, "manifests": [d]})), Ok(Document::Index(_))));
        assert!(parse(serde_json::json!({"schemaVersion": 2, "config": d, "manifests": [d]})).is_err());
        assert!(parse(serde_json::json!({"schemaVersion": 2, "layers": [d], "manifests": [d]})).is_err());
        assert!(parse(serde_json::json!({"schemaVersion": 2})).is_err());
        assert!(parse(serde_json::json!({"mediaType": ACCEPT_MANIFESTS[0], "config": d, "layers": []})).is_err());
        assert!(parse(serde_json::json!({"mediaType": ACCEPT_MANIFESTS[2], "manifests": []})).is_err());
        assert!(matches!(parse(serde_json::json!({"schemaVersion": 1, "fsLayers": []})), Err(Error::Unsupported(_))));
        assert!(parse(serde_json::json!({"config": d, "layers": vec![d.clone(); 128]})).is_err());
    }

    #[test]
    fn a_config_full_of_nulls_is_read() {
        let config = Config::parse(
            br#"{"architecture":"amd64","os":"linux","created":"2024-05-01T10:00:00.123456789Z","config":{"Env":null,"Cmd":null,
            "Entrypoint":["/bin/sh","-c"],"Labels":null,"ExposedPorts":{"80/tcp":{},"x":{}},"Volumes":null},"rootfs":null,"history":null}"#,
        )
        .unwrap();
        assert_eq!(config.defaults().entrypoint, ["/bin/sh", "-c"]);
        assert_eq!(config.defaults().exposed_ports.len(), 1);
        assert_eq!(config.created_at().unwrap().as_second(), 1_714_557_600);
        assert!(config.diff_ids().is_empty());
        assert!(Config::parse(b"{}").unwrap().created_at().is_none());
        assert_eq!(time("0001-01-01T00:00:00Z"), None);
    }
}
