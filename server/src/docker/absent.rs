//! What other engines have and this one does not: swarm and plugins. Clients ask for them on their own and go on when they
//! are answered as an engine answers that is in no swarm.

use axum::{
    Json, Router,
    routing::{any, get, post},
};
use runtime::error::{Error, ErrorKind};

use super::error::Failure;
use crate::app::App;

pub(super) fn routes() -> Router<App> {
    let of_swarms = ["/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"];
    let swarm = of_swarms.into_iter().fold(Router::new(), |paths, path| {
        let below = format!("{path}/{{*path}}");
        paths.route(path, any(no_swarm)).route(&below, any(no_swarm))
    });
    swarm
        .route("/plugins", get(|| async { Json([(); 0]) }))
        .route("/swarm/init", post(never))
        .route("/swarm/join", post(never))
        .route("/swarm/leave", post(no_member))
}

async fn no_member() -> Failure {
    Error::new(ErrorKind::Unavailable, "This node is not part of a swarm").into()
}

/// Docker's text, which clients take for: none of these.
async fn no_swarm() -> Failure {
    let text = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to \
                swarm and try again.";
    Error::new(ErrorKind::Unavailable, text).into()
}

async fn never() -> Failure {
    Error::unsupported("Darsena runs containers on this host alone: it joins no swarm").into()
}
