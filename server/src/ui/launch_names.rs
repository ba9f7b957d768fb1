//! The launch form's part about names and networks: what it is called, whom it finds how, and its place in networks.

use std::net::{Ipv4Addr, Ipv6Addr};

use runtime::request::{CreateContainer, Mac, NetworkAttachment, NetworkMode};

use super::{
    launch_input::{Complaints, Input, words},
    request::Fields,
};
use crate::i18n::Texts;

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesForm {
    hostname: String,
    domainname: String,
    dns: String,
    dns_search: String,
    dns_options: String,
    hosts: String,
    ip: String,
    mac: String,
    aliases: String,
    /// Further networks.
    also: Vec<String>,
    ip6: String,
}

impl NamesForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        Self {
            hostname: fields.text("hostname"),
            domainname: fields.text("domainname"),
            dns: fields.text("dns"),
            dns_search: fields.text("dns_search"),
            dns_options: fields.text("dns_options"),
            hosts: fields.lines("hosts"),
            ip: fields.text("ip"),
            mac: fields.text("mac"),
            aliases: fields.text("aliases"),
            also: fields.all("also").map(str::to_owned).collect(),
            ip6: fields.text("ip6"),
        }
    }

    /// As an existing container has it, which is in these networks.
    pub fn like(request: &CreateContainer, attachments: &[NetworkAttachment]) -> Self {
        let first = request.network.to_string();
        let own = attachments.iter().find(|one| one.network == first);
        Self {
            hostname: request.hostname.clone().unwrap_or_default(),
            domainname: request.domainname.clone().unwrap_or_default(),
            dns: request.dns.join(" "),
            dns_search: request.dns_search.join(" "),
            dns_options: request.dns_options.join(" "),
            hosts: request.extra_hosts.join("\n"),
            ip: own.and_then(|own| own.ip).map_or_else(String::new, |ip| ip.to_string()),
            mac: own.and_then(|own| own.mac).map_or_else(String::new, |mac| mac.to_string()),
            aliases: own.map(|own| own.aliases.join(" ")).unwrap_or_default(),
            also: attachments.iter().filter(|one| one.network != first).map(|one| one.network.clone()).collect(),
            ip6: own.and_then(|own| own.ip6).map_or_else(String::new, |ip| ip.to_string()),
        }
    }

    /// Puts it into the request, whose network is chosen already; `before` are the places of the container it is made like.
    pub fn apply(&self, made: &mut CreateContainer, before: &[NetworkAttachment], complaints: &mut Complaints) {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        made.hostname = given(&self.hostname);
        if self.hostname.len() > 63 {
            complaints.say("hn", "container-hostname", "launch-hostname-wrong");
        }
        made.domainname = given(&self.domainname);
        made.dns = words(&self.dns);
        if made.dns.iter().any(|server| server.parse::<std::net::IpAddr>().is_err()) {
            complaints.say("dn", "launch-dns", "launch-dns-wrong");
        }
        (made.dns_search, made.dns_options) = (words(&self.dns_search), words(&self.dns_options));
        let rule = ("ho", "launch-hosts", "launch-hosts-wrong");
        made.extra_hosts = complaints.read_lines(rule, &self.hosts, |line| {
            let (name, address) = line.split_once([':', '=']).map(|(name, ip)| (name.trim(), ip.trim()))?;
            let is_address = address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok();
            (is_address && !name.is_empty()).then(|| format!("{name}:{address}"))
        });
        made.networks = self.places(made, before, complaints);
    }

    fn places(
        &self,
        made: &CreateContainer,
        before: &[NetworkAttachment],
        complaints: &mut Complaints,
    ) -> Vec<NetworkAttachment> {
        let mode = made.network.to_string();
        let known = |network: &str| {
            let alone = NetworkAttachment { network: network.to_owned(), ..NetworkAttachment::default() };
            before.iter().find(|one| one.network == network).cloned().unwrap_or(alone)
        };
        let rule = ("ip", "address", "networks-ip-wrong");
        let ip = complaints.read(rule, &self.ip, |text| text.parse::<Ipv4Addr>().ok());
        let mac =
            complaints.read(("ma", "networks-mac", "launch-mac-wrong"), &self.mac, |text| text.parse::<Mac>().ok());
        let rule = ("i6", "launch-ip6", "launch-ip6-wrong");
        let ip6 = complaints.read(rule, &self.ip6, |text| text.parse::<Ipv6Addr>().ok());
        let (aliases, own) = (words(&self.aliases), known(&mode));
        let first = NetworkAttachment { ip, ip6, mac, aliases, ..own };
        let mut places = Vec::new();
        if !matches!(made.network, NetworkMode::Bridge | NetworkMode::Named(_)) {
            if !self.also.is_empty() || first != (NetworkAttachment { network: mode, ..NetworkAttachment::default() }) {
                complaints.say("ip", "address", "launch-network-alone");
            }
            return places;
        }
        let alone = NetworkAttachment { network: mode.clone(), ..NetworkAttachment::default() };
        if first != alone {
            places.push(first);
        }
        places.extend(self.also.iter().filter(|name| **name != mode).map(|name| known(name)));
        places
    }

    /// Whether it is to be in this network too.
    pub fn is_also_in(&self, network: &str) -> bool {
        self.also.iter().any(|one| one == network)
    }

    /// Fields about the network.
    pub fn places_inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::text("ip", "ip", t.get("address"), &self.ip).hint(t.get("networks-ip-hint")),
            Input::text("i6", "ip6", t.get("launch-ip6"), &self.ip6).hint(t.get("launch-ip6-hint")),
            Input::text("ma", "mac", t.get("networks-mac"), &self.mac),
            Input::text("al", "aliases", t.get("networks-names"), &self.aliases).hint(t.get("networks-names-hint")),
        ]
    }

    /// Fields about names.
    pub fn inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::text("hn", "hostname", t.get("container-hostname"), &self.hostname),
            Input::text("dm", "domainname", t.get("launch-domainname"), &self.domainname),
            Input::text("dn", "dns", t.get("launch-dns"), &self.dns).hint(t.get("launch-dns-hint")),
            Input::text("ds", "dns_search", t.get("launch-dns-search"), &self.dns_search),
            Input::text("do", "dns_options", t.get("launch-dns-options"), &self.dns_options),
            Input::lines("ho", "hosts", t.get("launch-hosts"), &self.hosts).hint(t.get("launch-hosts-hint")),
        ]
    }

    /// The closed section's line about names.
    pub fn line(&self) -> String {
        let all = [&self.hostname, &self.dns, &self.hosts];
        let said: Vec<&str> = all.into_iter().filter(|text| !text.is_empty()).map(String::as_str).collect();
        said.join(", ").replace('\n', " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(network: &str, text: &str) -> (CreateContainer, Vec<String>) {
        let mut made = CreateContainer { network: NetworkMode::from(network), ..CreateContainer::default() };
        let mut complaints = Complaints::new(Texts::default());
        NamesForm::read(&Fields::parse(text.as_bytes())).apply(&mut made, &[], &mut complaints);
        (made, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn names_and_places_come_back_as_they_went() {
        let text = "hostname=web&domainname=lan&dns=1.1.1.1+9.9.9.9&dns_search=lan&dns_options=ndots%3A1\
                    &hosts=db%3A10.0.0.2%0D%0Aup%3Dhost-gateway&ip=172.30.0.9&ip6=fd00%3A%3A9&mac=02:42:ac:11:00:02&aliases=api+front\
                    &also=back&also=shop";
        let (request, wrong) = made("shop", text);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(request.extra_hosts, ["db:10.0.0.2", "up:host-gateway"]);
        let names: Vec<&str> = request.networks.iter().map(|one| one.network.as_str()).collect();
        assert_eq!((names, request.networks[0].aliases.len()), (vec!["shop", "back"], 2));
        let mut again = CreateContainer { network: request.network.clone(), ..CreateContainer::default() };
        let form = NamesForm::like(&request, &request.networks);
        form.apply(&mut again, &request.networks, &mut Complaints::new(Texts::default()));
        assert_eq!(again, request);
    }

    #[test]
    fn each_wrong_one_is_named() {
        let text = "hosts=db&dns=here&ip=1.2.3&mac=x&ip6=1.2.3.4";
        assert_eq!(made("shop", text).1, ["dn", "ho", "ip", "ma", "i6"]);
        assert_eq!(made("none", "aliases=a").1, ["ip"]);
        assert_eq!(made("bridge", "also=shop").0.networks.len(), 1);
    }
}
