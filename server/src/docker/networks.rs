//! Networks: list, make, connect, remove.

use axum::{
    Extension,
    body::Body as HttpBody,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use runtime::view::NetworkView;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    create::network::attachment,
    error::{Failure, Result},
    filters::{Filters, Patterns},
    images::until,
    json,
    model::networks::{Connect, Create, Disconnect, Network},
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

/// The largest body that is read.
const BODY_BYTES: usize = 1 << 20;
const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];
const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];

pub(super) async fn list(State(app): State<App>, Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    let picked = Picked::of(Filters::of(&query, FILTERS)?)?;
    let networks = ops::networks::list(&app, &actor)?;
    json(&networks.iter().filter(|one| picked.takes(one)).map(|one| Network::of(one, false)).collect::<Vec<_>>())
}

pub(super) async fn inspect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let network = ops::networks::get(&app, &actor, &name)?;
    match query.text("scope") {
        None | Some("local") => json(&Network::of(&network, true)),
        Some(_) => Err(runtime::error::Error::not_found(format!("network {name} not found")).into()),
    }
}

pub(super) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    body: HttpBody,
) -> Result<Response> {
    let request = read::<Create>(body).await?.into_request()?;
    let made = ops::networks::create(&app, &actor, request).await?;
    let answer = json(&json!({ "Id": made.id.as_str(), "Warning": "" }))?;
    Ok((StatusCode::CREATED, answer).into_response())
}

pub(super) async fn remove(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    ops::networks::remove(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn prune(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let filters = Filters::of(&query, PRUNE_FILTERS)?;
    let until = until(&filters)?;
    let chosen = move |network: &NetworkView| {
        filters.labels(&network.labels)
            && !filters.values("label!").iter().any(|label| match label.split_once('=') {
                None => network.labels.contains_key(label),
                Some((name, value)) => network.labels.get(name).is_some_and(|known| known == value),
            })
            && until.is_none_or(|until| network.created_at < until)
    };
    let gone = ops::networks::prune(&app, &actor, chosen).await?;
    let names: Vec<_> = gone.iter().map(|network| network.name.as_str()).collect();
    json(&json!({ "NetworksDeleted": Some(names).filter(|names| !names.is_empty()) }))
}

pub(super) async fn connect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    body: HttpBody,
) -> Result<StatusCode> {
    let Connect { container, endpoint_config } = read(body).await?;
    let wished = attachment(name, endpoint_config.unwrap_or_default())?;
    ops::networks::connect(&app, &actor, &container, wished).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn disconnect(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    body: HttpBody,
) -> Result<StatusCode> {
    let Disconnect { container, force } = read(body).await?;
    ops::networks::disconnect(&app, &actor, &container, &name, force).await?;
    Ok(StatusCode::OK)
}

async fn read<T: DeserializeOwned>(body: HttpBody) -> Result<T> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES)
        .await
        .map_err(|error| Failure::invalid(format!("the body can't be read: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))
}

/// What a list is filtered by.
struct Picked {
    filters: Filters,
    names: Patterns,
    ids: Patterns,
    dangling: Option<bool>,
}

impl Picked {
    fn of(filters: Filters) -> Result<Self> {
        if let Some(kind) = filters.values("type").iter().find(|kind| !["custom", "builtin"].contains(&kind.as_str())) {
            return Err(Failure::invalid(format!("invalid filter: 'type'='{kind}'")));
        }
        Ok(Self {
            names: filters.patterns("name"),
            ids: filters.patterns("id"),
            dangling: filters.flag("dangling")?,
            filters,
        })
    }

    fn takes(&self, network: &NetworkView) -> bool {
        let unused = !network.predefined && network.members.is_empty();
        self.names.matches(&network.name)
            && self.ids.matches(network.id.as_str())
            && self.filters.exact("driver", &network.driver)
            && self.filters.exact("scope", "local")
            && self.filters.exact("type", if network.predefined { "builtin" } else { "custom" })
            && self.filters.labels(&network.labels)
            && self.dangling.is_none_or(|wanted| wanted == unused)
    }
}
