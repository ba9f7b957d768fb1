//! Who is called what in a network: the file that the engine writes and the resolvers read. Pure.
//!
//! The first line is the network's name, each other one an address and its names, the first of them the container's own. A
//! container with an address of IPv6 has two lines:
//!
//! ```text
//! shop
//! 172.18.0.2 web api 3f2a9c5d1e7b
//! ```

use std::net::IpAddr;

/// The file's text.
pub fn write<'a>(network: &str, members: impl Iterator<Item = (IpAddr, &'a [String])>) -> String {
    let mut text = format!("{network}\n");
    for (address, names) in members {
        text.push_str(&address.to_string());
        for name in names.iter().filter(|name| !name.contains(char::is_whitespace)) {
            text.push(' ');
            text.push_str(name);
        }
        text.push('\n');
    }
    text
}

/// A network as the file tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The network's name.
    pub network: String,
    members: Vec<(IpAddr, Vec<String>)>,
}

impl Names {
    /// Reads the file's text. What is no entry is left out.
    pub fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let network = lines.next().unwrap_or_default().to_owned();
        let member = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.map(str::to_owned).collect()))
        };
        Self { network, members: lines.filter_map(member).collect() }
    }

    /// The addresses of a name, which may carry the network's name behind a dot.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let suffix = name.len().checked_sub(self.network.len() + 1);
        let bare = suffix.and_then(|end| {
            let (bare, rest) = (name.get(..end)?, name.get(end..)?);
            rest.strip_prefix('.').filter(|rest| rest.eq_ignore_ascii_case(&self.network)).map(|_| bare)
        });
        let called = |names: &[String], wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
        let matches = |names: &[String]| called(names, name) || bare.is_some_and(|bare| called(names, bare));
        self.members.iter().filter(|(_, names)| matches(names)).map(|(address, _)| *address).collect()
    }

    /// The name of an address: the container's own, with the network's behind it.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        let (_, names) = self.members.iter().find(|(known, _)| *known == address)?;
        names.first().map(|name| format!("{name}.{}", self.network))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn names_come_back() {
        let web = ["web".to_owned(), "api".to_owned(), "no name".to_owned()];
        let db = ["db".to_owned(), "api".to_owned()];
        let (one, two): (IpAddr, IpAddr) = (Ipv4Addr::new(10, 0, 0, 2).into(), Ipv4Addr::new(10, 0, 0, 3).into());
        let text = write("shop.x", [(one, &web[..]), (two, &db[..])].into_iter());
        assert_eq!(text, "shop.x\n10.0.0.2 web api\n10.0.0.3 db api\n");
        let names = Names::read(&text);
        assert_eq!(names.addresses("WEB"), [one]);
        assert_eq!(names.addresses("api"), [one, two]);
        assert_eq!(names.addresses("db.Shop.x"), [two]);
        for absent in ["", "x", "shop.x", ".shop.x", "web.shop", "ü.shop.x", "no"] {
            assert!(names.addresses(absent).is_empty(), "{absent}");
        }
        assert_eq!(names.name_of(two).as_deref(), Some("db.shop.x"));
        assert_eq!(names.name_of(Ipv4Addr::LOCALHOST.into()), None);
        assert_eq!(Names::read(""), Names::default());
    }
}
