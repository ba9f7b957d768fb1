//! Where a registry is, and which protocols are allowed there. Pure.

use std::net::IpAddr;

use super::Config;

/// One address a repository can be asked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `registry-1.docker.io`, `127.0.0.1:5000`.
    pub host: String,
    /// A path before `/v2/`; mirrors may have one.
    pub prefix: String,
    /// `Some(true)` is http, `Some(false)` https, `None` https and then http.
    pub plain: Option<bool>,
    /// Certificates need nobody to vouch for them.
    pub lax: bool,
    /// Not the registry itself: gets no credentials.
    pub mirror: bool,
}

impl Endpoint {
    /// All endpoints of a registry, in the order to be tried.
    pub fn of(host: &str, config: &Config) -> Vec<Self> {
        let mut all = Vec::new();
        if host == "docker.io" {
            all.extend(config.mirrors.iter().filter_map(|mirror| Self::mirror(mirror)));
        }
        all.push(Self::itself(host, config));
        all
    }

    /// The registry itself.
    pub fn itself(host: &str, config: &Config) -> Self {
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        let insecure = is_loopback(host) || config.insecure.iter().any(|listed| listed == host);
        Self {
            host: host.to_owned(),
            prefix: String::new(),
            plain: if insecure { None } else { Some(false) },
            lax: insecure,
            mirror: false,
        }
    }

    fn mirror(address: &str) -> Option<Self> {
        let (plain, rest) = match address.split_once("://") {
            Some(("http", rest)) => (true, rest),
            Some(("https", rest)) => (false, rest),
            _ => return None,
        };
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        Some(Self {
            host: host.to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
            plain: Some(plain),
            lax: is_loopback(host),
            mirror: true,
        })
    }

    /// The full address of a path below `/v2/`.
    pub fn url(&self, plain: bool, path: &str) -> String {
        format!("{}://{}{}/v2/{path}", if plain { "http" } else { "https" }, self.host, self.prefix)
    }
}

/// This host itself.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_first_for_the_hub_alone() {
        let config = Config {
            mirrors: vec!["http://127.0.0.1:5000".into(), "https://m.example/hub/".into(), "nonsense".into()],
            insecure: vec!["reg.lan:5000".into()],
            ..Config::default()
        };
        let hub = Endpoint::of("docker.io", &config);
        assert_eq!(hub.len(), 3);
        assert_eq!(hub[0].url(true, "x"), "http://127.0.0.1:5000/v2/x");
        assert_eq!(hub[1].url(false, "x"), "https://m.example/hub/v2/x");
        assert_eq!((hub[2].host.as_str(), hub[2].plain, hub[2].mirror), ("registry-1.docker.io", Some(false), false));
        assert_eq!(Endpoint::of("ghcr.io", &config).len(), 1);
        assert_eq!(Endpoint::of("reg.lan:5000", &config)[0].plain, None);
        assert_eq!(Endpoint::of("reg.lan", &config)[0].plain, Some(false));
    }

    #[test]
    fn loopback_is_known_in_all_spellings() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.3.4.5:80", "[::1]:5000", "a.localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1:5000", "127.0.0.1.example.com", "[2001:db8::1]:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
