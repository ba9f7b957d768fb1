//! Every route of the product, as a table; and the layers every request passes.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tower_http::compression::{
    CompressionLayer, Predicate as _,
    predicate::{DefaultPredicate, NotForContentType},
};

use crate::{
    app::App,
    auth::{
        actor::new_request_id,
        cookie::Meta,
        origin::{self, Hosts},
    },
    live, registry,
    ui::{
        account, assets, audit, build_cache, build_new, build_records, builds, container, container_actions,
        container_changes, container_commit, container_edit, container_inspect, container_logs, container_prune,
        container_settings, containers, download,
        error::{self, Fault},
        image, image_bring, image_import, image_names, image_prune, image_remove, image_save, image_search, images,
        launch, network, networks, operations, overview, people, registries, registry as ui_registry, sign_in, teams,
        terminal, tokens, volume, volume_edit, volume_files, volumes,
    },
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The pages, their assets and their streams.
pub fn pages(app: App, hosts: Hosts) -> Router {
    let live = Router::new()
        .route("/live/events", get(live::events::events))
        .route("/live/builds/{id}/log", get(live::builds::open))
        .route("/live/containers/{name}/logs", get(live::logs::open))
        .route("/live/containers/{name}/stats", get(live::stats::open))
        .route("/live/containers/{name}/terminal", get(live::terminal::open))
        .layer(from_fn_with_state(app.clone(), live::guard));
    Router::new()
        .route("/", get(overview::show))
        .route("/search", get(overview::search))
        .route("/containers", get(containers::list).post(launch::create))
        .route("/containers/new", get(launch::show).post(launch::again))
        .route("/containers/bulk", post(containers::bulk))
        .route("/containers/prune", get(container_prune::ask).post(container_prune::remove))
        .route("/containers/{name}", get(container::overview))
        .route("/containers/{name}/logs", get(container_logs::logs))
        .route("/containers/{name}/logs/download", get(container_logs::download))
        .route("/containers/{name}/stats", get(container::stats))
        .route("/containers/{name}/changes", get(container_changes::show))
        .route("/containers/{name}/inspect", get(container_inspect::show))
        .route("/containers/{name}/inspect.json", get(container_inspect::json))
        .route("/containers/{name}/export", get(container_changes::export))
        .route("/containers/{name}/commit", get(container_commit::show).post(container_commit::commit))
        .route("/containers/{name}/terminal", get(terminal::show).post(terminal::end))
        .route("/containers/{name}/settings", get(container_settings::show).post(container_settings::save))
        .route("/containers/{name}/edit", get(container_edit::show).post(container_edit::save))
        .route("/containers/{name}/go-back", post(container_edit::go_back))
        .route("/containers/{name}/forget", get(container_edit::ask_forget).post(container_edit::forget))
        .route("/containers/{name}/rename", post(container_settings::rename))
        .route("/containers/{name}/{act}", get(container_actions::ask).post(container_actions::act))
        .route("/images", get(images::list))
        .route("/images/bulk", post(images::bulk))
        .route("/images/save", get(image_save::several))
        .route("/images/search", get(image_search::show))
        .route("/images/prune", get(image_prune::ask).post(image_prune::remove))
        .route("/images/pull", post(image_bring::pull))
        .route("/images/load", post(image_bring::load).layer(DefaultBodyLimit::disable()))
        .route("/images/import", get(image_import::show).post(image_import::import).layer(DefaultBodyLimit::disable()))
        .route("/images/{id}", get(image::detail))
        .route("/images/{id}/save", get(image_save::one))
        .route("/images/{id}/tag", post(image_names::tag))
        .route("/images/{id}/push", post(image_names::push))
        .route("/images/{id}/remove", get(image_remove::ask).post(image_remove::remove))
        .route("/volumes", get(volumes::list).post(volumes::create))
        // Not below /volumes: a volume may have any of these names.
        .route("/bulk/volumes", post(volumes::bulk))
        .route("/prune/volumes", get(volumes::ask_prune).post(volumes::prune))
        .route("/volumes/{name}", get(volume::detail))
        .route("/volumes/{name}/remove", get(volume::ask).post(volume::remove))
        .route("/volumes/{name}/files", get(volume_files::list))
        .route("/volumes/{name}/files/download", get(volume_files::download))
        .route("/volumes/{name}/files/upload", post(volume_files::take).layer(DefaultBodyLimit::disable()))
        .route("/volumes/{name}/files/folder", post(volume_files::make_folder))
        .route("/volumes/{name}/files/text", post(volume_edit::begin))
        .route("/volumes/{name}/files/rename", get(volume_files::ask_name).post(volume_files::rename))
        .route("/volumes/{name}/files/remove", get(volume_files::ask_remove).post(volume_files::remove))
        .route("/volumes/{name}/files/edit", get(volume_edit::show).post(volume_edit::save))
        .route("/builds", get(builds::list).post(build_new::create))
        .route("/builds/new", get(build_new::show).post(build_new::again))
        .route("/builds/bulk", post(build_records::bulk))
        .route("/builds/check", post(build_new::check))
        .route("/builds/upload", post(build_new::upload).layer(DefaultBodyLimit::disable()))
        .route("/builds/cache", get(build_cache::show))
        .route("/builds/cache/prune", get(build_cache::ask).post(build_cache::remove))
        .route("/builds/{id}", get(builds::detail))
        .route("/builds/{id}/log", get(builds::download))
        .route("/builds/{id}/cancel", post(builds::cancel))
        .route("/builds/{id}/again", post(builds::again))
        .route("/builds/{id}/remove", get(build_records::ask).post(build_records::remove))
        .route("/registry", get(ui_registry::list))
        .route("/registry/{*name}", get(ui_registry::detail).post(ui_registry::remove))
        .route("/registries", get(registries::show).post(registries::add))
        .route("/registries/remove", post(registries::remove))
        .route("/teams", get(teams::list).post(teams::create))
        .route("/teams/{name}", get(teams::detail))
        .route("/teams/{name}/members", post(teams::set_member))
        .route("/teams/{name}/members/{user}/remove", post(teams::remove_member))
        .route("/teams/{name}/remove", get(teams::ask).post(teams::remove))
        .route("/users", post(people::create))
        .route("/users/{name}", get(people::detail))
        .route("/users/{name}/password", post(people::password))
        .route("/users/{name}/{change}", get(people::ask).post(people::change))
        .route("/networks", get(networks::list).post(networks::create))
        .route("/prune/networks", get(networks::ask_prune).post(networks::prune))
        .route("/networks/{name}", get(network::detail))
        .route("/networks/{name}/connect", post(network::connect))
        .route("/networks/{name}/disconnect", post(network::disconnect))
        .route("/networks/{name}/remove", get(network::ask).post(network::remove))
        .route("/operations", get(operations::list))
        .route("/operations/tray", get(operations::tray))
        .route("/operations/{id}", get(operations::detail))
        .route("/operations/{id}/cancel", post(operations::cancel))
        .route("/audit", get(audit::list))
        .route("/audit/export", get(audit::export))
        .route("/audit/verify", get(audit::verify))
        .route("/audit/{seq}", get(audit::entry))
        .route("/account", get(account::show))
        .route("/account/preferences", post(account::prefer))
        .route("/account/password", post(account::password))
        .route("/account/sessions/{id}/end", post(account::end))
        .route("/account/tokens", post(tokens::create))
        .route("/account/tokens/{id}/revoke", post(tokens::revoke))
        .route("/session", get(sign_in::show).post(sign_in::begin))
        .route("/session/end", post(sign_in::end))
        .route("/setup", get(sign_in::set_up).post(sign_in::finish_set_up))
        .fallback(error::no_page)
        .method_not_allowed_fallback(error::no_page)
        .layer(from_fn(same_origin_only))
        .layer(from_fn_with_state(app.clone(), error::draw))
        .merge(live)
        .route("/static/{name}", get(assets::serve))
        .layer(
            CompressionLayer::new().compress_when(
                DefaultPredicate::new()
                    .and(NotForContentType::new("text/event-stream"))
                    .and(NotForContentType::new(download::TAR)),
            ),
        )
        .merge(registry::router())
        .layer(from_fn_with_state(hosts, every_request))
        .with_state(app)
}

/// Unsafe methods come from this site's own pages only.
async fn same_origin_only(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !origin::same_origin(request.headers()) {
        return Fault::ForeignForm.into_response();
    }
    next.run(request).await
}

/// Names the request, checks the host it was sent to, sets the headers every answer has.
async fn every_request(State(hosts): State<Hosts>, mut request: Request, next: Next) -> Response {
    let id = new_request_id();
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_string());
    let mut response = if let Some(https) = hosts.accept(request.headers()) {
        request.extensions_mut().insert(Meta { id: id.clone(), address: address.unwrap_or_default(), https });
        next.run(request).await
    } else {
        let told = "This server does not answer to this name. Add it to `hosts` in the configuration file.\n";
        (StatusCode::MISDIRECTED_REQUEST, told).into_response()
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not "no-referrer": with that, browsers send forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
