//! Networks: what a person can do with them.

use futures_util::FutureExt as _;
use runtime::{
    error::Result,
    request::{CreateContainer, CreateNetwork, NetworkAttachment, NetworkMode},
    view::NetworkView,
};
use serde_json::json;

use super::{Act, Subject, audited, audited_with_leave};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

impl Subject for NetworkView {
    fn object_id(&self) -> String {
        self.id.to_string()
    }
}

impl Subject for Vec<NetworkView> {}

/// The right that a container's place in networks takes: what is the host's, or another container's, takes more.
pub(in crate::ops) fn need(request: &CreateContainer) -> Right {
    match request.network {
        NetworkMode::Host | NetworkMode::Container(_) => Right::Administer,
        NetworkMode::Bridge | NetworkMode::None | NetworkMode::Named(_) => Right::Operate,
    }
}

/// The right that making a network takes: one upon a link of the host's reaches the host's LAN past its firewall.
fn need_to_make(request: &CreateNetwork) -> Right {
    if request.driver == "macvlan" { Right::Administer } else { Right::Operate }
}

/// All of them, the engine's own first.
///
/// # Errors
/// Without the right to view.
pub fn list(app: &App, actor: &Actor) -> Result<Vec<NetworkView>> {
    actor.require(Right::View)?;
    Ok(app.engine.networks())
}

/// One, by name, id or unique id prefix.
///
/// # Errors
/// `network NAME not found`.
pub fn get(app: &App, actor: &Actor, name: &str) -> Result<NetworkView> {
    actor.require(Right::View)?;
    app.engine.network(name)
}

/// Makes one.
///
/// # Errors
/// Name or addresses are another's, or a wrong value, in Docker's words.
pub async fn create(app: &App, actor: &Actor, request: CreateNetwork) -> Result<NetworkView> {
    let detail = json!({ "driver": request.driver, "internal": request.internal, "options": request.options,
        "subnet": request.pools.iter().filter_map(|pool| pool.subnet.as_deref()).collect::<Vec<_>>().join(", "),
        "ipv6": request.ipv6 });
    let act = Act { action: "network.create", object: request.name.clone(), detail };
    let engine = app.engine.clone();
    let need = need_to_make(&request);
    let create = |leave| async move { engine.create_network(request, leave).await }.boxed();
    audited_with_leave(app, actor, need, act, create).await
}

/// Removes one that nobody is in.
///
/// # Errors
/// It is the engine's own, or somebody is in it.
pub async fn remove(app: &App, actor: &Actor, name: &str) -> Result<NetworkView> {
    let (engine, asked) = (app.engine.clone(), name.to_owned());
    audited(app, actor, Right::Operate, Act::on("network.remove", called(app, name)), async move {
        engine.remove_network(&asked).await
    })
    .await
}

/// Removes those no container uses and `chosen` takes.
///
/// # Errors
/// Without the right.
pub async fn prune(
    app: &App,
    actor: &Actor,
    chosen: impl Fn(&NetworkView) -> bool + Send + 'static,
) -> Result<Vec<NetworkView>> {
    let engine = app.engine.clone();
    audited(
        app,
        actor,
        Right::Operate,
        Act::on("network.prune", ""),
        async move { engine.prune_networks(chosen).await },
    )
    .await
}

/// Puts a container into a network: now if it runs, else when it starts.
///
/// # Errors
/// It is in it, or can't be in it as wished.
pub async fn connect(app: &App, actor: &Actor, container: &str, wished: NetworkAttachment) -> Result<()> {
    let (engine, asked) = (app.engine.clone(), container.to_owned());
    let detail = json!({ "container": container, "ip": wished.ip, "ip6": wished.ip6, "aliases": wished.aliases });
    let act = Act { action: "network.connect", object: called(app, &wished.network), detail };
    audited(app, actor, Right::Operate, act, async move { engine.connect(&asked, wished).await }).await
}

/// Takes a container out of a network. With `force`, also one that is gone already.
///
/// # Errors
/// It is not in it.
pub async fn disconnect(app: &App, actor: &Actor, container: &str, network: &str, force: bool) -> Result<()> {
    let (engine, of, from) = (app.engine.clone(), container.to_owned(), network.to_owned());
    let detail = json!({ "container": container, "force": force });
    let act = Act { action: "network.disconnect", object: called(app, network), detail };
    audited(app, actor, Right::Operate, act, async move {
        engine.network(&from)?;
        match engine.disconnect(&of, &from).await {
            Err(error) if force && error.kind() == runtime::error::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    })
    .await
}

/// The name of what was asked for by name or id, for the record; what is asked for where there is none.
fn called(app: &App, asked: &str) -> String {
    app.engine.network(asked).map_or_else(|_| asked.to_owned(), |network| network.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_lan_is_for_administrators() {
        let request = |driver: &str| CreateNetwork { driver: driver.to_owned(), ..CreateNetwork::default() };
        assert_eq!(need_to_make(&request("macvlan")), Right::Administer);
        for driver in ["", "bridge"] {
            assert_eq!(need_to_make(&request(driver)), Right::Operate);
        }
    }
}
