//! The three files of /etc that the engine writes for each container: hostname, hosts, resolv.conf.
//!
//! They live in the container's folder and are bound into its root, so that a change made inside stays with it.

use std::{
    fmt::Write as _,
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use crate::{container::record::Record, network::RESOLVER, paths::Paths, view::Endpoint};

/// Used when the host names only servers on its own loopback, which a container can't reach (as Docker does).
const FALLBACK_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// Names of the files, in the container's folder and in its /etc.
pub(in crate::engine) const FILES: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// What the files tell of a container's networks.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Surroundings {
    /// Its places, the way out first.
    pub endpoints: Vec<Endpoint>,
    /// Others it was linked to, with their names.
    pub links: Vec<(IpAddr, Vec<String>)>,
    /// It has a resolver of the engine's.
    pub resolver: bool,
}

/// Writes what is new of the three, in place: they may be bound already.
///
/// # Errors
/// When the container's folder can't be written.
pub(in crate::engine) fn write(paths: &Paths, record: &Record, around: &Surroundings) -> io::Result<()> {
    let folder = paths.container(&record.id);
    renew(&folder.join("hostname"), &format!("{}\n", record.resolved.hostname))?;
    renew(&folder.join("hosts"), &hosts(record, around))?;
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    renew(&folder.join("resolv.conf"), &resolv_conf(record, &host, around.resolver))
}

/// Emptying a file and writing it again makes the file system write at once; the same text needs none of it.
fn renew(path: &Path, text: &str) -> io::Result<()> {
    match fs::read(path) {
        Ok(present) if present == text.as_bytes() => Ok(()),
        _ => fs::write(path, text),
    }
}

/// Path of one of the three.
pub(in crate::engine) fn path(folder: &Path, file: &str) -> std::path::PathBuf {
    folder.join(file)
}

fn hosts(record: &Record, around: &Surroundings) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    let gateway = around.endpoints.first().map_or(Ipv4Addr::LOCALHOST, |endpoint| endpoint.gateway);
    for entry in &record.request.extra_hosts {
        if let Some((name, address)) = entry.split_once([':', '=']) {
            let address = if address == "host-gateway" {
                gateway.to_string()
            } else {
                address.trim_matches(['[', ']']).to_owned()
            };
            let _ = writeln!(text, "{address}\t{name}");
        }
    }
    for (address, names) in &around.links {
        let _ = writeln!(text, "{address}\t{}", names.join(" "));
    }
    for endpoint in &around.endpoints {
        let name = &record.resolved.hostname;
        let addresses = [Some(IpAddr::from(endpoint.ip)), endpoint.v6.map(|v6| v6.ip.into())];
        for address in addresses.into_iter().flatten() {
            let _ = match &record.request.domainname {
                Some(domain) if !domain.is_empty() => writeln!(text, "{address}\t{name}.{domain} {name}"),
                _ => writeln!(text, "{address}\t{name}"),
            };
        }
    }
    text
}

/// The name servers for a container: those asked for, else the host's but for those on its own loopback.
fn servers(record: &Record, host: &str) -> Vec<String> {
    let mut servers = record.request.dns.clone();
    if servers.is_empty() {
        servers = words(host, "nameserver").into_iter().filter(|ip| !ip.starts_with("127.") && ip != "::1").collect();
    }
    if servers.is_empty() {
        servers = FALLBACK_SERVERS.map(str::to_owned).to_vec();
    }
    servers
}

fn words(host: &str, key: &str) -> Vec<String> {
    let lines =
        host.lines().filter_map(|line| line.trim().strip_prefix(key)).filter(|rest| rest.starts_with([' ', '\t']));
    lines.map(|rest| rest.trim().to_owned()).collect()
}

fn resolv_conf(record: &Record, host: &str, resolver: bool) -> String {
    let request = &record.request;
    let servers = if resolver { vec![RESOLVER.to_string()] } else { servers(record, host) };
    let pick = |asked: &[String], key| {
        if asked.is_empty() { words(host, key).last().cloned().unwrap_or_default() } else { asked.join(" ") }
    };
    let (search, options) = (pick(&request.dns_search, "search"), pick(&request.dns_options, "options"));
    let mut text = String::new();
    for server in &servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !search.is_empty() && search != "." {
        let _ = writeln!(text, "search {search}");
    }
    // Names without a dot are answered without asking with the search domains first.
    let options = if resolver && !options.contains("ndots:") { format!("{options} ndots:0") } else { options };
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.trim());
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{container::record::Resolved, digest::Digest, id::ContainerId, request::CreateContainer, view::Inet6};

    fn record(request: CreateContainer) -> Record {
        Record {
            id: ContainerId::random(),
            name: "web".into(),
            created_at: Timestamp::UNIX_EPOCH,
            request,
            image_id: Digest::of(b""),
            resolved: Resolved { hostname: "web".into(), ..Resolved::default() },
            mounts: Vec::new(),
            id_base: None,
        }
    }

    #[test]
    fn loopback_name_servers_of_the_host_are_not_handed_on() {
        let host = "# by hand\nnameserver 127.0.0.53\nsearch example.org\noptions edns0\n";
        let text = resolv_conf(&record(CreateContainer::default()), host, false);
        assert_eq!(text, "nameserver 8.8.8.8\nnameserver 8.8.4.4\nsearch example.org\noptions edns0\n");
        let text = resolv_conf(&record(CreateContainer::default()), "nameserver 192.0.2.1\n", false);
        assert_eq!(text, "nameserver 192.0.2.1\n");
    }

    #[test]
    fn what_was_asked_for_comes_before_the_host() {
        let request = CreateContainer {
            dns: vec!["192.0.2.9".into()],
            dns_search: vec![".".into()],
            dns_options: vec!["ndots:2".into()],
            ..Default::default()
        };
        let record = record(request);
        let host = "search example.org\n";
        assert_eq!(resolv_conf(&record, host, false), "nameserver 192.0.2.9\noptions ndots:2\n");
        assert_eq!(resolv_conf(&record, host, true), "nameserver 127.0.0.11\noptions ndots:2\n");
    }

    #[test]
    fn hosts_names_the_container_and_what_was_added() {
        let request = CreateContainer {
            extra_hosts: vec!["db:192.0.2.7".into(), "up=host-gateway".into()],
            ..Default::default()
        };
        let endpoint = Endpoint {
            network: "bridge".into(),
            ip: Ipv4Addr::new(172, 30, 0, 2),
            prefix_len: 16,
            gateway: Ipv4Addr::new(172, 30, 0, 1),
            mac: String::new(),
            host_interface: String::new(),
            ports: vec![],
            network_id: None,
            interface: String::new(),
            names: vec![],
            id: String::new(),
            v6: Some(Inet6 {
                ip: "fd00::2".parse().expect("an address"),
                prefix_len: 64,
                gateway: "fd00::1".parse().expect("an address"),
            }),
        };
        let around = Surroundings {
            endpoints: vec![endpoint],
            links: vec![(Ipv4Addr::new(172, 30, 0, 9).into(), vec!["store".into(), "db1".into()])],
            resolver: false,
        };
        let text = hosts(&record(request), &around);
        let end = "192.0.2.7\tdb\n172.30.0.1\tup\n172.30.0.9\tstore db1\n172.30.0.2\tweb\nfd00::2\tweb\n";
        assert!(text.ends_with(end), "{text}");
    }
}
