//! The built-in image `darsena/welcome`: a static web server with one page, built from this repository's sources, so that
//! a fresh host without a network has something to run.

use std::io::{self, Cursor};

use runtime::error::{Error, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{app::App, auth::actor::Actor, ops};

/// The server's program, static (see build.rs).
const PROGRAM: &[u8] = include_bytes!(env!("DARSENA_WELCOME_BIN"));

/// Its name once loaded.
const REFERENCE: &str = "darsena/welcome:latest";

/// When this version was made: a date of the moment would make each build's image another.
const CREATED: &str = "2026-11-25T00:00:00Z";

/// Where the fact that it was once installed is kept: someone who removed it doesn't want it back.
const INSTALLED: &str = "welcome.installed";

/// Loads the image, once in the life of a data root.
///
/// # Errors
/// When the engine can't store it or the database can't be written.
pub async fn install_once(app: &App) -> Result<()> {
    if app.db.setting(INSTALLED).await?.is_some() {
        return Ok(());
    }
    let archive = archive().map_err(|error| Error::internal("the welcome image can't be made", error))?;
    let watch = ops::images::load(app, &Actor::system(), "darsena-welcome.tar", Cursor::new(archive)).await?;
    watch.end.await.map_err(|panic| Error::internal("the welcome image can't be loaded", panic))??;
    app.db.set_setting(INSTALLED, REFERENCE).await
}

/// An archive as `docker save` makes them.
fn archive() -> io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    for folder in ["etc/", "tmp/"] {
        let mut header = header(0, if folder == "tmp/" { 0o1777 } else { 0o755 });
        header.set_entry_type(tar::EntryType::Directory);
        layer.append_data(&mut header, folder, io::empty())?;
    }
    let passwd = b"root:x:0:0:root:/:/nonexistent\nwelcome:x:1000:1000:welcome:/:/nonexistent\n";
    layer.append_data(&mut header(passwd.len(), 0o644), "etc/passwd", passwd.as_slice())?;
    let group = b"root:x:0:\nwelcome:x:1000:\n";
    layer.append_data(&mut header(group.len(), 0o644), "etc/group", group.as_slice())?;
    layer.append_data(&mut header(PROGRAM.len(), 0o755), "welcome", PROGRAM)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "created": CREATED,
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {
            "User": "welcome",
            "ExposedPorts": { "8080/tcp": {} },
            "Entrypoint": ["/welcome"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "Darsena welcome",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))] },
        "history": [{ "created_by": "built with Darsena", "comment": "a static web server with one page" }],
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", hex(&config));
    let manifest = json!([{ "Config": config_name, "RepoTags": [REFERENCE], "Layers": ["layer.tar"] }]);
    let manifest = serde_json::to_vec(&manifest)?;
    let mut archive = tar::Builder::new(Vec::with_capacity(layer.len() + (16 << 10)));
    for (name, bytes) in [(config_name.as_str(), &config), ("layer.tar", &layer), ("manifest.json", &manifest)] {
        archive.append_data(&mut header(bytes.len(), 0o644), name, bytes.as_slice())?;
    }
    archive.into_inner()
}

/// Nothing of the moment goes in: the same program makes the same image.
fn header(size: usize, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
