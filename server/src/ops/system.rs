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

/// What happens from now on. A reader that is too slow learns that it lost some.
///
/// # Errors
/// Without the right to view.
pub fn events(app: &App, actor: &Actor) -> Result<broadcast::Receiver<Event>> {
    actor.require(Right::View)?;
    Ok(app.engine.events())
}

/// Like [`events`], for who passes on only that something happened: that is for everybody to know.
///
/// # Errors
/// Without an account.
pub fn pokes(app: &App, actor: &Actor) -> Result<broadcast::Receiver<Event>> {
    actor.require(Right::Account)?;
    Ok(app.engine.events())
}
