//! The nf_tables table `inet darsena`. No other table is ever changed.
//!
//! Chains in the order a packet meets them, each with rules for every network:
//!
//! - `guard` (raw prerouting) drops what comes straight to container addresses from outside their network, what claims
//!   a foreign source, and link-local destinations (cloud metadata) from the bridges
//! - `incoming` (prerouting) and `local` (output) send published ports to their container, source address kept
//! - `forwarded` drops new connections to containers that are neither published nor from their own bridge, and all that
//!   would leave an internal network
//! - `outgoing` (postrouting) masquerades what leaves, and what containers send to published ports of each other
//!
//! One map element a published port: `ports` by host address, `any_ports` for 0.0.0.0, `loopback_ports` for 127.0.0.0/8
//! (served by the proxy only; kept from other interfaces even where somebody set route_localnet). The same three again
//! for IPv6, where the kernel has it; a port of an IPv6 address that leads to an IPv4 address is the proxy's alone.

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
};

use super::{
    ipv6,
    nftables::{self, ADDRESS, ADDRESS_6, Compare, Element, Hook, Ip, Meta, PORT, PROTOCOL, Rule, Verdict},
    subnet::Subnet,
};
use crate::{
    sys::{
        iptables,
        netlink::{Message, Received, Socket},
    },
    view::PublishedPort,
};

/// The table's name.
pub const TABLE: &str = "darsena";

/// The sets of a version.
fn set_names(version: Ip) -> [&'static str; 3] {
    match version {
        Ip::V4 => ["ports", "any_ports", "loopback_ports"],
        Ip::V6 => ["ports6", "any_ports6", "loopback_ports6"],
    }
}

/// Where clouds answer who their machine is, besides 169.254.0.0/16: Amazon, Google, Oracle, Scaleway.
const METADATA_6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// `IPS_DST_NAT`.
const REDIRECTED: u32 = 1 << 5;
/// Established or related.
const KNOWN: u32 = 2 | 4;

/// What the table must know of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    pub(super) bridge: String,
    pub(super) subnet: Subnet,
    /// Nothing comes in or leaves.
    pub(super) internal: bool,
    /// What leaves gets the host's address.
    pub(super) masquerade: bool,
    /// Containers may reach each other.
    pub(super) icc: bool,
    /// Its addresses of IPv6.
    pub(super) v6: Option<Subnet<Ipv6Addr>>,
}

/// The table of all networks.
#[derive(Debug)]
pub(super) struct Firewall {
    socket: Socket,
    zones: Vec<Zone>,
    metadata: bool,
    /// The kernel has IPv6.
    v6: bool,
}

/// One published port and where it leads.
pub(super) type Publication = (PublishedPort, IpAddr);

impl Firewall {
    /// With `metadata` containers reach link-local addresses.
    pub(super) fn open(zones: Vec<Zone>, metadata: bool) -> io::Result<Self> {
        let v6 = ipv6::lacking().is_none();
        let mut firewall = Self { socket: nftables::open()?, zones: Vec::new(), metadata, v6 };
        firewall.set_zones(zones);
        Ok(firewall)
    }

    /// Changes which networks there are; the next [`Self::rebuild`] tells the kernel.
    pub(super) fn set_zones(&mut self, zones: Vec<Zone>) {
        self.zones = zones;
        if !self.v6 {
            // Made when there was IPv6 on this host.
            self.zones.iter_mut().for_each(|zone| zone.v6 = None);
        }
    }

    /// Tells changes of this object from those of others.
    pub(super) fn port(&self) -> u32 {
        self.socket.port()
    }

    pub(super) fn exists(&mut self) -> io::Result<bool> {
        match self.socket.request(&nftables::get_table(TABLE)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Replaces the whole table in one transaction; established connections don't notice.
    pub(super) fn rebuild(&mut self, published: &[Publication]) -> io::Result<()> {
        let built = self.build(published);
        // A kernel may have IPv6 and no filter for it: all the rest must work nevertheless.
        if built.is_err() && self.v6 && self.zones.iter().all(|zone| zone.v6.is_none()) {
            self.v6 = false;
            if self.build(published).is_ok() {
                tracing::warn!("nf_tables has no IPv6 here: there are no IPv6 networks");
                return Ok(());
            }
            self.v6 = true;
        }
        built
    }

    /// The kernel filters IPv6.
    pub(super) fn has_ipv6(&self) -> bool {
        self.v6
    }

    fn build(&mut self, published: &[Publication]) -> io::Result<()> {
        let mut batch = vec![nftables::new_table(TABLE), nftables::delete_table(TABLE), nftables::new_table(TABLE)];
        batch.extend(self.versions().flat_map(sets));
        batch.extend(self.chains());
        batch.extend(self.elements(published, nftables::new_elements));
        self.socket.transact(batch)
    }

    /// Which versions the kernel filters.
    fn versions(&self) -> impl Iterator<Item = Ip> + use<> {
        [Ip::V4].into_iter().chain(self.v6.then_some(Ip::V6))
    }

    /// Adds ports. When the table is not as it should be it is rebuilt from `all`, which includes them.
    pub(super) fn publish(&mut self, ports: &[Publication], all: impl FnOnce() -> Vec<Publication>) -> io::Result<()> {
        let batch = self.elements(ports, nftables::new_elements);
        match self.socket.transact(batch) {
            Ok(()) => Ok(()),
            Err(_) => self.rebuild(&all()),
        }
    }

    /// Removes ports. When the table is not as it should be it is rebuilt from `rest`, which lacks them.
    pub(super) fn withdraw(
        &mut self,
        ports: &[Publication],
        rest: impl FnOnce() -> Vec<Publication>,
    ) -> io::Result<()> {
        let batch = self.elements(ports, nftables::delete_elements);
        match self.socket.transact(batch) {
            Ok(()) => Ok(()),
            Err(_) => self.rebuild(&rest()),
        }
    }

    fn chains(&self) -> Vec<Message> {
        let mut batch = Vec::new();
        let mut chain = |name: &str, kind: &str, hook: Hook, priority: i32, rules: Vec<Rule>| {
            batch.push(nftables::new_chain(TABLE, name, kind, hook, priority));
            batch.extend(rules.into_iter().map(|rule| rule.into_message(TABLE, name)));
        };
        let mut guard = self.of_zones(|zone| zone.guard(self.metadata));
        guard.extend(self.versions().map(|version| {
            let [_, _, loopback] = set_names(version);
            not_from(Rule::default(), "lo")
                .ip(version)
                .load_destination(version)
                .within(loopback)
                .verdict(Verdict::Drop)
        }));
        chain("guard", "filter", Hook::Prerouting, -300, guard);
        let redirects = |version: Ip, first: Rule| {
            let [by_address, any, _] = set_names(version);
            [
                first.clone().for_this_host().load_destination(version).redirect_by(by_address, version),
                first.for_this_host().load_service().redirect_by(any, version),
            ]
        };
        let incoming = self.versions().flat_map(|version| redirects(version, Rule::default().ip(version)));
        chain("incoming", "nat", Hook::Prerouting, -100, incoming.collect());
        // Loopback has no way back from the bridge without route_localnet: the proxy serves it.
        let local = self.versions().flat_map(|version| {
            let (mask, loopback) = match version {
                Ip::V4 => (vec![255, 0, 0, 0], vec![127, 0, 0, 0]),
                Ip::V6 => (vec![255; 16], Ipv6Addr::LOCALHOST.octets().to_vec()),
            };
            let not_loopback =
                Rule::default().ip(version).address(version.destination(), &mask, Compare::Differs, &loopback);
            redirects(version, not_loopback)
        });
        chain("local", "nat", Hook::Output, -100, local.collect());
        chain("forwarded", "filter", Hook::Forward, 0, self.of_zones(Zone::forwarded));
        chain("outgoing", "nat", Hook::Postrouting, 100, self.of_zones(Zone::outgoing));
        batch
    }

    /// Internal networks first: what would leave one is dropped before another network accepts it.
    fn of_zones(&self, rules: impl Fn(&Zone) -> Vec<Rule>) -> Vec<Rule> {
        let of = |internal| self.zones.iter().filter(move |zone| zone.internal == internal);
        of(true).chain(of(false)).flat_map(rules).collect()
    }
}

/// The set elements of published ports.
type Write = fn(&str, &str, &[Element]) -> Vec<Message>;

impl Firewall {
    /// The messages that add or remove these ports' elements.
    fn elements(&self, ports: &[Publication], write: Write) -> Vec<Message> {
        self.versions().flat_map(|version| elements(ports, version, write)).collect()
    }
}

fn not_from(rule: Rule, name: &str) -> Rule {
    rule.interface(Meta::InputName, Compare::Differs, name)
}

fn not_to(rule: Rule, name: &str) -> Rule {
    rule.interface(Meta::OutputName, Compare::Differs, name)
}

impl Zone {
    fn comes_from(&self) -> Rule {
        Rule::default().interface(Meta::InputName, Compare::Equal, &self.bridge)
    }

    fn goes_to(&self) -> Rule {
        Rule::default().interface(Meta::OutputName, Compare::Equal, &self.bridge)
    }

    /// Its networks: version, mask, and where they begin.
    fn subnets(&self) -> Vec<(Ip, Vec<u8>, Vec<u8>)> {
        let v4 = (Ip::V4, self.subnet.mask().octets().to_vec(), self.subnet.network().octets().to_vec());
        let v6 = self.v6.map(|v6| (Ip::V6, v6.mask().octets().to_vec(), v6.network().octets().to_vec()));
        [v4].into_iter().chain(v6).collect()
    }

    fn guard(&self, metadata: bool) -> Vec<Rule> {
        let foreign = not_from(not_from(Rule::default(), &self.bridge), "lo");
        let mut rules = Vec::new();
        if self.v6.is_none() {
            rules.push(self.comes_from().meta(Meta::Family, Compare::Differs, &[Ip::V4 as u8]).verdict(Verdict::Drop));
        }
        for (version, mask, network) in self.subnets() {
            let mut liar = self.comes_from().ip(version).address(version.source(), &mask, Compare::Differs, &network);
            if version == Ip::V6 {
                // Neighbours speak to each other by addresses of their own making too; those lead nowhere else.
                let link_local =
                    (Ipv6Addr::new(0xffc0, 0, 0, 0, 0, 0, 0, 0), Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0));
                let none = (Ipv6Addr::from(u128::MAX), Ipv6Addr::UNSPECIFIED);
                for (mask, own) in [link_local, none] {
                    liar = liar.address(version.source(), &mask.octets(), Compare::Differs, &own.octets());
                }
            }
            rules.push(liar.verdict(Verdict::Drop));
            let to_it = foreign.clone().ip(version).address(version.destination(), &mask, Compare::Equal, &network);
            rules.push(to_it.verdict(Verdict::Drop));
        }
        if !metadata {
            let closed = |mask: &[u8], address: &[u8]| {
                let version = if mask.len() == 4 { Ip::V4 } else { Ip::V6 };
                let to_it = self.comes_from().ip(version);
                to_it.address(version.destination(), mask, Compare::Equal, address).verdict(Verdict::Drop)
            };
            rules.push(closed(&[255, 255, 0, 0], &[169, 254, 0, 0]));
            if self.v6.is_some() {
                rules.extend(METADATA_6.iter().map(|address| closed(&[255; 16], &address.octets())));
            }
        }
        rules
    }

    fn forwarded(&self) -> Vec<Rule> {
        if self.internal {
            let within = || self.goes_to().interface(Meta::InputName, Compare::Equal, &self.bridge);
            return vec![
                within().verdict(if self.icc { Verdict::Accept } else { Verdict::Drop }),
                self.goes_to().verdict(Verdict::Drop),
                self.comes_from().verdict(Verdict::Drop),
            ];
        }
        let neighbours = self.goes_to().interface(Meta::InputName, Compare::Equal, &self.bridge);
        let mut rules = vec![
            self.goes_to().state(KNOWN).verdict(Verdict::Accept),
            self.goes_to().status(REDIRECTED).verdict(Verdict::Accept),
        ];
        if self.icc {
            rules.push(neighbours.verdict(Verdict::Accept));
        }
        rules.push(self.goes_to().verdict(Verdict::Drop));
        rules
    }

    fn outgoing(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for (version, mask, network) in self.subnets() {
            let from_it = |rule: Rule| rule.ip(version).address(version.source(), &mask, Compare::Equal, &network);
            // To a published port of another network the answer must come back by the host, or that network refuses it.
            rules.push(from_it(not_to(Rule::default(), "lo")).status(REDIRECTED).masquerade());
            if self.masquerade {
                rules.push(from_it(not_to(not_to(Rule::default(), &self.bridge), "lo")).masquerade());
            }
        }
        rules
    }
}

fn sets(version: Ip) -> [Message; 3] {
    let address = if version == Ip::V4 { ADDRESS } else { ADDRESS_6 };
    let (by_address, target) = ([address, PROTOCOL, PORT], [address, PORT]);
    let [ports, any, loopback] = set_names(version);
    let first = if version == Ip::V4 { 1 } else { 4 };
    [
        nftables::new_set(TABLE, ports, first, &by_address, Some(&target)),
        nftables::new_set(TABLE, any, first + 1, &[PROTOCOL, PORT], Some(&target)),
        nftables::new_set(TABLE, loopback, first + 2, &by_address, None),
    ]
}

fn elements(ports: &[Publication], version: Ip, write: Write) -> Vec<Message> {
    let mut by_set: [Vec<Element>; 3] = Default::default();
    for (port, container) in ports.iter().filter(|(port, _)| Ip::of(port.host_ip) == version) {
        let word = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let number = |port: u16| [port.to_be_bytes(), [0; 2]].concat();
        let service = [vec![nftables::protocol_number(port.protocol()), 0, 0, 0], number(port.host_port)].concat();
        let with_address = || [word(port.host_ip), service.clone()].concat();
        let target = Some([word(*container), number(port.container.port)].concat());
        if port.host_ip.is_loopback() {
            by_set[2].push((with_address(), None));
        } else if Ip::of(*container) != version {
            // The proxy's.
        } else if port.host_ip.is_unspecified() {
            by_set[1].push((service, target));
        } else {
            by_set[0].push((with_address(), target));
        }
    }
    set_names(version).iter().zip(&by_set).flat_map(|(set, elements)| write(TABLE, set, elements)).collect()
}

/// Whether an event tells that somebody else took something out of our table.
pub(super) fn is_foreign_removal(event: &Received, own_port: u32) -> bool {
    const REMOVALS: [u16; 5] = [
        nftables::DELETE_TABLE,
        nftables::DELETE_CHAIN,
        nftables::DELETE_RULE,
        nftables::DELETE_SET,
        nftables::DELETE_ELEMENT,
    ];
    event.port != own_port
        && REMOVALS.contains(&event.kind)
        && event.payload.first() == Some(&nftables::INET)
        && event.attributes(4).text(1) == Some(TABLE)
}

/// What other firewalls on this host do to containers' traffic, in words; empty when nothing.
///
/// A packet passes only when every table lets it: a foreign FORWARD policy of drop stops what ours accepts.
pub fn warnings() -> io::Result<Vec<String>> {
    const FAMILIES: [(u8, &str); 3] = [(1, "inet"), (2, "ip"), (10, "ip6")];
    let chains = nftables::open()?.request(&nftables::get_chains())?;
    let dropping = chains.iter().filter_map(|chain| {
        let family = *chain.payload.first()?;
        let (_, family) = FAMILIES.iter().find(|(number, _)| *number == family)?;
        let attributes = chain.attributes(4);
        let (table, name) = (attributes.text(1)?, attributes.text(3)?);
        let hook = crate::sys::netlink::Attributes::new(attributes.get(4)?).big(1)?;
        let drops = hook == Hook::Forward as u32 && attributes.big(5) == Some(Verdict::Drop as u32);
        (drops && table != TABLE).then(|| {
            format!(
                "the firewall table `{family} {table}` drops forwarded packets unless it has a rule for them (chain \
                 {name}, policy drop): {}",
                effect(*family == "ip6")
            )
        })
    });
    // A table that can't be asked, say because it changes this moment, warns of nothing.
    let legacy = [("iptables", false), ("ip6tables", true)]
        .into_iter()
        .filter(|(_, v6)| iptables::drops_forwarded(*v6).unwrap_or(false))
        .map(|(name, v6)| {
            format!(
                "the legacy firewall ({name}, table filter) drops forwarded packets unless it has a rule for them (chain \
                 FORWARD, policy DROP): {}",
                effect(v6)
            )
        });
    Ok(dropping.chain(legacy).collect())
}

fn effect(v6: bool) -> &'static str {
    if v6 {
        "containers may not reach other hosts by IPv6, nor be reached by ports published there"
    } else {
        "containers may not reach other hosts, nor be reached by published ports"
    }
}
