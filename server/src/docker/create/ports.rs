//! The part of a container's body that says which ports it exposes and publishes.

use std::{collections::BTreeSet, net::IpAddr};

use runtime::request::{ContainerPort, PortBinding, parse_host_ports};

use super::{missing, said};
use crate::docker::{
    error::{Failure, Result},
    model::create,
};

/// `80/tcp`, or `80-82/tcp` for each of these.
pub(super) fn exposed<'a>(asked: impl Iterator<Item = &'a String>) -> Result<BTreeSet<ContainerPort>> {
    let mut ports = BTreeSet::new();
    for text in asked {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        if !numbers.contains('-') {
            ports.insert(parse_port(text)?);
            continue;
        }
        let (first, last) = parse_host_ports(numbers).ok_or_else(|| specification(numbers))?;
        let ContainerPort { protocol, .. } = parse_port(&format!("{first}/{protocol}"))?;
        ports.extend((first..=last.unwrap_or(first)).map(|port| ContainerPort { port, protocol }));
    }
    Ok(ports)
}

/// What is published, and where.
pub(super) fn bindings(
    asked: impl IntoIterator<Item = (String, Option<Vec<create::PortBinding>>)>,
) -> Result<Vec<PortBinding>> {
    let mut ports = Vec::new();
    for (container, hosts) in asked {
        let container = parse_port(&container)?;
        for host in hosts.unwrap_or_default() {
            let host_ip = match said(host.host_ip) {
                None => None,
                Some(ip) => {
                    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(&ip);
                    let ip: IpAddr =
                        bare.parse().map_err(|_| Failure::invalid(format!("invalid host address {ip:?}")))?;
                    Some(ip)
                }
            };
            let asked = said(host.host_port).filter(|port| port != "0");
            let (host_port, host_port_end) = match asked {
                None => (None, None),
                Some(text) => {
                    let (first, last) = parse_host_ports(&text).ok_or_else(|| specification(&text))?;
                    (Some(first), last)
                }
            };
            ports.push(PortBinding { container, host_ip, host_port, host_port_end });
        }
    }
    Ok(ports)
}

/// One port. The client has made single ports of ranges.
fn parse_port(text: &str) -> Result<ContainerPort> {
    if text.to_ascii_lowercase().ends_with("/sctp") {
        return Err(missing("SCTP ports"));
    }
    let number = text.split('/').next().unwrap_or_default();
    if number.contains('-') {
        return Err(specification(number));
    }
    text.parse().map_err(|error| Failure::invalid(format!("{error}")))
}

fn specification(text: &str) -> Failure {
    Failure::invalid(format!("invalid port specification: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_exposed_one_by_one() {
        let ports = ["80-82/tcp", "81/tcp", "53/udp", "7-8/UDP", "9-9"].map(str::to_owned);
        let ports: Vec<_> =
            exposed(ports.iter()).unwrap_or_default().into_iter().map(|port| port.to_string()).collect();
        assert_eq!(ports, ["7/udp", "8/udp", "9/tcp", "53/udp", "80/tcp", "81/tcp", "82/tcp"]);
        for wrong in ["82-80/tcp", "0-1", "1-x", "80-82/sctp", "80-82/icmp", "-"] {
            assert!(exposed([wrong.to_owned()].iter()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_port_may_be_one_of_a_range() {
        let host = |port: &str| create::PortBinding { host_ip: None, host_port: Some(port.to_owned()) };
        let hosts = ["8000-8010", "8080", "8-8", "0", ""].map(host).into();
        let ports = bindings([("80/tcp".to_owned(), Some(hosts))]).unwrap_or_default();
        let ports: Vec<_> = ports.iter().map(|port| (port.host_port, port.host_port_end)).collect();
        let expected = [(Some(8000), Some(8010)), (Some(8080), None), (Some(8), None), (None, None), (None, None)];
        assert_eq!(ports, expected);
    }
}
