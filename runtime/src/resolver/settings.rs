//! What a resolver serves: a small text file that the engine replaces, and the files it names.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::names::Names;

/// Where the host's name servers are.
const HOST: &str = "/etc/resolv.conf";

/// Name servers of the outside that are asked, at most.
const SERVERS: usize = 4;

/// What a resolver serves.
///
/// ```text
/// network /run/darsena/names/4f1c…
/// link shop store db
/// server 192.0.2.1
/// outside
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Files of the networks the container is in, in the order they are asked.
    pub networks: Vec<PathBuf>,
    /// Network, alias, and who is meant.
    pub links: Vec<(String, String, String)>,
    /// Name servers to ask; the host's when empty.
    pub servers: Vec<IpAddr>,
    /// Whether others than the container's networks may be asked.
    pub outside: bool,
}

impl Settings {
    /// The file's text.
    pub fn write(&self) -> String {
        let networks = self.networks.iter().map(|path| format!("network {}\n", path.display()));
        let plain = |(network, alias, target): &&(String, String, String)| {
            [network, alias, target].iter().all(|word| !word.contains(char::is_whitespace))
        };
        let links = self
            .links
            .iter()
            .filter(plain)
            .map(|(network, alias, target)| format!("link {network} {alias} {target}\n"));
        let servers = self.servers.iter().map(|server| format!("server {server}\n"));
        let outside = self.outside.then(|| "outside\n".to_owned());
        networks.chain(links).chain(servers).chain(outside).collect()
    }

    /// Reads the file's text; what is not known is left out.
    pub fn read(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "network" => settings.networks.push(rest.into()),
                "link" => {
                    let mut words = rest.split(' ').map(str::to_owned);
                    if let (Some(network), Some(alias), Some(target)) = (words.next(), words.next(), words.next()) {
                        settings.links.push((network, alias, target));
                    }
                }
                "server" => settings.servers.extend(rest.parse::<IpAddr>()),
                "outside" => settings.outside = true,
                _ => {}
            }
        }
        settings
    }
}

/// A file that is read again when it was replaced or written.
#[derive(Debug)]
struct Watched<T> {
    path: PathBuf,
    seen: Option<(u64, i64, i64, u64)>,
    value: T,
}

impl<T: Default> Watched<T> {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None, value: T::default() }
    }

    /// The present value. A file that is gone or can't be read is as an empty one.
    fn renew(&mut self, read: impl FnOnce(&str) -> T) -> &T {
        let now = fs::metadata(&self.path).ok().map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.len()));
        if now != self.seen {
            self.value = read(&fs::read_to_string(&self.path).unwrap_or_default());
            self.seen = now;
        }
        &self.value
    }
}

/// All a resolver knows.
#[derive(Debug)]
pub(super) struct Known {
    settings: Watched<Settings>,
    networks: Vec<Watched<Names>>,
    host: Watched<Vec<IpAddr>>,
}

impl Known {
    pub(super) fn new(settings: &Path) -> Self {
        Self { settings: Watched::new(settings), networks: Vec::new(), host: Watched::new(Path::new(HOST)) }
    }

    fn renew(&mut self) -> &Settings {
        let settings = self.settings.renew(Settings::read);
        if self.networks.iter().map(|network| &network.path).ne(settings.networks.iter()) {
            self.networks = settings.networks.iter().map(|path| Watched::new(path)).collect();
        }
        for network in &mut self.networks {
            network.renew(Names::read);
        }
        settings
    }

    /// The addresses of a name; none when it is nobody's here.
    pub(super) fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        let links = self.renew().links.clone();
        for Watched { value: network, .. } in &self.networks {
            let link = links.iter().find(|(of, alias, _)| *of == network.network && alias.eq_ignore_ascii_case(name));
            let found = network.addresses(link.map_or(name, |(_, _, target)| target));
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// The name of an address.
    pub(super) fn name_of(&mut self, address: IpAddr) -> Option<String> {
        self.renew();
        self.networks.iter().find_map(|network| network.value.name_of(address))
    }

    /// Who is asked what nobody here knows; nobody when the container has no way out.
    pub(super) fn servers(&mut self) -> Vec<IpAddr> {
        let settings = self.renew();
        if !settings.outside {
            return Vec::new();
        }
        let mut servers = settings.servers.clone();
        if servers.is_empty() {
            servers.clone_from(self.host.renew(name_servers));
        }
        servers.truncate(SERVERS);
        servers
    }
}

fn name_servers(text: &str) -> Vec<IpAddr> {
    let words = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    words.filter_map(|rest| rest.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn settings_come_back() {
        let settings = Settings {
            networks: vec!["/run/a b".into(), "/run/c".into()],
            links: vec![("shop".into(), "store".into(), "db".into())],
            servers: vec!["192.0.2.1".parse().expect("an address"), "fd00::1".parse().expect("an address")],
            outside: true,
        };
        assert_eq!(Settings::read(&settings.write()), settings);
        assert_eq!(Settings::read("nonsense\nlink a\nserver x\n"), Settings::default());
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, names) = (dir.path().join("resolver"), dir.path().join("names"));
        let mut known = Known::new(&path);
        assert!(known.addresses("web").is_empty() && known.servers().is_empty());
        let links = vec![("shop".to_owned(), "front".to_owned(), "web".to_owned())];
        let server: IpAddr = "192.0.2.9".parse().expect("an address");
        let settings = Settings { networks: vec![names.clone()], links, servers: vec![server], outside: true };
        fs::write(&path, settings.write()).expect("written");
        fs::write(&names, "shop\n10.0.0.2 web\n").expect("written");
        assert_eq!(known.addresses("web"), [IpAddr::from(Ipv4Addr::new(10, 0, 0, 2))]);
        assert_eq!(known.addresses("FRONT"), [IpAddr::from(Ipv4Addr::new(10, 0, 0, 2))]);
        assert_eq!(known.servers(), [server]);
        fs::write(dir.path().join("new"), "shop\n10.0.0.33 web\n").expect("written");
        fs::rename(dir.path().join("new"), &names).expect("renamed");
        assert_eq!(known.addresses("web.shop"), [IpAddr::from(Ipv4Addr::new(10, 0, 0, 33))]);
        assert_eq!(known.name_of(Ipv4Addr::new(10, 0, 0, 33).into()).as_deref(), Some("web.shop"));
    }
}
