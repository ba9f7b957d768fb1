//! The picture of the networks: each one a quay, each container moored to those it is in, its published ports on top.
//! Two containers reach each other when they are at the same quay.

use runtime::view::{ContainerState, ContainerView, NetworkView};

use super::{containers::Standing, networks::address};
use crate::i18n::Texts;

/// Containers in one picture; more are only in the table.
const MOST: usize = 24;

const LEFT: usize = 150;
const COLUMN: usize = 103;
const FIRST_QUAY: usize = 152;
const QUAY: usize = 56;
/// Letters of a name that fit a box.
const LETTERS: usize = 12;
/// The same of a network's name, left of its line.
const LETTERS_OF_NETWORKS: usize = 15;

/// A container's box and the line down from it.
pub struct Mooring {
    /// The middle of its column.
    pub x: usize,
    /// Where its last quay is.
    pub end: usize,
    /// What is shown of its name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// Name, state and networks, for those who don't see the picture.
    pub label: String,
    /// Its state in words.
    pub state: String,
    /// It runs.
    pub runs: bool,
    /// Its published ports.
    pub ports: String,
}

impl Mooring {
    fn left(&self) -> usize {
        self.x - 47
    }

    fn port_left(&self) -> usize {
        self.x - 46
    }
}

/// A network's line.
pub struct Quay {
    /// How far down.
    pub y: usize,
    /// Which colour.
    pub class: &'static str,
    /// The network.
    pub name: String,
    /// Its page.
    pub address: String,
    /// Its addresses, or that it leads nowhere.
    pub detail: String,
    /// Where containers are moored.
    pub from: usize,
    /// To where.
    pub to: usize,
}

impl Quay {
    fn below(&self) -> usize {
        self.y + 14
    }
}

/// Where a container is moored.
pub struct Ring {
    /// Across.
    pub x: usize,
    /// Down.
    pub y: usize,
    /// Which colour.
    pub class: &'static str,
    /// The last part of its address.
    pub part: String,
}

impl Ring {
    fn beside(&self) -> usize {
        self.x + 10
    }

    fn above(&self) -> usize {
        self.y - 8
    }
}

/// The picture.
#[derive(askama::Template)]
#[template(path = "networks/picture.html")]
pub struct Picture {
    t: Texts,
    width: usize,
    height: usize,
    moorings: Vec<Mooring>,
    quays: Vec<Quay>,
    rings: Vec<Ring>,
    left_out: usize,
}

impl askama::filters::HtmlSafe for Picture {}

impl Picture {
    /// Of the networks that containers are in; `None` when there is nothing to see.
    pub fn new(t: Texts, networks: &[NetworkView], containers: &[ContainerView]) -> Option<Self> {
        let is_in = |container: &ContainerView, network: &NetworkView| {
            container.attachments.iter().any(|place| place.network == network.name)
        };
        let shown_networks: Vec<_> = networks
            .iter()
            .filter(|network| network.has_places())
            .filter(|network| !network.predefined || containers.iter().any(|one| is_in(one, network)))
            .collect();
        let row = |container: &ContainerView| shown_networks.iter().position(|network| is_in(container, network));
        let mut moored: Vec<_> = containers.iter().filter_map(|one| Some((row(one)?, one))).collect();
        // Those that run first, when not all can be shown; then by network, so that lines stay short.
        moored.sort_by_key(|(_, one)| (!one.state.is_running(), one.name.clone()));
        let left_out = moored.len().saturating_sub(MOST);
        moored.truncate(MOST);
        moored.sort_by_key(|(row, one)| (*row, one.name.clone()));
        if moored.is_empty() {
            return None;
        }
        let column = |number: usize| LEFT + 36 + number * COLUMN;
        let down = |number: usize| FIRST_QUAY + number * QUAY;
        let width = (column(moored.len()) + 20).max(700);
        let class = |number: usize| ["q1", "q2", "q3", "q4"][number % 4];
        let mut rings = Vec::new();
        // One that doesn't run is nowhere: it has a box, and no ring.
        for (across, (_, container)) in moored.iter().enumerate().filter(|(_, (_, one))| one.state.is_running()) {
            for (row, network) in shown_networks.iter().enumerate().filter(|(_, network)| is_in(container, network)) {
                let place = container.endpoints().find(|endpoint| endpoint.network == network.name);
                let part = place.map_or_else(String::new, |place| format!(".{}", place.ip.octets()[3]));
                rings.push(Ring { x: column(across), y: down(row), class: class(row), part });
            }
        }
        let mooring = |(across, (_, container)): (usize, &(usize, &ContainerView))| {
            let last = shown_networks.iter().rposition(|network| is_in(container, network)).unwrap_or_default();
            let networks: Vec<_> = container.attachments.iter().map(|place| place.network.as_str()).collect();
            let state = Standing::new(&container.state, t).word;
            Mooring {
                x: column(across),
                end: down(last),
                name: shortened(&container.name, LETTERS),
                address: format!("/containers/{}", container.name),
                label: format!("{}, {state}, {}", container.name, networks.join(", ")),
                runs: matches!(container.state, ContainerState::Running { .. }),
                ports: ports(container),
                state,
            }
        };
        let quay = |(number, network): (usize, &&NetworkView)| {
            let places = || rings.iter().filter(|ring| ring.y == down(number)).map(|ring| ring.x);
            let range = network.subnet.clone().unwrap_or_default();
            Quay {
                y: down(number),
                class: class(number),
                name: shortened(&network.name, LETTERS_OF_NETWORKS),
                address: address(&network.name),
                detail: if network.internal { t.get("networks-reach-inside") } else { range },
                from: places().min().unwrap_or(LEFT),
                to: places().max().unwrap_or(LEFT),
            }
        };
        Some(Self {
            t,
            width,
            height: down(shown_networks.len() - 1) + 26,
            moorings: moored.iter().enumerate().map(mooring).collect(),
            quays: shown_networks.iter().enumerate().map(quay).collect(),
            rings,
            left_out,
        })
    }

    fn right(&self) -> usize {
        self.width - 20
    }
}

fn shortened(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    let start: String = name.chars().take(letters - 1).collect();
    format!("{start}…")
}

/// Host ports, as many as a pill holds.
fn ports(container: &ContainerView) -> String {
    let mut ports: Vec<u16> =
        container.endpoints().flat_map(|endpoint| &endpoint.ports).map(|port| port.host_port).collect();
    ports.sort_unstable();
    ports.dedup();
    let text = ports.iter().take(2).map(u16::to_string).collect::<Vec<_>>().join(", ");
    if ports.len() > 2 { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use askama::Template as _;
    use runtime::{id::NetworkId, request::NetworkAttachment};

    use super::{super::containers::samples::container, *};
    use crate::i18n::Language;

    fn network(name: &str) -> NetworkView {
        NetworkView {
            id: NetworkId::random(),
            name: name.to_owned(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            driver: "bridge".to_owned(),
            internal: name == "back",
            attachable: false,
            predefined: name == "bridge",
            subnet: Some("10.1.0.0/24".to_owned()),
            gateway: None,
            ip_range: None,
            bridge: None,
            labels: std::collections::BTreeMap::new(),
            options: std::collections::BTreeMap::new(),
            members: Vec::new(),
            ipv6: false,
            pools: Vec::new(),
        }
    }

    #[test]
    fn containers_are_moored_where_they_are_attached() {
        let t = Texts { language: Language::English };
        assert!(Picture::new(t, &[network("bridge")], &[]).is_none(), "nothing to see");
        let mut both = container("a-container-with-a-<long>-name", "shop/api:1", "running");
        both.attachments.push(NetworkAttachment { network: "back".to_owned(), ..NetworkAttachment::default() });
        let off = container("off", "shop/api:1", "created");
        let picture = Picture::new(t, &[network("bridge"), network("back")], &[off, both]).expect("a picture");
        assert_eq!((picture.moorings.len(), picture.quays.len(), picture.rings.len()), (2, 2, 2));
        assert!(picture.rings.iter().all(|ring| ring.x == picture.moorings[0].x), "one that doesn't run is not moored");
        assert_eq!(picture.moorings[0].ports, "8081");
        assert_eq!(picture.rings[0].part, ".2");
        let text = picture.render().expect("drawn");
        assert!(text.contains("bx-off") && !text.contains("<long>"), "{text}");
    }

    #[test]
    fn too_many_are_said() {
        let t = Texts { language: Language::English };
        let many: Vec<_> = (0..30).map(|number| container(&format!("c{number}"), "a:1", "running")).collect();
        let picture = Picture::new(t, &[network("bridge")], &many).expect("a picture");
        assert_eq!((picture.moorings.len(), picture.left_out), (MOST, 6));
    }
}
