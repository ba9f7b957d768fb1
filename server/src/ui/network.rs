//! One network: who is in it, putting a container in, taking one out, removing it.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use runtime::{
    error::ErrorKind,
    request::{NetworkAttachment, NetworkMode},
    view::{ContainerView, NetworkView},
};

use super::{
    confirm::{Confirm, Line},
    error::Fault,
    networks::{address, reach},
    page::{Page, notify, see_other},
    request::{Posted, Signed},
};
use crate::{app::App, auth::actor::Right, i18n::Texts, ops};

/// A container in the network.
struct Member {
    name: String,
    ip: String,
    ip6: String,
    mac: String,
    names: String,
}

/// What was filled in, and what was wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    container: String,
    ip: String,
    ip6: String,
    aliases: String,
    wrong: String,
}

/// The page.
#[derive(Template)]
#[template(path = "networks/detail.html", blocks = ["rows"])]
pub struct DetailPage {
    page: Page,
    t: Texts,
    name: String,
    about: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    members: Vec<Member>,
    others: Vec<String>,
    asked: Asked,
    has_places: bool,
    has_ipv6: bool,
    may: bool,
    removable: bool,
    has_names: bool,
}

impl DetailPage {
    /// From plain views.
    pub fn new(
        page: Page,
        t: Texts,
        view: &NetworkView,
        containers: &[ContainerView],
        asked: Asked,
        may: bool,
    ) -> Self {
        let line = |key: &str, value: Option<String>| Some((t.get(key), value?));
        let about = [
            line("networks-driver", Some(view.driver.clone())),
            line("networks-range", view.subnet.clone()),
            line("gateway", view.gateway.map(|ip| ip.to_string())),
            line("networks-handed-out", view.ip_range.clone()),
            line("networks-range6", view.pool6().and_then(|pool| pool.subnet.clone())),
            line("networks-gateway6", view.pool6().and_then(|pool| pool.gateway.clone())),
            line("networks-handed-out6", view.pool6().and_then(|pool| pool.ip_range.clone())),
            line("networks-parent", view.options.get("parent").cloned()),
            line("networks-bridge", view.bridge.clone()),
            line("networks-reach", Some(t.get(reach(view)))),
            line("networks-id", Some(view.id.short().to_owned())),
        ];
        let member = |one: &runtime::view::NetworkMember| Member {
            name: one.name.clone(),
            ip: format!("{}/{}", one.ip, one.prefix_len),
            ip6: one.v6.map_or_else(String::new, |v6| format!("{}/{}", v6.ip, v6.prefix_len)),
            mac: one.mac.clone(),
            names: one.names.iter().filter(|name| **name != one.name).cloned().collect::<Vec<_>>().join(", "),
        };
        let can_come = |one: &&ContainerView| {
            matches!(one.request.network, NetworkMode::Bridge | NetworkMode::Named(_))
                && !one.attachments.iter().any(|place| place.network == view.name)
        };
        let has_places = view.has_places();
        Self {
            name: view.name.clone(),
            about: about.into_iter().flatten().collect(),
            labels: view.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            members: view.members.iter().map(member).collect(),
            others: containers.iter().filter(can_come).map(|one| one.name.clone()).collect(),
            removable: may && !view.predefined,
            has_names: has_places && !view.predefined,
            page,
            t,
            asked,
            has_places,
            has_ipv6: view.ipv6,
            may,
        }
    }
}

async fn draw(app: &App, signed: &Signed, name: &str, asked: Asked) -> Result<Response, Fault> {
    let view = ops::networks::get(app, &signed.actor, name)?;
    let containers = ops::containers::list(app, &signed.actor)?;
    let page = Page::new(app, signed, view.name.clone(), "networks").await?.listening("containers,networks,operations");
    let wrong = !asked.wrong.is_empty();
    let whole = DetailPage::new(page, signed.t, &view, &containers, asked, signed.actor.may(Right::Operate));
    let mut response = signed.answer(&whole, &whole.as_rows())?;
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// `GET /networks/{name}`.
///
/// # Errors
/// [`Fault`].
pub async fn detail(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    draw(&app, &signed, &name, Asked::default()).await
}

/// `POST /networks/{name}/connect`: puts a container in.
///
/// # Errors
/// [`Fault`].
pub async fn connect(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let Posted { signed, fields } = posted;
    let text = |field: &str| fields.text(field);
    let asked = Asked {
        container: text("container"),
        ip: text("ip"),
        ip6: text("ip6"),
        aliases: text("aliases"),
        wrong: String::new(),
    };
    let ip = Some(&asked.ip).filter(|ip| !ip.is_empty()).map(|ip| ip.parse()).transpose();
    let ip6 = Some(&asked.ip6).filter(|ip| !ip.is_empty()).map(|ip| ip.parse()).transpose();
    let done = match (ip, ip6) {
        (Err(_), _) => Err(runtime::error::Error::invalid(signed.t.get("networks-ip-wrong"))),
        (_, Err(_)) => Err(runtime::error::Error::invalid(signed.t.get("networks-ip6-wrong"))),
        (Ok(ip), Ok(ip6)) => {
            let aliases =
                asked.aliases.split([' ', ',']).filter(|alias| !alias.is_empty()).map(str::to_owned).collect();
            let wished = NetworkAttachment { network: name.clone(), ip, ip6, aliases, ..NetworkAttachment::default() };
            ops::networks::connect(&app, &signed.actor, &asked.container, wished).await
        }
    };
    match done {
        Ok(()) => {
            notify(&signed, true, signed.t.two("network-connected", "container", &asked.container, "network", &name));
            Ok(see_other(&address(&name)))
        }
        Err(error) if error.kind() == ErrorKind::Internal || !signed.actor.may(Right::Operate) => Err(error.into()),
        Err(error) => draw(&app, &signed, &name, Asked { wrong: error.message().to_owned(), ..asked }).await,
    }
}

/// `POST /networks/{name}/disconnect`: takes a container out.
///
/// # Errors
/// [`Fault`].
pub async fn disconnect(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let container = posted.fields.text("container");
    let signed = &posted.signed;
    ops::networks::disconnect(&app, &signed.actor, &container, &name, false).await?;
    notify(signed, true, signed.t.two("network-disconnected", "container", &container, "network", &name));
    Ok(see_other(&address(&name)))
}

/// `GET /networks/{name}/remove`: asks.
///
/// # Errors
/// [`Fault`].
pub async fn ask(State(app): State<App>, signed: Signed, Path(name): Path<String>) -> Result<Response, Fault> {
    signed.actor.require(Right::Operate)?;
    let view = ops::networks::get(&app, &signed.actor, &name)?;
    let t = signed.t;
    let button = t.one("remove-one", "name", &view.name);
    let confirm = Confirm {
        page: Page::new(&app, &signed, t.one("question", "title", &button), "networks").await?,
        t,
        crumb: ("/networks", t.get("nav-networks")),
        action: format!("/networks/{}/remove", view.name),
        note: t.get(if view.members.is_empty() { "network-remove-effect" } else { "network-remove-in-use" }),
        lines: vec![Line {
            detail: view.subnet.clone().unwrap_or_default(),
            address: address(&view.name),
            field: None,
            name: view.name.clone(),
        }],
        hidden: Vec::new(),
        button,
        icon: "trash",
        danger: true,
        back: address(&view.name),
    };
    confirm.answer()
}

/// `POST /networks/{name}/remove`.
///
/// # Errors
/// [`Fault`].
pub async fn remove(State(app): State<App>, Path(name): Path<String>, posted: Posted) -> Result<Response, Fault> {
    let gone = ops::networks::remove(&app, &posted.signed.actor, &name).await?;
    notify(&posted.signed, true, posted.signed.t.one("network-removed", "name", &gone.name));
    Ok(see_other("/networks"))
}
