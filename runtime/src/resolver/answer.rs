//! One question and what becomes of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{A, AAAA, PTR, RData},
};

use super::settings::Known;

/// Seconds an answer may be kept.
const LIFE: u32 = 600;

/// Answers without EDNS fit this (RFC 1035, 4.2.1).
const UDP_BYTES: usize = 512;

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This is the answer.
    Answered(Vec<u8>),
    /// These are to be asked, in this order.
    Ask(Vec<IpAddr>),
    /// It is none.
    Dropped,
}

/// Answers a question or says who is to be asked. `turn` changes from one to the next, so that those who share a name are
/// used in turn.
pub(super) fn answer(bytes: &[u8], known: &mut Known, turn: usize, by_udp: bool) -> Outcome {
    let Ok(query) = Packet::parse(bytes) else { return Outcome::Dropped };
    if query.has_flags(PacketFlag::RESPONSE) {
        return Outcome::Dropped;
    }
    let [question] = &query.questions[..] else {
        return Outcome::Answered(reply(&query, RCODE::FormatError, Vec::new(), by_udp));
    };
    if query.opcode() != OPCODE::StandardQuery {
        return Outcome::Answered(reply(&query, RCODE::NotImplemented, Vec::new(), by_udp));
    }
    let name = question.qname.to_string();
    let asked = name.trim_end_matches('.');
    let internet = matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY);
    if internet && question.qtype == QTYPE::TYPE(TYPE::PTR) {
        let owner = reversed(asked).and_then(|address| known.name_of(address));
        if let Some(target) = owner.as_deref().and_then(|owner| Name::new(owner).ok()) {
            let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, LIFE, RData::PTR(PTR(target)));
            return Outcome::Answered(reply(&query, RCODE::NoError, vec![record], by_udp));
        }
    } else if internet {
        let mut addresses = known.addresses(asked);
        if !addresses.is_empty() {
            let kind = question.qtype;
            let (v4, v6) = (kind == QTYPE::TYPE(TYPE::A), kind == QTYPE::TYPE(TYPE::AAAA));
            // Of this name there is nothing else: an empty answer, and nobody else is asked.
            addresses.retain(|one| kind == QTYPE::ANY || one.is_ipv4() && v4 || one.is_ipv6() && v6);
            let first = turn.checked_rem(addresses.len()).unwrap_or(0);
            addresses.rotate_left(first);
            let record = |address| {
                let data = match address {
                    IpAddr::V4(address) => RData::A(A { address: address.into() }),
                    IpAddr::V6(address) => RData::AAAA(AAAA { address: address.into() }),
                };
                ResourceRecord::new(question.qname.clone(), CLASS::IN, LIFE, data)
            };
            let records = addresses.into_iter().map(record).collect();
            return Outcome::Answered(reply(&query, RCODE::NoError, records, by_udp));
        }
    }
    let servers = known.servers();
    if servers.is_empty() { Outcome::Answered(failure(&query, by_udp)) } else { Outcome::Ask(servers) }
}

/// That nobody could be asked.
pub(super) fn no_answer(bytes: &[u8]) -> Option<Vec<u8>> {
    Packet::parse(bytes).ok().map(|query| failure(&query, true))
}

fn failure(query: &Packet<'_>, by_udp: bool) -> Vec<u8> {
    reply(query, RCODE::ServerFailure, Vec::new(), by_udp)
}

fn reply(query: &Packet<'_>, code: RCODE, records: Vec<ResourceRecord<'_>>, by_udp: bool) -> Vec<u8> {
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
    if query.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    *reply.rcode_mut() = code;
    reply.questions.clone_from(&query.questions);
    reply.answers = records;
    let bytes = reply.build_bytes_vec_compressed().unwrap_or_default();
    if !by_udp || bytes.len() <= UDP_BYTES {
        return bytes;
    }
    reply.answers.clear();
    reply.set_flags(PacketFlag::TRUNCATION);
    reply.build_bytes_vec_compressed().unwrap_or_default()
}

/// The address in `2.0.18.172.in-addr.arpa`, or in 32 digits and `ip6.arpa`.
fn reversed(name: &str) -> Option<IpAddr> {
    let before = |suffix: &str| {
        let end = name.len().checked_sub(suffix.len())?;
        let (digits, rest) = (name.get(..end)?, name.get(end..)?);
        rest.eq_ignore_ascii_case(suffix).then_some(digits)
    };
    if let Some(digits) = before(".in-addr.arpa") {
        let [a, b, c, d] = digits.parse::<Ipv4Addr>().ok()?.octets();
        return Some(Ipv4Addr::new(d, c, b, a).into());
    }
    let digits = before(".ip6.arpa")?;
    let mut bits = 0_u128;
    for (at, digit) in digits.split('.').enumerate() {
        let value = (at < 32 && digit.len() == 1).then(|| digit.chars().next()?.to_digit(16)).flatten()?;
        bits |= u128::from(value) << (4 * at);
    }
    (digits.len() == 63).then(|| Ipv6Addr::from(bits).into())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use simple_dns::Question;

    use super::{super::settings::Settings, *};

    fn query(name: &str, kind: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new(name).expect("a name");
        packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().expect("bytes")
    }

    fn known(folder: &Path, names: &str, outside: bool) -> Known {
        let (path, file) = (folder.join("resolver"), folder.join("names"));
        fs::write(&file, names).expect("written");
        let servers = vec!["192.0.2.1".parse().expect("an address")];
        let settings = Settings { networks: vec![file], servers, outside, ..Settings::default() };
        fs::write(&path, settings.write()).expect("written");
        Known::new(&path)
    }

    #[test]
    fn names_and_addresses_are_answered_and_the_rest_is_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut known = known(dir.path(), "shop\n10.0.0.2 web api\n10.0.0.3 db api\n", true);
        let mut ask = |name: &str, kind| answer(&query(name, kind), &mut known, 1, true);
        let Outcome::Answered(bytes) = ask("api", TYPE::A) else { panic!("an answer") };
        let packet = Packet::parse(&bytes).expect("a packet");
        assert_eq!((packet.id(), packet.rcode()), (7, RCODE::NoError));
        let data: Vec<_> = packet.answers.iter().map(|record| record.rdata.clone()).collect();
        let a = |last| RData::A(A { address: Ipv4Addr::new(10, 0, 0, last).into() });
        assert_eq!(data, [a(3), a(2)], "in turn");
        let Outcome::Answered(bytes) = ask("WEB.shop", TYPE::AAAA) else { panic!("an answer") };
        assert!(Packet::parse(&bytes).expect("a packet").answers.is_empty());
        let Outcome::Answered(bytes) = ask("3.0.0.10.in-addr.arpa", TYPE::PTR) else { panic!("an answer") };
        let packet = Packet::parse(&bytes).expect("a packet");
        assert_eq!(packet.answers[0].rdata, RData::PTR(PTR(Name::new("db.shop").expect("a name"))));
        let outside = Outcome::Ask(vec!["192.0.2.1".parse().expect("an address")]);
        for (name, kind) in [("example.org", TYPE::A), ("9.0.0.10.in-addr.arpa", TYPE::PTR), ("x.y", TYPE::MX)] {
            assert_eq!(ask(name, kind), outside, "{name}");
        }
    }

    #[test]
    fn addresses_of_both_versions_are_answered_each_by_its_kind() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut known = known(dir.path(), "shop\n10.0.0.2 web\nfd00::2 web\n10.0.0.3 db\n", true);
        let mut ask = |name: &str, kind| match answer(&query(name, kind), &mut known, 1, true) {
            Outcome::Answered(bytes) => {
                let packet = Packet::parse(&bytes).expect("a packet");
                assert_eq!(packet.rcode(), RCODE::NoError);
                packet.answers.iter().map(|record| record.rdata.clone().into_owned()).collect::<Vec<_>>()
            }
            other => panic!("{name}: {other:?}"),
        };
        let v6: Ipv6Addr = "fd00::2".parse().expect("an address");
        assert_eq!(ask("web", TYPE::AAAA), [RData::AAAA(AAAA { address: v6.into() })]);
        assert_eq!(ask("web", TYPE::A), [RData::A(A { address: Ipv4Addr::new(10, 0, 0, 2).into() })]);
        assert!(ask("db", TYPE::AAAA).is_empty(), "there is such a name, without such an address");
        let digits: Vec<String> =
            v6.octets().iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4)).collect();
        let back = digits.concat();
        let PTR(name) = match &ask(&format!("{back}ip6.arpa"), TYPE::PTR)[..] {
            [RData::PTR(name)] => name.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name.to_string(), "web.shop");
        for wrong in ["ip6.arpa", ".ip6.arpa", "1.ip6.arpa", &format!("0.{back}ip6.arpa"), &back.replace('d', "x")] {
            assert_eq!(reversed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_way_out_nobody_is_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut known = known(dir.path(), "shop\n", false);
        let Outcome::Answered(bytes) = answer(&query("example.org", TYPE::A), &mut known, 0, true) else { panic!() };
        assert_eq!(Packet::parse(&bytes).expect("a packet").rcode(), RCODE::ServerFailure);
    }

    #[test]
    fn what_does_not_fit_a_datagram_is_asked_for_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let lines: Vec<String> = (0..60).map(|last| format!("10.0.0.{last} many\n")).collect();
        let members = lines.concat();
        let mut known = known(dir.path(), &format!("shop\n{members}"), true);
        let question = query("many", TYPE::A);
        let Outcome::Answered(short) = answer(&question, &mut known, 0, true) else { panic!("an answer") };
        let packet = Packet::parse(&short).expect("a packet");
        assert!(packet.has_flags(PacketFlag::TRUNCATION) && packet.answers.is_empty());
        let Outcome::Answered(long) = answer(&question, &mut known, 0, false) else { panic!("an answer") };
        assert_eq!(Packet::parse(&long).expect("a packet").answers.len(), 60);
    }

    #[test]
    fn nonsense_is_no_question() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut known = known(dir.path(), "shop\n10.0.0.2 web\n", true);
        let good = query("web", TYPE::A);
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], &mut known, 0, true), Outcome::Dropped, "{length}");
        }
        let mut response = good.clone();
        response[2] |= 0x80;
        assert_eq!(answer(&response, &mut known, 0, true), Outcome::Dropped);
        let mut none = good;
        none[5] = 0;
        assert!(!matches!(answer(&none, &mut known, 0, true), Outcome::Ask(_)));
    }
}
