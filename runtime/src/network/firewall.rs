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
//! (served by the proxy only; kept from other interfaces even where somebody set route_localnet).

use std::{io, net::Ipv4Addr};

use super::{
    nftables::{self, ADDRESS, Compare, Element, Hook, Meta, PORT, PROTOCOL, Rule, Verdict},
    subnet::Subnet,
};
use crate::{
    sys::netlink::{Message, Received, Socket},
    view::PublishedPort,
};

/// The table's name.
pub const TABLE: &str = "darsena";

const SETS: [&str; 3] = ["ports", "any_ports", "loopback_ports"];
const SOURCE: u32 = 12;
const DESTINATION: u32 = 16;
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
}

/// The table of all networks.
#[derive(Debug)]
pub(super) struct Firewall {
    socket: Socket,
    zones: Vec<Zone>,
    metadata: bool,
}

/// One published port and where it leads.
pub(super) type Publication = (PublishedPort, Ipv4Addr);

impl Firewall {
    /// With `metadata` containers reach link-local addresses.
    pub(super) fn open(zones: Vec<Zone>, metadata: bool) -> io::Result<Self> {
        Ok(Self { socket: nftables::open()?, zones, metadata })
    }

    /// Changes which networks there are; the next [`Self::rebuild`] tells the kernel.
    pub(super) fn set_zones(&mut self, zones: Vec<Zone>) {
        self.zones = zones;
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
        let mut batch = vec![nftables::new_table(TABLE), nftables::delete_table(TABLE), nftables::new_table(TABLE)];
        batch.extend(sets());
        batch.extend(self.chains());
        batch.extend(elements(published, nftables::new_elements));
        self.socket.transact(batch)
    }

    /// Adds ports. When the table is not as it should be it is rebuilt from `all`, which includes them.
    pub(super) fn publish(&mut self, ports: &[Publication], all: impl FnOnce() -> Vec<Publication>) -> io::Result<()> {
        match self.socket.transact(elements(ports, nftables::new_elements)) {
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
        match self.socket.transact(elements(ports, nftables::delete_elements)) {
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
        guard.push(
            not_from(Rule::default(), "lo").ipv4().load_destination().within("loopback_ports").verdict(Verdict::Drop),
        );
        chain("guard", "filter", Hook::Prerouting, -300, guard);
        let redirects = |first: Rule| {
            vec![
                first.clone().for_this_host().load_destination().redirect_by("ports"),
                first.for_this_host().load_service().redirect_by("any_ports"),
            ]
        };
        chain("incoming", "nat", Hook::Prerouting, -100, redirects(Rule::default().ipv4()));
        // Loopback has no way back from the bridge without route_localnet: the proxy serves it.
        let not_loopback =
            Rule::default().ipv4().address(DESTINATION, [255, 0, 0, 0], Compare::Differs, [127, 0, 0, 0]);
        chain("local", "nat", Hook::Output, -100, redirects(not_loopback));
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

    fn in_subnet(&self, rule: Rule, offset: u32) -> Rule {
        rule.ipv4().address(offset, self.subnet.mask().octets(), Compare::Equal, self.subnet.network().octets())
    }

    fn guard(&self, metadata: bool) -> Vec<Rule> {
        let (mask, network) = (self.subnet.mask().octets(), self.subnet.network().octets());
        let foreign = not_from(not_from(Rule::default(), &self.bridge), "lo");
        let mut rules = vec![
            self.comes_from().meta(Meta::Family, Compare::Differs, &[2]).verdict(Verdict::Drop),
            self.comes_from().ipv4().address(SOURCE, mask, Compare::Differs, network).verdict(Verdict::Drop),
            self.in_subnet(foreign, DESTINATION).verdict(Verdict::Drop),
        ];
        if !metadata {
            let link_local =
                self.comes_from().ipv4().address(DESTINATION, [255, 255, 0, 0], Compare::Equal, [169, 254, 0, 0]);
            rules.push(link_local.verdict(Verdict::Drop));
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
        // To a published port of another network the answer must come back by the host, or that network refuses it.
        let mut rules = vec![self.in_subnet(not_to(Rule::default(), "lo"), SOURCE).status(REDIRECTED).masquerade()];
        if self.masquerade {
            rules.push(self.in_subnet(not_to(not_to(Rule::default(), &self.bridge), "lo"), SOURCE).masquerade());
        }
        rules
    }
}

fn sets() -> [Message; 3] {
    let by_address = [ADDRESS, PROTOCOL, PORT];
    let target = [ADDRESS, PORT];
    [
        nftables::new_set(TABLE, SETS[0], 1, &by_address, Some(&target)),
        nftables::new_set(TABLE, SETS[1], 2, &[PROTOCOL, PORT], Some(&target)),
        nftables::new_set(TABLE, SETS[2], 3, &by_address, None),
    ]
}

/// The messages that add or remove these ports' elements.
fn elements(ports: &[Publication], write: fn(&str, &str, &[Element]) -> Vec<Message>) -> Vec<Message> {
    let mut by_set: [Vec<Element>; 3] = Default::default();
    for (port, container) in ports {
        let word = |address: Ipv4Addr| address.octets().to_vec();
        let number = |port: u16| [port.to_be_bytes(), [0; 2]].concat();
        let service = [vec![nftables::protocol_number(port.protocol()), 0, 0, 0], number(port.host_port)].concat();
        let with_address = || [word(port.host_ip), service.clone()].concat();
        let target = Some([word(*container), number(port.container.port)].concat());
        if port.host_ip.is_unspecified() {
            by_set[1].push((service, target));
        } else if port.host_ip.is_loopback() {
            by_set[2].push((with_address(), None));
        } else {
            by_set[0].push((with_address(), target));
        }
    }
    SETS.iter().zip(&by_set).flat_map(|(set, elements)| write(TABLE, set, elements)).collect()
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
    const FAMILIES: [(u8, &str); 2] = [(1, "inet"), (2, "ip")];
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
                 {name}, policy drop): containers may not reach other hosts, nor be reached by published ports"
            )
        })
    });
    Ok(dropping.collect())
}
