//! Which host ports people may publish, where the administrator has said so.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use runtime::{
    error::{Error, ErrorKind, Result},
    request::{CreateContainer, PortBinding, parse_host_ports},
};

use crate::auth::actor::{Actor, Right};

/// Host ports that may be published: `127.0.0.1:8000-8999`, or `8443` on any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PortRule {
    /// Any when `None`; 0.0.0.0 and :: have all of their version in them.
    address: Option<IpAddr>,
    first: u16,
    last: u16,
}

impl FromStr for PortRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (address, ports) = match text.rsplit_once(':') {
                Some((address, ports)) => (Some(read_address(address)?), ports),
                None => (None, text),
            };
            let (first, last) = parse_host_ports(ports)?;
            Some(Self { address, first, last: last.unwrap_or(first) })
        };
        read().ok_or_else(|| {
            format!("publish_ports are written 8443, 8000-8999, 127.0.0.1:8000-8999 or [::1]:8443, not {text}")
        })
    }
}

/// `127.0.0.1`, or `[::1]`.
fn read_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => text.parse().ok().map(IpAddr::V4),
    }
}

fn shown(address: IpAddr) -> String {
    if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
}

impl TryFrom<String> for PortRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PortRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address {
            write!(f, "{}:", shown(address))?;
        }
        write!(f, "{}", self.first)?;
        if self.last > self.first { write!(f, "-{}", self.last) } else { Ok(()) }
    }
}

impl PortRule {
    fn is_for(&self, address: IpAddr) -> bool {
        self.address.is_none_or(|only| only == address || only.is_unspecified() && only.is_ipv4() == address.is_ipv4())
    }
}

/// Refuses what the rules do not allow this actor to publish, and has a host port that nobody named chosen from what they
/// do. They bind who does not administer; there are none when `None`.
///
/// # Errors
/// [`ErrorKind::Forbidden`] with the port and what may be published.
pub(in crate::ops) fn confine(rules: Option<&[PortRule]>, actor: &Actor, request: &mut CreateContainer) -> Result<()> {
    let Some(rules) = rules else { return Ok(()) };
    if actor.may(Right::Administer) {
        return Ok(());
    }
    if request.publish_all {
        return Err(refused("publishing all exposed ports is not allowed: name a host port for each", rules));
    }
    request.ports.iter_mut().try_for_each(|binding| confine_one(rules, binding))
}

fn confine_one(rules: &[PortRule], binding: &mut PortBinding) -> Result<()> {
    let address = binding.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let of = |address: IpAddr| rules.iter().filter(move |rule| rule.is_for(address));
    match binding.host_port.filter(|port| *port > 0) {
        None => {
            let Some(widest) = of(address).max_by_key(|rule| rule.last - rule.first) else {
                let what = format!("publishing {} on {} is not allowed", binding.container, shown(address));
                return Err(refused(&what, rules));
            };
            binding.host_port = Some(widest.first);
            binding.host_port_end = Some(widest.last).filter(|last| *last > widest.first);
        }
        Some(first) => {
            let last = binding.host_port_end.unwrap_or(first);
            if let Some(port) = (first..=last).find(|port| !is_allowed(of(address), *port)) {
                let what = format!("publishing the host port {}:{port} is not allowed", shown(address));
                return Err(refused(&what, rules));
            }
        }
    }
    // Without an address it would be on those of IPv6 too.
    let mut ports = binding.host_port.unwrap_or(0)..=binding.host_port_end.or(binding.host_port).unwrap_or(0);
    if binding.host_ip.is_none() && !ports.all(|port| is_allowed(of(Ipv6Addr::UNSPECIFIED.into()), port)) {
        binding.host_ip = Some(address);
    }
    Ok(())
}

fn is_allowed<'a>(mut rules: impl Iterator<Item = &'a PortRule>, port: u16) -> bool {
    rules.any(|rule| (rule.first..=rule.last).contains(&port))
}

fn refused(what: &str, rules: &[PortRule]) -> Error {
    let allowed: Vec<_> = rules.iter().map(ToString::to_string).collect();
    let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
    Error::new(ErrorKind::Forbidden, format!("{what}; host ports allowed here: {allowed}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::actor::{Principal, Role};

    /// A program that an administrator lets operate, and no more.
    fn operator() -> Actor {
        let (right, token) = (Right::Operate, "ci".to_owned());
        let principal = Principal::Token { user: 7, name: "eva".into(), role: Role::Administrator, token, right };
        Actor { principal, ..Actor::system() }
    }

    fn rules(texts: &[&str]) -> Vec<PortRule> {
        texts.iter().map(|text| text.parse().expect("a rule")).collect()
    }

    fn publishing(address: Option<[u8; 4]>, host_port: Option<u16>, host_port_end: Option<u16>) -> CreateContainer {
        let container = "80/tcp".parse().expect("a port");
        let binding = PortBinding { container, host_ip: address.map(IpAddr::from), host_port, host_port_end };
        CreateContainer { ports: vec![binding], ..CreateContainer::default() }
    }

    const LOCAL: Option<[u8; 4]> = Some([127, 0, 0, 1]);

    #[test]
    fn rules_are_read_and_written() {
        for text in ["8443", "8000-8999", "127.0.0.1:8000-8999", "0.0.0.0:80", "[::1]:8000-8999", "[::]:80"] {
            assert_eq!(text.parse::<PortRule>().expect(text).to_string(), text);
        }
        for wrong in ["", "0", "9-8", "x:1", "1.2.3.4:", "70000", "1-x", "::1:80", "80/tcp"] {
            let error = wrong.parse::<PortRule>().expect_err(wrong);
            assert!(error.ends_with(&format!("not {wrong}")), "{error}");
        }
    }

    #[test]
    fn who_does_not_administer_publishes_what_the_rules_allow() {
        let rules = rules(&["127.0.0.1:8000-8999", "443", "9000", "127.0.0.1:9001", "0.0.0.0:70"]);
        let may = |address, first, last| confine(Some(&rules), &operator(), &mut publishing(address, first, last));
        may(LOCAL, Some(8000), None).expect("within");
        may(LOCAL, Some(8000), Some(8999)).expect("all of it");
        may(LOCAL, Some(9000), Some(9001)).expect("each of them, by different rules");
        may(None, Some(443), None).expect("a rule of any address");
        may(None, Some(70), None).expect("a rule of all addresses");
        may(LOCAL, Some(70), None).expect("one of all addresses");
        for (address, first, last, port) in [
            (None, 8000, None, "0.0.0.0:8000"),
            (Some([192, 0, 2, 1]), 8000, None, "192.0.2.1:8000"),
            (LOCAL, 7999, None, "127.0.0.1:7999"),
            (LOCAL, 8990, Some(9010), "127.0.0.1:9002"),
            (LOCAL, 1, Some(65535), "127.0.0.1:1"),
        ] {
            let error = may(address, Some(first), last).expect_err("outside");
            assert_eq!(error.kind(), ErrorKind::Forbidden);
            let expected = format!(
                "publishing the host port {port} is not allowed; host ports allowed here: 127.0.0.1:8000-8999, 443, 9000, \
                 127.0.0.1:9001, 0.0.0.0:70"
            );
            assert_eq!(error.message(), expected);
        }
    }

    #[test]
    fn a_port_nobody_named_is_chosen_from_the_widest_rule() {
        let rules = rules(&["443", "127.0.0.1:8000-8999"]);
        for (address, nothing, chosen) in
            [(LOCAL, None, "8000-8999"), (LOCAL, Some(0), "8000-8999"), (None, None, "443")]
        {
            let mut request = publishing(address, nothing, None);
            confine(Some(&rules), &operator(), &mut request).expect("there is one");
            assert_eq!(request.ports[0].host_ports(), chosen);
        }
        let error = confine(Some(&rules[1..]), &operator(), &mut publishing(None, None, None)).expect_err("no rule");
        let expected = "publishing 80/tcp on 0.0.0.0 is not allowed; host ports allowed here: 127.0.0.1:8000-8999";
        assert_eq!(error.message(), expected);
        let error = confine(Some(&[]), &operator(), &mut publishing(None, None, None)).expect_err("nothing is allowed");
        assert!(error.message().ends_with("allowed here: none"), "{error}");
    }

    #[test]
    fn rules_of_ipv4_do_not_open_ipv6() {
        let rules = rules(&["0.0.0.0:80", "443", "[::1]:8000", "[::]:90"]);
        let publish = |host_ip: Option<&str>, port: u16| {
            let mut request = publishing(None, Some(port), None);
            request.ports[0].host_ip = host_ip.map(|ip| ip.parse().expect("an address"));
            confine(Some(&rules), &operator(), &mut request).map(|()| request.ports[0].host_ip)
        };
        assert_eq!(publish(None, 80).expect("on IPv4"), Some(Ipv4Addr::UNSPECIFIED.into()));
        assert_eq!(publish(None, 443).expect("on both"), None);
        publish(Some("::1"), 8000).expect("named");
        publish(Some("fd00::1"), 90).expect("one of all");
        for (ip, port) in [("::", 80), ("::1", 80), ("fd00::1", 8000), ("127.0.0.1", 90)] {
            let error = publish(Some(ip), port).expect_err(ip);
            assert!(error.message().contains("is not allowed"), "{error}");
        }
    }

    #[test]
    fn all_exposed_ports_are_refused() {
        let rules = rules(&["1-65535"]);
        let mut all = CreateContainer { publish_all: true, ..CreateContainer::default() };
        let error = confine(Some(&rules), &operator(), &mut all).expect_err("nobody has named them");
        assert!(error.message().contains("all exposed ports") && error.message().ends_with("1-65535"), "{error}");
        confine(Some(&rules), &operator(), &mut CreateContainer::default()).expect("publishes nothing");
    }

    #[test]
    fn administrators_and_hosts_without_rules_are_free() {
        let rules = rules(&["443"]);
        for actor in [Actor::host(), Actor::system()] {
            let mut request = CreateContainer { publish_all: true, ..publishing(None, None, None) };
            confine(Some(&rules), &actor, &mut request).expect("an administrator");
            assert_eq!(request.ports[0].host_port, None);
        }
        confine(None, &operator(), &mut publishing(None, Some(22), None)).expect("no rules");
        let role = Role::Member(Arc::default());
        let member = Actor { principal: Principal::User { id: 7, name: "eva".into(), role }, ..Actor::system() };
        confine(Some(&rules), &member, &mut publishing(None, Some(22), None)).expect_err("a member is bound");
    }
}
