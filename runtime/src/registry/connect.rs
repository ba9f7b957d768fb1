//! HTTP clients by host: the certificates Docker's users know from `/etc/docker/certs.d/HOST/`.
//!
//! ```text
//! <folder>/<host[:port]>/*.crt           further roots that may vouch for this host
//! <folder>/<host[:port]>/NAME.cert       with NAME.key: what this host is shown of us
//! ```
//! The folders are looked at for each connection pool's use, so that a new certificate counts at once.

use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use reqwest::{Certificate, Identity};

use super::{Config, Error, error::root_cause};

const MAX_CERTIFICATE_BYTES: u64 = 1 << 20;
/// Hosts with certificates of their own whose connections are kept.
const MAX_KEPT: usize = 64;

/// A file and when it was changed.
type Seen = Vec<(PathBuf, Option<SystemTime>)>;

/// What distinguishes connections: the host where it has certificates of its own, and whether all certificates will do.
type Key = (String, bool);

/// All clients.
#[derive(Debug, Default)]
pub struct Clients(Mutex<HashMap<Key, (Seen, reqwest::Client)>>);

impl Clients {
    /// The client for a host. `lax` needs nobody to vouch for certificates.
    pub fn get(&self, host: &str, lax: bool, config: &Config) -> Result<reqwest::Client, Error> {
        let seen = certificates(&config.certificates, host);
        let key = (if seen.is_empty() { String::new() } else { host.to_owned() }, lax);
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = clients.get(&key)
            && *known == seen
        {
            return Ok(client.clone());
        }
        let client = build(&seen, lax, config)?;
        if clients.len() >= MAX_KEPT {
            clients.clear();
        }
        clients.insert(key, (seen, client.clone()));
        Ok(client)
    }
}

/// The certificate files for a host, sorted.
fn certificates(folders: &[PathBuf], host: &str) -> Seen {
    // It becomes a part of a path.
    if host.is_empty() || host.starts_with('.') || host.contains('/') {
        return Seen::new();
    }
    let listed = folders.iter().filter_map(|folder| fs::read_dir(folder.join(host)).ok());
    let files = listed.flat_map(|entries| entries.filter_map(Result::ok));
    let known =
        |path: &Path| path.extension().is_some_and(|kind| ["crt", "cert", "key"].iter().any(|one| kind == *one));
    let mut seen: Seen = files
        .filter(|entry| known(&entry.path()))
        .map(|entry| (entry.path(), entry.metadata().ok().and_then(|meta| meta.modified().ok())))
        .collect();
    seen.sort();
    seen
}

fn build(files: &Seen, lax: bool, config: &Config) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(lax)
        .connect_timeout(config.stall)
        .user_agent(concat!("darsena/", env!("CARGO_PKG_VERSION")));
    let is = |path: &Path, kind: &str| path.extension().is_some_and(|found| found == kind);
    for (path, _) in files {
        let wrong = |why: String| Error::Setup(format!("{}: {why}", path.display()));
        if is(path, "crt") {
            let roots = Certificate::from_pem_bundle(&read(path)?).map_err(|error| wrong(root_cause(&error)))?;
            builder = builder.tls_certs_merge(roots);
        } else if is(path, "cert") {
            let key = path.with_extension("key");
            if !key.exists() {
                return Err(wrong(format!("it needs its key beside it: {}", key.display())));
            }
            let both = [read(path)?, b"\n".to_vec(), read(&key)?].concat();
            builder = builder.identity(Identity::from_pem(&both).map_err(|error| wrong(root_cause(&error)))?);
        } else if !path.with_extension("cert").exists() {
            return Err(wrong(format!(
                "it needs its certificate beside it: {}",
                path.with_extension("cert").display()
            )));
        }
    }
    builder.build().map_err(|error| Error::Setup(root_cause(&error)))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| Error::Setup(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
