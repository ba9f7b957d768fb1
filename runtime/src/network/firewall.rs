//! The nf_tables table `inet darsena`. No other table is ever changed.
//!
//! Chains in the order a packet meets them:
//!
//! - `guard` (raw prerouting) drops what comes straight to container addresses without being one of ours, what claims
//!   a foreign source, and link-local destinations (cloud metadata) from the bridge
//! - `incoming` (prerouting) and `local` (output) send published ports to their container, source address kept
//! - `forwarded` drops new connections to containers that are neither published nor from the bridge itself
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
    request::Protocol,
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

/// The table of one network.
#[derive(Debug)]
pub(super) struct Firewall {
    socket: Socket,
    bridge: String,
    subnet: Subnet,
}

/// One published port and where it leads.
pub(super) type Publication = (PublishedPort, Ipv4Addr);

impl Firewall {
    pub(super) fn open(bridge: &str, subnet: Subnet) -> io::Result<Self> {
        Ok(Self { socket: nftables::open()?, bridge: bridge.to_owned(), subnet })
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
        let rule = Rule::default;
        let from_bridge = || rule().interface(Meta::InputName, Compare::Equal, &self.bridge);
        let to_bridge = || rule().interface(Meta::OutputName, Compare::Equal, &self.bridge);
        let not_from = |rule: Rule, name: &str| rule.interface(Meta::InputName, Compare::Differs, name);
        let not_to = |rule: Rule, name: &str| rule.interface(Meta::OutputName, Compare::Differs, name);
        let (mask, network) = (self.subnet.mask().octets(), self.subnet.network().octets());
        let in_subnet = |rule: Rule, offset: u32| rule.ipv4().address(offset, mask, Compare::Equal, network);

        chain(
            "guard",
            "filter",
            Hook::Prerouting,
            -300,
            vec![
                from_bridge().meta(Meta::Family, Compare::Differs, &[2]).verdict(Verdict::Drop),
                from_bridge().ipv4().address(SOURCE, mask, Compare::Differs, network).verdict(Verdict::Drop),
                from_bridge()
                    .ipv4()
                    .address(DESTINATION, [255, 255, 0, 0], Compare::Equal, [169, 254, 0, 0])
                    .verdict(Verdict::Drop),
                in_subnet(not_from(not_from(rule(), &self.bridge), "lo"), DESTINATION).verdict(Verdict::Drop),
                not_from(rule(), "lo").ipv4().load_destination().within("loopback_ports").verdict(Verdict::Drop),
            ],
        );
        let redirects = |first: Rule| {
            vec![
                first.clone().for_this_host().load_destination().redirect_by("ports"),
                first.for_this_host().load_service().redirect_by("any_ports"),
            ]
        };
        chain("incoming", "nat", Hook::Prerouting, -100, redirects(rule().ipv4()));
        // Loopback has no way back from the bridge without route_localnet: the proxy serves it.
        let not_loopback = rule().ipv4().address(DESTINATION, [255, 0, 0, 0], Compare::Differs, [127, 0, 0, 0]);
        chain("local", "nat", Hook::Output, -100, redirects(not_loopback));
        chain(
            "forwarded",
            "filter",
            Hook::Forward,
            0,
            vec![
                to_bridge().state(KNOWN).verdict(Verdict::Accept),
                to_bridge().interface(Meta::InputName, Compare::Equal, &self.bridge).verdict(Verdict::Accept),
                to_bridge().status(REDIRECTED).verdict(Verdict::Accept),
                to_bridge().verdict(Verdict::Drop),
            ],
        );
        chain(
            "outgoing",
            "nat",
            Hook::Postrouting,
            100,
            vec![
                in_subnet(not_to(not_to(rule(), &self.bridge), "lo"), SOURCE).masquerade(),
                in_subnet(to_bridge(), SOURCE).status(REDIRECTED).masquerade(),
            ],
        );
        batch
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
        let protocol = match port.protocol() {
            Protocol::Tcp => nix::libc::IPPROTO_TCP,
            Protocol::Udp => nix::libc::IPPROTO_UDP,
        };
        let service = [vec![protocol as u8, 0, 0, 0], number(port.host_port)].concat();
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
