//! The host, the engine, and what happens on it.

use runtime::{
    error::Result,
    view::{Event, HostInfo},
};
use tokio::sync::broadcast;

use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// What the host is and can do.
///
/// # Errors
/// Without the right to view.
pub fn info(app: &App, actor: &Actor) -> Result<HostInfo> {
    actor.require(Right::View)?;
    Ok(app.engine.info())
}

/// What has happened, as far as it is remembered, and what happens from now on. A reader that is too slow learns that it
/// lost some.
///
/// # Errors
/// Without the right to view.
pub fn events_so_far(app: &App, actor: &Actor) -> Result<(Vec<Event>, broadcast::Receiver<Event>)> {
    actor.require(Right::View)?;
    Ok(app.engine.events_so_far())
}

/// What happens from now on, for who passes on only that something happened: that is for everybody to know.
///
/// # Errors
/// Without an account.
pub fn pokes(app: &App, actor: &Actor) -> Result<broadcast::Receiver<Event>> {
    actor.require(Right::Account)?;
    Ok(app.engine.events())
}
