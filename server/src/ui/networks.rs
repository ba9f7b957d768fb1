//! Networks: who reaches whom, as a picture and as a list; making one and removing what nothing uses.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use runtime::{
    error::ErrorKind,
    request::{AddressPool, CreateNetwork},
    view::{ContainerView, NetworkView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    network_picture::Picture,
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, auth::actor::Right, i18n::Texts, ops};

/// One row of the list.
struct Row {
    name: String,
    address: String,
    range: String,
    attached: String,
    count: String,
    reach: String,
    removable: bool,
}

/// What was filled in, and what was wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    name: String,
    subnet: String,
    gateway: String,
    ip_range: String,
    internal: bool,
    apart: bool,
    driver: String,
    parent: String,
    mode: String,
    ipv6: bool,
    subnet6: String,
    gateway6: String,
    ip_range6: String,
    /// Why it was refused.
    pub wrong: String,
}

impl Asked {
    fn read(posted: &Posted) -> Self {
        let text = |name: &str| posted.fields.text(name);
        Self {
            name: text("name"),
            subnet: text("subnet"),
            gateway: text("gateway"),
            ip_range: text("ip_range"),
            internal: !text("internal").is_empty(),
            apart: !text("apart").is_empty(),
            driver: text("driver"),
            parent: text("parent"),
            mode: text("mode"),
            ipv6: !text("ipv6").is_empty(),
            subnet6: text("subnet6"),
            gateway6: text("gateway6"),
            ip_range6: text("ip_range6"),
            wrong: String::new(),
        }
    }

    fn request(&self) -> CreateNetwork {
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let pool = |subnet: &str, ip_range: &str, gateway: &str| {
            let (subnet, ip_range, gateway) = (said(subnet), said(ip_range), said(gateway));
            let pool = AddressPool { subnet, ip_range, gateway, reserved: Vec::new() };
            Some(pool).filter(|pool| *pool != AddressPool::default())
        };
        let pools =
            [pool(&self.subnet, &self.ip_range, &self.gateway), pool(&self.subnet6, &self.ip_range6, &self.gateway6)];
        let macvlan = self.driver == "macvlan";
        let options = [
            (self.apart && !macvlan).then_some(("com.docker.network.bridge.enable_icc", "false")),
            (macvlan && !self.parent.is_empty()).then_some(("parent", self.parent.as_str())),
            (macvlan && !self.mode.is_empty()).then_some(("macvlan_mode", self.mode.as_str())),
        ];
        CreateNetwork {
            name: self.name.clone(),
            driver: self.driver.clone(),
            internal: self.internal,
            // Who fills in addresses of IPv6 wants it.
            ipv6: self.ipv6 || [&self.subnet6, &self.ip_range6, &self.gateway6].iter().any(|text| !text.is_empty()),
            options: options.into_iter().flatten().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            pools: pools.into_iter().flatten().collect(),
            ..CreateNetwork::default()
        }
    }

    fn wants_ipv6(&self) -> bool {
        self.request().ipv6
    }

    fn is_open(&self) -> bool {
        *self != Self::default()
    }
}

/// The page.
#[derive(Template)]
#[template(path = "networks/list.html", blocks = ["rows"])]
pub struct ListPage {
    page: Page,
    t: Texts,
    lead: String,
    rows: Vec<Row>,
    picture: Option<Picture>,
    asked: Asked,
    may: bool,
    may_reach_lan: bool,
}

impl ListPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        views: &[NetworkView],
        containers: &[ContainerView],
        asked: Asked,
        (may, may_reach_lan): (bool, bool),
    ) -> Self {
        let row = |view: &NetworkView| {
            let names: Vec<_> = view.members.iter().map(|one| one.name.as_str()).collect();
            Row {
                name: view.name.clone(),
                address: address(&view.name),
                range: view.pools.iter().filter_map(|pool| pool.subnet.as_deref()).collect::<Vec<_>>().join(" · "),
                attached: names.join(", "),
                count: t.one("networks-attached-count", "count", names.len()),
                reach: t.get(reach(view)),
                removable: may && !view.predefined,
            }
        };
        let attached: std::collections::BTreeSet<_> =
            views.iter().flat_map(|view| &view.members).map(|one| &one.container).collect();
        Self {
            lead: t.two("networks-lead", "networks", views.len(), "containers", attached.len()),
            rows: views.iter().map(row).collect(),
            picture: Picture::new(t, views, containers),
            page,
            t,
            asked,
            may,
            may_reach_lan,
        }
    }
}

/// The key of the words for where a network leads.
pub(in crate::ui) fn reach(view: &NetworkView) -> &'static str {
    match (view.driver.as_str(), view.internal) {
        ("host", _) => "networks-reach-host",
        ("null", _) => "networks-reach-none",
        ("macvlan", false) => "networks-reach-lan",
        (_, true) => "networks-reach-inside",
        (_, false) => "networks-reach-out",
    }
}

/// A network's page.
pub(in crate::ui) fn address(name: &str) -> String {
    format!("/networks/{name}")
}

async fn draw(app: &App, signed: &Signed, asked: Asked) -> Result<Response, Fault> {
    let views = ops::networks::list(app, &signed.actor)?;
    let containers = ops::containers::list(app, &signed.actor)?;
    let page = Page::new(app, signed, signed.t.get("nav-networks"), "networks")
        .await?
        .listening("containers,networks,operations");
    let wrong = !asked.wrong.is_empty();
    let may = (signed.actor.may(Right::Operate), signed.actor.may(Right::Administer));
    let whole = ListPage::new(page, signed.t, &views, &containers, asked, may);
    let mut response = signed.answer(&whole, &whole.as_rows())?;
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /networks`.
///
/// # Errors
/// [`Fault`].
pub async fn list(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    draw(&app, &signed, Asked::default()).await
}

/// `POST /networks`: makes one.
///
/// # Errors
/// [`Fault`].
pub async fn create(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let asked = Asked::read(&posted);
    let signed = &posted.signed;
    match ops::networks::create(&app, &signed.actor, asked.request()).await {
        Ok(made) => {
            notify(signed, true, signed.t.one("network-created", "name", &made.name));
            Ok(see_other(&address(&made.name)))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unauthorized) => Err(error.into()),
        Err(error) if !signed.actor.may(Right::Operate) => Err(error.into()),
        Err(error) => draw(&app, signed, Asked { wrong: error.message().to_owned(), ..asked }).await,
    }
}

/// `GET /prune/networks`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask_prune(State(app): State<App>, signed: Signed) -> Result<Response, Fault> {
    signed.actor.require(Right::Operate)?;
    let t = signed.t;
    let used: Vec<_> = ops::containers::list(&app, &signed.actor)?
        .into_iter()
        .flat_map(|one| one.attachments)
        .map(|one| one.network)
        .collect();
    let views = ops::networks::list(&app, &signed.actor)?;
    let unused = views.iter().filter(|view| !view.predefined && view.members.is_empty() && !used.contains(&view.name));
    let lines: Vec<Line> = unused
        .map(|view| Line {
            name: view.name.clone(),
            address: address(&view.name),
            detail: view.subnet.clone().unwrap_or_default(),
            field: None,
        })
        .collect();
    if lines.is_empty() {
        notify(&signed, true, t.get("networks-prune-none"));
        return Ok(see_other("/networks"));
    }
    let button = t.one("networks-prune-button", "count", lines.len());
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &button), "networks").await?,
        t,
        crumb: ("/networks", t.get("nav-networks")),
        action: "/prune/networks".to_owned(),
        note: t.get("networks-prune-effect"),
        lines,
        hidden: Vec::new(),
        button,
        icon: "trash",
        danger: true,
        back: "/networks".to_owned(),
    };
    confirm.answer()
}

/// `POST /prune/networks`.
///
/// # Errors
/// [`Fault`].
pub async fn prune(State(app): State<App>, posted: Posted) -> Result<Response, Fault> {
    let gone = ops::networks::prune(&app, &posted.signed.actor, |_| true).await?;
    notify(&posted.signed, true, posted.signed.t.one("networks-pruned", "count", gone.len()));
    Ok(see_other("/networks"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_request() {
        let asked = Asked {
            name: "shop".into(),
            subnet: "10.1.0.0/24".into(),
            internal: true,
            apart: true,
            ..Asked::default()
        };
        let request = asked.request();
        assert_eq!((request.name.as_str(), request.internal, request.pools.len()), ("shop", true, 1));
        assert_eq!(request.options["com.docker.network.bridge.enable_icc"], "false");
        assert!(Asked { name: "shop".into(), ..Asked::default() }.request().pools.is_empty());
        assert!(!request.ipv6 && Asked { ipv6: true, ..Asked::default() }.request().ipv6);
        let six = Asked { subnet6: "fd00:1::/64".into(), driver: "macvlan".into(), parent: "lan0".into(), ..asked };
        let request = six.request();
        assert!(request.ipv6 && request.pools[1].subnet.as_deref() == Some("fd00:1::/64"));
        assert_eq!(request.options.into_iter().collect::<Vec<_>>(), [("parent".to_owned(), "lan0".to_owned())]);
    }
}
