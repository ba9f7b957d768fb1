//! Styles, scripts and icons, inside the binary. Their addresses carry a hash of their bytes, so browsers keep them.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    version: String,
}

macro_rules! assets {
    ($($name:literal, $kind:literal, $path:literal;)*) => {
        vec![$(Asset {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!("../../../web/", $path)),
            version: Sha256::digest(include_bytes!(concat!("../../../web/", $path)))
                .iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
        }),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    assets! {
        "app.css", "text/css; charset=utf-8", "static/app.css";
        "app.js", "text/javascript; charset=utf-8", "static/app.js";
        "keys.js", "text/javascript; charset=utf-8", "static/keys.js";
        "logs.js", "text/javascript; charset=utf-8", "static/logs.js";
        "stats.js", "text/javascript; charset=utf-8", "static/stats.js";
        "icons.svg", "image/svg+xml", "static/icons.svg";
        "favicon.svg", "image/svg+xml", "static/favicon.svg";
        "htmx.js", "text/javascript; charset=utf-8", "vendor/htmx.min.js";
        "htmx-sse.js", "text/javascript; charset=utf-8", "vendor/htmx-ext-sse.min.js";
        "idiomorph.js", "text/javascript; charset=utf-8", "vendor/idiomorph-ext.min.js";
        "uplot.js", "text/javascript; charset=utf-8", "vendor/uplot.min.js";
        "uplot.css", "text/css; charset=utf-8", "vendor/uplot.min.css";
        "terminal.js", "text/javascript; charset=utf-8", "static/terminal.js";
        "xterm.js", "text/javascript; charset=utf-8", "vendor/xterm.min.js";
        "xterm-fit.js", "text/javascript; charset=utf-8", "vendor/xterm-fit.min.js";
        "xterm.css", "text/css; charset=utf-8", "vendor/xterm.css";
    }
});

/// The address of an asset.
pub fn address(name: &str) -> String {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => format!("/static/{name}?v={}", asset.version),
        None => format!("/static/{name}"),
    }
}

/// `GET /static/{name}`.
pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", asset.version);
    let shared =
        [(header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()), (header::ETAG, tag.clone())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (shared, [(header::CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn assets_have_versions_and_unknown_ones_are_not_there() {
        let address = address("app.css");
        assert!(
            address.starts_with("/static/app.css?v=") && address.len() == "/static/app.css?v=".len() + 12,
            "{address}"
        );
        let found = serve(Path("app.css".into()), HeaderMap::new()).await;
        assert_eq!(found.status(), StatusCode::OK);
        assert_eq!(serve(Path("../main.rs".into()), HeaderMap::new()).await.status(), StatusCode::NOT_FOUND);
    }
}
