//! Builds.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Limits, RegistryAuth, Rlimit};

/// The network of a build's RUN steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// An interface of its own on the default bridge.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// Bytes that show nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// An image to build. Where the files come from is a [`BuildSource`].
#[derive(Clone, Debug, Default)]
pub struct BuildImage {
    /// Names the image gets; none is fine.
    pub names: Vec<String>,
    /// Path of the Dockerfile in the context; `Dockerfile` when `None`.
    pub dockerfile: Option<String>,
    /// Values for ARG; `None` takes a name's value away.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Labels added to the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// Stage to stop at, by name or number; the last when `None`.
    pub target: Option<String>,
    /// `os/arch[/variant]` to build for; the host's when `None`.
    pub platform: Option<String>,
    /// Do every step again.
    pub no_cache: bool,
    /// Ask the registry for newer base images.
    pub pull: bool,
    /// Images whose steps count as known.
    pub cache_from: Vec<String>,
    /// Network of RUN steps that don't say.
    pub network: BuildNetwork,
    /// `name:address` lines for /etc/hosts of RUN steps.
    pub extra_hosts: Vec<String>,
    /// Size of /dev/shm of RUN steps in bytes; 64 MiB when `None`.
    pub shm_size_bytes: Option<u64>,
    /// setrlimit(2) limits of RUN steps.
    pub rlimits: Vec<Rlimit>,
    /// Control group limits of each RUN step.
    pub limits: Limits,
    /// Credentials by registry host, for base images.
    pub auths: BTreeMap<String, RegistryAuth>,
    /// What `RUN --mount=type=secret` can name, by id.
    pub secrets: BTreeMap<String, Secret>,
}

/// Where a build's files come from.
pub enum BuildSource {
    /// A tar archive, plain or compressed.
    Archive(Box<dyn std::io::Read + Send>),
    /// One Dockerfile and no other file.
    Dockerfile(Vec<u8>),
    /// The address of a git repository (`https://host/repo.git#ref:folder`), of an archive or of a Dockerfile.
    Remote(String),
}

impl fmt::Debug for BuildSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(_) => f.write_str("Archive"),
            Self::Dockerfile(bytes) => write!(f, "Dockerfile({} bytes)", bytes.len()),
            Self::Remote(address) => f.debug_tuple("Remote").field(address).finish(),
        }
    }
}
