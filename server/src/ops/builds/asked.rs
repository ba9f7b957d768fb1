//! What a build was asked, as it is kept and audited: everything but what is secret.

use std::collections::BTreeMap;

use runtime::request::{BuildImage, BuildNetwork, Limits, Rlimit};
use serde::{Deserialize, Serialize};

/// Parts of a build argument's name that make its value a secret.
const SECRET_WORDS: [&str; 4] = ["PASS", "TOKEN", "SECRET", "KEY"];

/// A request without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Names the image gets.
    pub names: Vec<String>,
    /// Path of the Dockerfile.
    pub dockerfile: Option<String>,
    /// Values for ARG.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Names of those whose values are not kept.
    pub hidden_args: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Stage to stop at.
    pub target: Option<String>,
    /// Platform.
    pub platform: Option<String>,
    /// Do every step again.
    pub no_cache: bool,
    /// Ask for newer base images.
    pub pull: bool,
    /// Images whose steps count.
    pub cache_from: Vec<String>,
    /// Network of RUN steps.
    pub network: BuildNetwork,
    /// Lines for /etc/hosts.
    pub extra_hosts: Vec<String>,
    /// Size of /dev/shm.
    pub shm_size_bytes: Option<u64>,
    /// setrlimit(2) limits.
    pub rlimits: Vec<Rlimit>,
    /// Control group limits.
    pub limits: Limits,
    /// Ids of secrets.
    pub secrets: Vec<String>,
    /// Hosts it had credentials for.
    pub auths: Vec<String>,
    /// The address had a name or password in it.
    pub hidden_address: bool,
}

/// Whether a build argument of this name is a secret by the look of it.
pub fn is_hidden(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// An address without name and password, and whether it had any.
pub fn bare_address(address: &str) -> (String, bool) {
    let Some((scheme, rest)) = address.split_once("://") else { return (address.to_owned(), false) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        // `git@` names the account that everyone uses; what follows a colon is a password.
        Some(at) if rest[..at].contains(':') || scheme.starts_with("http") => {
            (format!("{scheme}://{}", &rest[at + 1..]), true)
        }
        _ => (address.to_owned(), false),
    }
}

impl Asked {
    /// Of a request.
    pub fn of(request: &BuildImage) -> Self {
        let (hidden, shown): (Vec<_>, Vec<_>) =
            request.build_args.iter().partition(|(name, value)| is_hidden(name) && value.is_some());
        let owned = |(name, value): (&String, &Option<String>)| (name.clone(), value.clone());
        Self {
            names: request.names.clone(),
            dockerfile: request.dockerfile.clone(),
            build_args: shown.into_iter().map(owned).collect(),
            hidden_args: hidden.into_iter().map(|(name, _)| name.clone()).collect(),
            labels: request.labels.clone(),
            target: request.target.clone(),
            platform: request.platform.clone(),
            no_cache: request.no_cache,
            pull: request.pull,
            cache_from: request.cache_from.clone(),
            network: request.network,
            extra_hosts: request.extra_hosts.clone(),
            shm_size_bytes: request.shm_size_bytes,
            rlimits: request.rlimits.clone(),
            limits: request.limits.clone(),
            secrets: request.secrets.keys().cloned().collect(),
            auths: request.auths.keys().cloned().collect(),
            hidden_address: false,
        }
    }

    /// The same again, without what was secret.
    pub fn request(&self) -> BuildImage {
        BuildImage {
            names: self.names.clone(),
            dockerfile: self.dockerfile.clone(),
            build_args: self.build_args.clone(),
            labels: self.labels.clone(),
            target: self.target.clone(),
            platform: self.platform.clone(),
            no_cache: self.no_cache,
            pull: self.pull,
            cache_from: self.cache_from.clone(),
            network: self.network,
            extra_hosts: self.extra_hosts.clone(),
            shm_size_bytes: self.shm_size_bytes,
            rlimits: self.rlimits.clone(),
            limits: self.limits.clone(),
            ..BuildImage::default()
        }
    }

    /// Something of the request is not kept, so the same build can't be done from the record alone.
    pub fn lacks(&self) -> bool {
        self.hidden_address || !(self.hidden_args.is_empty() && self.secrets.is_empty() && self.auths.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use runtime::request::{RegistryAuth, Secret};

    use super::*;

    #[test]
    fn secrets_are_kept_by_name_only() {
        let arg = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let mut request = BuildImage {
            names: vec!["a:1".into()],
            build_args: [arg("VERSION", "7"), arg("npm_token", "s3cret"), arg("DB_PASSWORD", "s3cret")].into(),
            secrets: [("id".to_owned(), Secret(b"s3cret".to_vec()))].into(),
            auths: [("host".to_owned(), RegistryAuth { password: "s3cret".into(), ..RegistryAuth::default() })].into(),
            ..BuildImage::default()
        };
        request.build_args.insert("KEY".into(), None);
        let asked = Asked::of(&request);
        let text = serde_json::to_string(&asked).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        assert_eq!(asked.hidden_args, ["DB_PASSWORD", "npm_token"]);
        assert_eq!(asked.build_args, [arg("VERSION", "7"), ("KEY".to_owned(), None)].into());
        assert!(asked.lacks());
        assert!(!Asked::of(&asked.request()).lacks());
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }

    #[test]
    fn addresses_lose_their_passwords() {
        for (address, bare, hidden) in [
            ("https://me:pw@host/a.git#main:sub", "https://host/a.git#main:sub", true),
            ("https://token@host/a.git", "https://host/a.git", true),
            ("ssh://git@host/a.git", "ssh://git@host/a.git", false),
            ("https://host/a@b.git", "https://host/a@b.git", false),
            ("git@host:a.git", "git@host:a.git", false),
        ] {
            assert_eq!(bare_address(address), (bare.to_owned(), hidden), "{address}");
        }
    }
}
