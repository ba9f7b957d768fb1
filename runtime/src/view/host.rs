//! The host: what it is, and what it can do.

use std::path::PathBuf;

use serde::Serialize;

/// One thing the host can or can't do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostCheck {
    /// A stable name: `kernel`, `cgroups`, `overlay`, `idmap`, `seccomp`, `nftables`, `ip_forward`, …
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty when well.
    pub remedy: String,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As wanted.
    Good,
    /// Works, with something less.
    Limited,
    /// The engine can't run so.
    Missing,
}

/// The host and the engine on it.
#[derive(Clone, Debug)]
pub struct HostInfo {
    /// Host name.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// `x86_64`.
    pub machine: String,
    /// `amd64`, as images name it.
    pub architecture: &'static str,
    /// CPUs online.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// Containers' root is mapped to an id of its own range.
    pub mapped_users: bool,
    /// Seccomp filters can be loaded.
    pub seccomp: bool,
    /// Where the engine keeps its data.
    pub data_root: PathBuf,
    /// Identifies this engine; made once.
    pub engine_id: String,
    /// Registries' mirrors for Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// Hosts plain http is allowed for.
    pub insecure_registries: Vec<String>,
    /// Bytes free and in all on the data root's file system.
    pub disk_bytes: (u64, u64),
    /// Every check.
    pub checks: Vec<HostCheck>,
}
